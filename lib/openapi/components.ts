/** Schemas that have a title become components: said once, referred to by name. */

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export interface Components {
  /** The schema with a reference in place of each titled part. */
  lift(schema: Json): Json
  /** All that were lifted, by name. */
  readonly schemas: Record<string, Json>
}

/** Two of one title that are not the same are told apart by a number. */
export const components = (): Components => {
  const schemas: Record<string, Json> = {}
  const nameFor = (title: string, schema: Json): string => {
    const text = JSON.stringify(schema)
    for (let n = 1; ; n += 1) {
      const name = n === 1 ? title : `${title}${n}`
      const known = schemas[name]
      if (!known) schemas[name] = schema
      if (!known || JSON.stringify(known) === text) return name
    }
  }
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isObject(value)) return value
    const visited = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, visit(part)]))
    const { title } = visited
    if (typeof title !== 'string' || !/^[A-Za-z]\w*$/.test(title)) return visited
    return { $ref: `#/components/schemas/${nameFor(title, visited)}` }
  }
  return { schemas, lift: (schema) => visit(schema) as Json } // an object stays one
}
