/** What the bodies of `/scim2/v2/Roles` say. */
import { isObject } from '../directory/attributes.ts'
import type { NewRole } from '../directory/role-creation.ts'
import type { RoleEdit } from '../directory/role-update.ts'
import type { Audience } from '../directory/roles.ts'
import { bad } from './error.ts'
import type { Operation } from './patch.ts'
import { roleSchema } from './schema-attribute.ts'
import { readChanges, readName, readReferences, readResource, type Said } from './set-resource.ts'

type Body = Readonly<Record<string, unknown>>

const readAudience = (value: unknown): Audience | undefined => {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw bad('invalidValue', 'Invalid role audience')
  const type = typeof value.type === 'string' ? value.type.toLowerCase() : ''
  if ((type !== 'application' && type !== 'organization') || typeof value.value !== 'string') {
    throw bad('invalidValue', 'Invalid role audience')
  }
  return { type, id: value.value }
}

const readSets = (said: Said) => ({
  permissions: readReferences(roleSchema, 'permissions', said.get('permissions')),
  users: readReferences(roleSchema, 'users', said.get('users')),
  groups: readReferences(roleSchema, 'groups', said.get('groups')),
})

/** A new role; without an audience it is the organization's. */
export const readNewRole = (body: Body, organizationId: string): NewRole => {
  const said = readResource(roleSchema, body)
  return {
    name: readName(said.get('displayName')),
    audience: readAudience(said.get('audience')) ?? { type: 'organization', id: organizationId },
    ...readSets(said),
  }
}

const replacing = (values: readonly string[]) => ({
  replaceWith: new Set(values),
  add: new Set<string>(),
  remove: new Set<string>(),
})

/** The change by which a role becomes what the body of a PUT says; its audience stays (RFC 7644 §3.5.1). */
export const readRoleReplacement = (body: Body, audience: Audience): RoleEdit => {
  const said = readResource(roleSchema, body)
  const asked = readAudience(said.get('audience'))
  if (asked && (asked.type !== audience.type || asked.id !== audience.id)) {
    throw bad('mutability', 'audience cannot be changed.')
  }
  const { permissions, users, groups } = readSets(said)
  return {
    name: readName(said.get('displayName')),
    permissions: replacing(permissions),
    users: replacing(users),
    groups: replacing(groups),
  }
}

/** The change that the operations of a PATCH make together. */
export const readRoleEdit = (operations: readonly Operation[], id: string): RoleEdit => {
  const { name, externalId, sets } = readChanges(roleSchema, operations, id)
  if (externalId !== undefined) throw bad('mutability', 'An externalId of roles is not kept.')
  return {
    name,
    users: sets.get('users'),
    groups: sets.get('groups'),
    permissions: sets.get('permissions'),
  }
}
