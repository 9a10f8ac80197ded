/** The permissions of a role, and which may be given to it. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { chunks } from './role-members.ts'
import { type Audience, applicationOf, type RoleRefusal } from './roles.ts'
import type { Difference } from './set-edit.ts'

export interface Permission {
  readonly name: string
  readonly displayName: string
  readonly apiResourceId: string
}

export interface PermissionOfRole extends Permission {
  readonly roleId: string
}

/** The permissions of these roles, by name. */
export const permissionsOfRoles = async (
  db: Db,
  roleIds: readonly string[],
): Promise<readonly PermissionOfRole[]> =>
  roleIds.length === 0
    ? []
    : db
        .selectFrom('role_permission')
        .innerJoin('scope', 'scope.name', 'role_permission.scope_name')
        .select([
          'role_id as roleId',
          'scope.name',
          'scope.display_name as displayName',
          'scope.api_resource_id as apiResourceId',
        ])
        .where('role_id', 'in', roleIds)
        .orderBy('scope.name')
        .execute()

/** The permissions of one role, by name. */
export const permissionsOfRole = (db: Db, roleId: string): Promise<readonly Permission[]> =>
  permissionsOfRoles(db, [roleId])

/** The names of what the role permits. */
export const scopesOfRole = async (db: Db, roleId: string): Promise<ReadonlySet<string>> => {
  const rows = await db
    .selectFrom('role_permission')
    .select('scope_name')
    .where('role_id', '=', roleId)
    .execute()
  return new Set(rows.map(({ scope_name }) => scope_name))
}

/** The writes that give permissions to a role and take others; lost when one of them is not there any more. */
export const permissionsWrites = (db: Db, roleId: string, { added, removed }: Difference): Write[] => [
  ...chunks(removed).map((chunk) =>
    exactly(
      chunk.length,
      db.deleteFrom('role_permission').where('role_id', '=', roleId).where('scope_name', 'in', chunk),
    ),
  ),
  ...chunks(added).map((chunk) =>
    write(
      db.insertInto('role_permission').values(chunk.map((scope_name) => ({ role_id: roleId, scope_name }))),
    ),
  ),
]

/**
 * Why the caller cannot give these permissions to a role of that audience, or undefined: each must exist, be
 * authorized for the application, and be his own (design.md §7, invariant 14).
 */
export const refusePermissions = async (
  db: Db,
  caller: Caller,
  audience: Audience,
  permissions: readonly string[],
): Promise<RoleRefusal | undefined> => {
  if (permissions.length === 0) return undefined
  const existing = new Set<string>()
  for (const chunk of chunks(permissions)) {
    const rows = await db.selectFrom('scope').select('name').where('name', 'in', chunk).execute()
    for (const { name } of rows) existing.add(name)
  }
  const unknown = permissions.find((permission) => !existing.has(permission))
  if (unknown !== undefined) return { refused: 'unknown-permission', permission: unknown }
  if (audience.type === 'application') {
    const application = await applicationOf(db, caller, audience.id)
    const foreign = permissions.find((permission) => !application?.scopes.has(permission))
    if (foreign !== undefined) return { refused: 'unauthorized-permission', permission: foreign }
  }
  return permissions.every((permission) => caller.may(permission)) ? undefined : { refused: 'beyond' }
}
