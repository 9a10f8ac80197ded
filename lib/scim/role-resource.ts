/** Roles as SCIM shows them. */
import type { Db } from '../database/connect.ts'
import { type GroupOfRole, groupsOfRoles } from '../directory/role-groups.ts'
import { type MemberOfRole, membersOfRoles } from '../directory/role-members.ts'
import { type PermissionOfRole, permissionsOfRoles } from '../directory/role-permissions.ts'
import type { Role } from '../directory/roles.ts'
import { entityTag } from '../entity-tag.ts'
import { isSelected, type Selection, select } from './projection.ts'
import { groupLocation, roleLocation, userLocation } from './representation.ts'
import { roleSchema } from './schema-attribute.ts'
import { bounded, isNamed } from './shown.ts'

type Resource = Readonly<Record<string, unknown>>

/** A role as the answer to its creation and in lists. */
export const renderRole = ({ id, name, audience, ...role }: Role, baseUrl: string): Resource => ({
  displayName: name,
  meta: {
    created: role.createdAt,
    lastModified: role.modifiedAt,
    location: roleLocation(baseUrl, id),
    resourceType: 'Role',
    version: entityTag(role.edition),
  },
  schemas: [roleSchema.id],
  id,
  audience: { value: audience.id, display: audience.name, type: audience.type },
})

interface Parts {
  readonly users: readonly MemberOfRole[] | undefined
  readonly groups: readonly GroupOfRole[] | undefined
  readonly permissions: readonly PermissionOfRole[] | undefined
}

const renderParts = (
  { users, groups, permissions }: Parts,
  { audience }: Role,
  baseUrl: string,
): Resource => ({
  ...(users && {
    users: users.map(({ id, userName }) => ({
      value: id,
      display: userName,
      $ref: userLocation(baseUrl, id),
    })),
  }),
  ...(groups && {
    groups: groups.map(({ id, name }) => ({ value: id, display: name, $ref: groupLocation(baseUrl, id) })),
  }),
  ...(permissions && {
    permissions: permissions.map(({ name, displayName, apiResourceId }) => ({
      value: name,
      display: displayName,
      $ref: `${baseUrl}/api/server/v1/api-resources/${apiResourceId}`,
    })),
  }),
  associatedApplications:
    audience.type === 'application'
      ? [
          {
            value: audience.id,
            display: audience.name,
            $ref: `${baseUrl}/api/server/v1/applications/${audience.id}`,
          },
        ]
      : [],
  properties: [],
})

/** One role with all that belongs to it; what is not selected is not read. */
export const roleResource = async (
  db: Db,
  baseUrl: string,
  role: Role,
  selection: Selection,
): Promise<Resource> => {
  const ids = [role.id]
  const [users, groups, permissions] = await Promise.all([
    isSelected(selection, 'users') ? membersOfRoles(db, ids) : undefined,
    isSelected(selection, 'groups') ? groupsOfRoles(db, ids) : undefined,
    isSelected(selection, 'permissions') ? permissionsOfRoles(db, ids) : undefined,
  ])
  return select(selection, {
    ...renderRole(role, baseUrl),
    ...renderParts({ users, groups, permissions }, role, baseUrl),
  })
}

const parts = ['users', 'groups', 'permissions', 'associatedApplications', 'properties']

/** The roles of a list: in short, and with all that is named, read for all of them at once. */
export const roleResources = async (
  db: Db,
  baseUrl: string,
  roles: readonly Role[],
  selection: Selection,
): Promise<readonly Resource[]> => {
  const short = (role: Role) => renderRole(role, baseUrl)
  if (!parts.some((name) => isNamed(selection, name)))
    return roles.map((role) => select(selection, short(role)))
  const ids = roles.map(({ id }) => id)
  const [users, groups, permissions] = await Promise.all([
    isNamed(selection, 'users') ? bounded((most) => membersOfRoles(db, ids, most), 'users') : [],
    isNamed(selection, 'groups') ? bounded((most) => groupsOfRoles(db, ids, most), 'groups') : [],
    isNamed(selection, 'permissions') ? permissionsOfRoles(db, ids) : [],
  ])
  const usersOf = Map.groupBy(users, ({ roleId }) => roleId)
  const groupsOf = Map.groupBy(groups, ({ roleId }) => roleId)
  const permissionsOf = Map.groupBy(permissions, ({ roleId }) => roleId)
  return roles.map((role) =>
    select(selection, {
      ...short(role),
      ...renderParts(
        {
          users: usersOf.get(role.id) ?? [],
          groups: groupsOf.get(role.id) ?? [],
          permissions: permissionsOf.get(role.id) ?? [],
        },
        role,
        baseUrl,
      ),
    }),
  )
}
