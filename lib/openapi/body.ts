/** The schema of a request's body as the document has it: that of the operation, and what is done before it is looked at. */
import type { ZodType } from 'zod'
import type { Operation } from '../access/operation.ts'

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const orNull = (schema: unknown): unknown =>
  isObject(schema) && Object.keys(schema).some((key) => key !== 'description' && key !== 'default')
    ? { anyOf: [schema, { type: 'null' }] }
    : schema // whatever it is, it may be null

/** Members of objects that need not be there may be null, wherever the objects are. */
const withNulls = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(withNulls)
  if (!isObject(schema)) return schema
  const { properties, ...rest } = schema
  const { required } = rest
  const needed = new Set(Array.isArray(required) ? required : [])
  const inner = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, withNulls(part)]))
  if (!isObject(properties)) return inner
  const members = Object.entries(properties).map(([name, part]) => {
    const visited = withNulls(part)
    return [name, needed.has(name) ? visited : orNull(visited)]
  })
  return { ...inner, properties: Object.fromEntries(members) }
}

/** `toSchema` makes a JSON Schema of a schema of ours; an operation without a body has an empty one. */
export const bodyOf = (
  { body, nulls }: Operation,
  toSchema: (schema: ZodType, io: 'input') => Json,
): Json => {
  if (!body) return {}
  const schema = toSchema(body, 'input')
  return nulls === 'absent' ? (withNulls(schema) as Json) : schema // an object stays one
}
