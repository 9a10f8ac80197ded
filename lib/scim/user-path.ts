/** What the path of an operation means for a user (RFC 7644 §3.5.2, figure 1). */
import {
  type Attribute,
  attributesOf,
  customSchema,
  findExtension,
  isObject,
} from '../directory/attributes.ts'
import type { Filter } from '../directory/search.ts'
import { findUserPath } from '../directory/user-path.ts'
import { bad, type ScimType } from './error.ts'
import { parsePatchPath } from './filter.ts'
import type { Operation } from './patch.ts'

export interface Target {
  readonly attribute: Attribute
  /** Which of its values, for one with several. */
  readonly filter?: Filter | undefined
  readonly sub?: string | undefined
}

/** One operation on one attribute. */
export interface Step {
  readonly op: Operation['op']
  readonly target: Target
  readonly value: unknown
}

/** The attribute, and the part of it, that a path names. */
export const parsePath = (path: string, schema?: string, scimType: ScimType = 'invalidPath'): Target => {
  const no = () => bad(scimType, `There is no attribute ${JSON.stringify(path.slice(0, 200))}.`)
  const read = path.includes('[') ? parsePatchPath(path, 'invalidFilter') : undefined
  const target = findUserPath(read?.path ?? path, schema)
  if (!target) throw no()
  if (!read?.filter) return target
  const { attribute } = target
  const sub = read.sub === undefined ? undefined : attribute.subs.get(read.sub.toLowerCase())
  if (attribute.kind !== 'multi' || target.sub !== undefined || (read.sub !== undefined && !sub)) throw no()
  return { attribute, filter: read.filter, sub }
}

const extensionSteps = (op: Operation['op'], schema: string, value: unknown): readonly Step[] => {
  if (!isObject(value)) throw bad('invalidValue', `${schema} has to be an object.`)
  // some clients name the schema inside of its own extension, too
  return Object.entries(value)
    .filter(([name]) => name.toLowerCase() !== 'schemas')
    .map(([name, inner]) => ({ op, target: parsePath(name, schema, 'invalidSyntax'), value: inner }))
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

/** An extension goes with all of its attributes that clients write. */
const removalOf = (schema: string): readonly Step[] => {
  if (schema === customSchema) throw bad('invalidPath', 'Custom attributes are removed one by one.')
  return attributesOf(schema)
    .filter(({ access }) => access === 'plain' || access === 'sensitive')
    .map((attribute) => ({ op: 'remove', target: { attribute }, value: undefined }))
}

/** The steps of one operation. */
export const stepsOf = ({ op, path, value }: Operation): readonly Step[] => {
  if (path === undefined) return resourceSteps(op, value)
  const schema = findExtension(path)
  if (!schema) return [{ op, target: parsePath(path), value }]
  return op === 'remove' ? removalOf(schema) : extensionSteps(op, schema, value)
}
