/** What the path of an operation means for a user (RFC 7644 §3.5.2, figure 1). */
import {
  type Attribute,
  coreSchema,
  extensionSchemas,
  findAttribute,
  findExtension,
  isObject,
} from '../directory/attributes.ts'
import type { Comparison } from '../directory/search.ts'
import { bad, type ScimType } from './error.ts'
import { comparisonsOf, parseFilter } from './filter.ts'
import type { Operation } from './patch.ts'

export interface Target {
  readonly attribute: Attribute
  /** Which of its values, for one with several. */
  readonly filter?: readonly Comparison[] | undefined
  readonly sub?: string | undefined
}

/** One operation on one attribute. */
export interface Step {
  readonly op: Operation['op']
  readonly target: Target
  readonly value: unknown
}

const shape = /^([A-Za-z$][\w$-]*)(?:\[([^\]]*)\])?(?:\.([A-Za-z$][\w$-]*))?$/

/** The schema that a name begins with, and the rest of the name. */
const withSchema = (name: string): readonly [string, string] => {
  const lower = name.toLowerCase()
  const schema = [coreSchema, ...extensionSchemas].find((urn) => lower.startsWith(`${urn.toLowerCase()}:`))
  return schema ? [schema, name.slice(schema.length + 1)] : [coreSchema, name]
}

/** The attribute, and the part of it, that a path names. */
export const parsePath = (path: string, schema?: string, scimType: ScimType = 'invalidPath'): Target => {
  const no = () => bad(scimType, `There is no attribute ${JSON.stringify(path.slice(0, 200))}.`)
  const [inside, rest] = schema === undefined ? withSchema(path) : [schema, path]
  const match = shape.exec(rest)
  const attribute = match?.[1] === undefined ? undefined : findAttribute(match[1], inside)
  if (!match || !attribute) throw no()
  const [, , filter, part] = match
  const sub = part === undefined ? undefined : attribute.subs.get(part.toLowerCase())
  if (part !== undefined && sub === undefined) throw no()
  if (filter === undefined) return { attribute, sub }
  if (attribute.kind !== 'multi') throw no()
  return {
    attribute,
    filter: comparisonsOf(parseFilter(filter, scimType === 'invalidPath' ? 'invalidFilter' : scimType)),
    sub,
  }
}

const extensionSteps = (op: Operation['op'], schema: string, value: unknown): readonly Step[] => {
  if (!isObject(value)) throw bad('invalidValue', `${schema} has to be an object.`)
  return Object.entries(value).map(([name, inner]) => ({
    op,
    target: parsePath(name, schema, 'invalidSyntax'),
    value: inner,
  }))
}

/** The steps that a resource, or a part of one, stands for: one for each attribute in it. */
export const resourceSteps = (op: Operation['op'], value: unknown): readonly Step[] => {
  if (!isObject(value)) throw bad('invalidValue', 'Without a path the value has to be an object.')
  return Object.entries(value).flatMap(([name, inner]) => {
    if (name.toLowerCase() === 'schemas') return []
    const schema = findExtension(name)
    if (schema) return inner === null ? [] : extensionSteps(op, schema, inner)
    return [{ op, target: parsePath(name, undefined, 'invalidSyntax'), value: inner }]
  })
}

/** The steps of one operation. */
export const stepsOf = ({ op, path, value }: Operation): readonly Step[] => {
  if (path === undefined) return resourceSteps(op, value)
  const schema = findExtension(path)
  if (!schema) return [{ op, target: parsePath(path), value }]
  if (op === 'remove') throw bad('invalidPath', 'An extension is removed attribute by attribute.')
  return extensionSteps(op, schema, value)
}
