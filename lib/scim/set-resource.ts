/**
 * Bodies of groups and roles: texts, and sets of references to others. What there is to write is said by the tables
 * that `/Schemas` shows.
 */
import { isObject } from '../directory/attributes.ts'
import type { Filter } from '../directory/search.ts'
import type { SetEdit } from '../directory/set-edit.ts'
import { bad } from './error.ts'
import { parsePatchPath } from './filter.ts'
import type { Operation } from './patch.ts'
import type { ResourceSchema, SchemaAttribute } from './schema-attribute.ts'

type Body = Readonly<Record<string, unknown>>

const common = new Set(['schemas', 'id', 'meta'])

/** What a body says: each attribute that it names, by its name in the schema. */
export type Said = ReadonlyMap<string, unknown>

const quote = (name: string) => JSON.stringify(name.slice(0, 200))

const bare = (schema: ResourceSchema, name: string): string =>
  name.toLowerCase().startsWith(`${schema.id.toLowerCase()}:`) ? name.slice(schema.id.length + 1) : name

const find = (schema: ResourceSchema, written: string): SchemaAttribute | undefined => {
  const name = bare(schema, written).toLowerCase()
  return schema.attributes.find((attribute) => attribute.name.toLowerCase() === name)
}

/** The attributes of a new or replaced resource; what only the server writes is left out (RFC 7644 §3.3). */
export const readResource = (schema: ResourceSchema, body: Body): Said => {
  const said = new Map<string, unknown>()
  for (const [key, value] of Object.entries(body)) {
    const attribute = find(schema, key)
    if (attribute && said.has(attribute.name)) {
      throw bad('invalidSyntax', `${attribute.name} is there twice.`)
    }
    if (attribute && attribute.mutability !== 'readOnly') said.set(attribute.name, value)
    else if (key.toLowerCase() === 'externalid') said.set('externalId', value)
    else if (!attribute && !common.has(key.toLowerCase())) {
      throw bad('invalidSyntax', `A ${schema.name.toLowerCase()} has no ${quote(key)}.`)
    }
  }
  return said
}

export const readName = (value: unknown): string => {
  if (typeof value !== 'string' || value.trim() === '') {
    throw bad('invalidValue', 'displayName has to be a string that is not empty.')
  }
  return value.trim()
}

const longestExternalId = 255

/** An external id; null where there is none. */
export const readExternalId = (value: unknown): string | null => {
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string' || value.length > longestExternalId) {
    throw bad('invalidValue', `externalId has to be a string of at most ${longestExternalId} characters.`)
  }
  return value
}

const readReference = (attribute: SchemaAttribute, item: unknown): string => {
  if (!isObject(item)) {
    if (typeof item === 'string' && item !== '') return item
    throw bad('invalidValue', `${attribute.name} has to be a list of objects with a value.`)
  }
  const parts = new Map(Object.entries(item).map(([key, part]) => [key.toLowerCase(), part]))
  for (const key of Object.keys(item)) {
    if (!attribute.subAttributes?.some(({ name }) => name.toLowerCase() === key.toLowerCase())) {
      throw bad('invalidSyntax', `${attribute.name} have no ${quote(key)}.`)
    }
  }
  const type = parts.get('type')
  if (type !== undefined && type !== null && String(type).toLowerCase() !== 'user') {
    throw bad('invalidValue', 'Members have to be users: groups in groups are not supported.')
  }
  const value = parts.get('value')
  if (typeof value !== 'string' || value === '') {
    throw bad('invalidValue', `${attribute.name} has to be a list of objects with a value.`)
  }
  return value
}

/** The ids of a list such as `[{"value":"<id>"}]`. */
export const readReferences = (schema: ResourceSchema, name: string, value: unknown): readonly string[] => {
  const attribute = find(schema, name)
  if (!attribute) throw new Error(`a ${schema.name} has no ${name}`)
  const items = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]
  return items.map((item) => readReference(attribute, item))
}

interface SetDraft {
  replaceWith: Set<string> | undefined
  add: Set<string>
  remove: Set<string>
}

