/** The bodies of `/scim2/v2/Roles`: a new role, and the changes of a PATCH. */
import { isObject } from '../directory/attributes.ts'
import type { NewRole } from '../directory/role-creation.ts'
import type { RoleEdit, SetEdit } from '../directory/role-update.ts'
import type { Audience } from '../directory/roles.ts'
import { bad, ScimError } from './error.ts'
import { comparisonsOf, parseFilter } from './filter.ts'
import type { Operation } from './patch.ts'

type Body = Readonly<Record<string, unknown>>

const names = ['displayName', 'users', 'groups', 'permissions'] as const
type Name = (typeof names)[number]

const readOnly = new Set(['id', 'meta', 'schemas', 'associatedapplications', 'properties'])

const nameOf = (written: string): Name | undefined =>
  names.find((name) => name.toLowerCase() === written.toLowerCase())

const readName = (value: unknown): string => {
  if (typeof value !== 'string' || value.trim() === '') {
    throw bad('invalidValue', 'displayName has to be a string that is not empty.')
  }
  return value.trim()
}

/** The `value`s of a list such as `[{"value":"<id>"}]`. */
const readValues = (name: string, value: unknown): readonly string[] => {
  const items = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]
  return items.map((item) => {
    const found = isObject(item) ? item.value : item
    if (typeof found !== 'string' || found === '') {
      throw bad('invalidValue', `${name} has to be a list of objects with a value.`)
    }
    return found
  })
}

const refuseGroups = (ids: readonly string[]) => {
  if (ids.length > 0) throw bad('invalidValue', "Group can't be resolved from the given group Id.")
}

const readAudience = (value: unknown, organizationId: string): Audience => {
  if (value === undefined || value === null) return { type: 'organization', id: organizationId }
  if (!isObject(value)) throw bad('invalidValue', 'Invalid role audience')
  const type = typeof value.type === 'string' ? value.type.toLowerCase() : ''
  if ((type !== 'application' && type !== 'organization') || typeof value.value !== 'string') {
    throw bad('invalidValue', 'Invalid role audience')
  }
  return { type, id: value.value }
}

/** A new role; without an audience it is the organization's. */
export const readNewRole = (body: Body, organizationId: string): NewRole => {
  const found = new Map<string, unknown>()
  for (const [key, value] of Object.entries(body)) {
    const name = key.toLowerCase() === 'audience' ? 'audience' : nameOf(key)
    if (name) found.set(name, value)
    else if (!readOnly.has(key.toLowerCase())) {
      throw bad('invalidSyntax', `A role has no ${JSON.stringify(key.slice(0, 200))}.`)
    }
  }
  refuseGroups(readValues('groups', found.get('groups')))
  return {
    name: readName(found.get('displayName')),
    audience: readAudience(found.get('audience'), organizationId),
    permissions: readValues('permissions', found.get('permissions')),
    users: readValues('users', found.get('users')),
  }
}

interface Draft {
  name: string | undefined
  readonly users: SetDraft
  readonly permissions: SetDraft
}

interface SetDraft {
  replaceWith: Set<string> | undefined
  add: Set<string>
  remove: Set<string>
  touched: boolean
}

const emptySet = (): SetDraft => ({
  replaceWith: undefined,
  add: new Set(),
  remove: new Set(),
  touched: false,
})

const applyToSet = (set: SetDraft, op: Operation['op'], values: readonly string[] | undefined) => {
  set.touched = true
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

/** The one value of `users[value eq <id>]`. */
const filtered = (filter: string): string => {
  const conditions = comparisonsOf(parseFilter(filter, 'invalidSyntax'), 'invalidSyntax')
  const [condition] = conditions
  if (conditions.length !== 1 || !condition || condition.operator !== 'eq') {
    throw new ScimError(501, 'Complex filters are not supported yet')
  }
  if (condition.path.toLowerCase() !== 'value') {
    throw bad('invalidSyntax', `There is no ${JSON.stringify(condition.path)} to select by.`)
  }
  return condition.text
}

const applyTo = (draft: Draft, op: Operation['op'], path: string, value: unknown): void => {
  const [, written = '', filter] = /^([^[\]]+)(?:\[([^\]]*)\])?$/.exec(path) ?? []
  const name = nameOf(written)
  if (!name) {
    if (readOnly.has(written.toLowerCase()) || written.toLowerCase() === 'audience') {
      throw bad('mutability', `${written} cannot be changed.`)
    }
    throw bad('invalidPath', `A role has no ${JSON.stringify(path.slice(0, 200))}.`)
  }
  if (name === 'displayName') {
    if (op === 'remove' || filter !== undefined) throw bad('mutability', 'displayName cannot be removed.')
    draft.name = readName(value)
    return
  }
  if (filter !== undefined && op !== 'remove') {
    throw bad('invalidPath', `${name} are chosen by a filter only to be removed.`)
  }
  const values =
    filter !== undefined
      ? [filtered(filter)]
      : op === 'remove' && value === undefined
        ? undefined
        : readValues(name, value)
  if (name === 'groups') refuseGroups(op === 'remove' ? [] : (values ?? []))
  else applyToSet(draft[name], op, values)
}

const toSetEdit = ({ touched, ...set }: SetDraft): SetEdit | undefined => (touched ? set : undefined)

/** The change that the operations of a PATCH make together. */
export const readRoleEdit = (operations: readonly Operation[]): RoleEdit => {
  const draft: Draft = { name: undefined, users: emptySet(), permissions: emptySet() }
  for (const { op, path, value } of operations) {
    if (path !== undefined) applyTo(draft, op, path, value)
    else if (!isObject(value)) throw bad('invalidValue', 'Without a path the value has to be an object.')
    else {
      for (const [key, inner] of Object.entries(value)) {
        if (key.toLowerCase() !== 'schemas') applyTo(draft, op, key, inner)
      }
    }
  }
  return { name: draft.name, users: toSetEdit(draft.users), permissions: toSetEdit(draft.permissions) }
}
