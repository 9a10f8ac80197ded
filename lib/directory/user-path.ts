/** What a name such as `urn:…:User:name.givenName` means for a user: an attribute, and the part of it. */
import { type Attribute, coreSchema, extensionSchemas, findAttribute } from './attributes.ts'

export interface UserPath {
  readonly attribute: Attribute
  readonly sub: string | undefined
}

const shape = /^([A-Za-z$][\w$-]*)(?:\.([A-Za-z$][\w$-]*))?$/

/** Whether a user may have more than one value of the attribute. */
export const hasSeveral = ({ kind }: Attribute): boolean => kind === 'multi' || kind === 'strings'

/** The schema that a name begins with, and the rest of the name. */
const withSchema = (name: string): readonly [string, string] => {
  const lower = name.toLowerCase()
  const schema = [coreSchema, ...extensionSchemas].find((urn) => lower.startsWith(`${urn.toLowerCase()}:`))
  return schema ? [schema, name.slice(schema.length + 1)] : [coreSchema, name]
}

/** The attribute, and the part of it, that a name stands for; in `schema`, or in the one that stands in front. */
export const findUserPath = (path: string, schema?: string): UserPath | undefined => {
  const [inside, rest] = schema === undefined ? withSchema(path) : [schema, path]
  const [, name, part] = shape.exec(rest) ?? []
  const attribute = name === undefined ? undefined : findAttribute(name, inside)
  if (!attribute) return undefined
  const sub = part === undefined ? undefined : attribute.subs.get(part.toLowerCase())
  return part !== undefined && sub === undefined ? undefined : { attribute, sub }
}