/** What the operations of a PATCH come to together. */
export interface Changes {
  readonly name: string | undefined
  /** Null takes it away. */
  readonly externalId: string | null | undefined
  readonly sets: ReadonlyMap<string, SetEdit>
}

/** The values that `[value eq "…"]` means, or several of them joined by `or`. */
const meant = (filter: Filter): readonly string[] => {
  if (filter.kind === 'or') return filter.terms.flatMap(meant)
  if (filter.kind !== 'comparison' || filter.operator !== 'eq') {
    throw bad('invalidFilter', 'Values are selected by value eq, and several of them by or.')
  }
  if (filter.path.toLowerCase() !== 'value') {
    throw bad('invalidSyntax', `There is no ${quote(filter.path)} to select by.`)
  }
  return [filter.text]
}

const applyToSet = (set: SetDraft, op: Operation['op'], values: readonly string[] | undefined) => {
  if (op === 'replace' || values === undefined) {
    set.replaceWith = new Set(values)
    set.add = new Set()
    set.remove = new Set()
    return
  }
  const [into, from] = op === 'add' ? [set.add, set.remove] : [set.remove, set.add]
  for (const value of values) {
    into.add(value)
    from.delete(value)
  }
}

/**
 * Reads the operations of a PATCH (RFC 7644 §3.5.2) of the resource `id`; Okta repeats that where it says what to replace.
 */
export const readChanges = (
  schema: ResourceSchema,
  operations: readonly Operation[],
  id: string,
): Changes => {
  let name: string | undefined
  let externalId: string | null | undefined
  const sets = new Map<string, SetDraft>()

  const apply = (op: Operation['op'], written: string, value: unknown) => {
    const { path, filter, sub } = parsePatchPath(
      bare(schema, written),
      written.includes('[') ? 'invalidSyntax' : 'invalidPath',
    )
    const [first = '', inner] = path.split('.')
    if (first.toLowerCase() === 'externalid' && inner === undefined && !filter) {
      externalId = op === 'remove' ? null : readExternalId(value)
      return
    }
    const attribute = find(schema, first)
    if (!attribute && !common.has(first.toLowerCase())) {
      throw bad('invalidPath', `A ${schema.name.toLowerCase()} has no ${quote(written)}.`)
    }
    if (attribute?.mutability !== 'readWrite') {
      throw bad('mutability', `${attribute?.name ?? first} cannot be changed.`)
    }
    const part = sub ?? inner
    if (part !== undefined) {
      if (!attribute.subAttributes?.some((one) => one.name.toLowerCase() === part.toLowerCase())) {
        throw bad('invalidPath', `${attribute.name} has no ${quote(part)}.`)
      }
      throw bad('mutability', `${attribute.name} are added and removed whole.`)
    }
    if (attribute.type !== 'complex') {
      if (filter) throw bad('invalidPath', `${attribute.name} has one value.`)
      if (op === 'remove') throw bad('mutability', `${attribute.name} cannot be removed.`)
      name = readName(value)
      return
    }
    if (filter && op !== 'remove') {
      throw bad('invalidPath', `${attribute.name} are chosen by a filter only to be removed.`)
    }
    const values = filter
      ? meant(filter)
      : op === 'remove' && (value === undefined || value === null)
        ? undefined
        : readReferences(schema, attribute.name, value)
    const set = sets.get(attribute.name) ?? { replaceWith: undefined, add: new Set(), remove: new Set() }
    sets.set(attribute.name, set)
    applyToSet(set, op, values)
  }

  for (const { op, path, value } of operations) {
    if (path !== undefined) apply(op, path, value)
    else if (!isObject(value)) throw bad('invalidValue', 'Without a path the value has to be an object.')
    else {
      for (const [key, inner] of Object.entries(value)) {
        if (key.toLowerCase() === 'schemas' || (key.toLowerCase() === 'id' && inner === id)) continue
        if (key.toLowerCase() === schema.id.toLowerCase() && isObject(inner)) {
          for (const [deep, one] of Object.entries(inner)) apply(op, deep, one)
        } else apply(op, key, inner)
      }
    }
  }
  return { name, externalId, sets }
}
