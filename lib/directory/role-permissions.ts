/** The permissions of a role, and which may be given to it. */
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { chunks } from './role-members.ts'
import { type Audience, applicationOf, type RoleRefusal } from './roles.ts'

export interface Permission {
  readonly name: string
  readonly displayName: string
  readonly apiResourceId: string
}

export const permissionsOfRole = (db: Db, roleId: string): Promise<readonly Permission[]> =>
  db
    .selectFrom('role_permission')
    .innerJoin('scope', 'scope.name', 'role_permission.scope_name')
    .select(['scope.name', 'scope.display_name as displayName', 'scope.api_resource_id as apiResourceId'])
    .where('role_id', '=', roleId)
    .orderBy('scope.name')
    .execute()

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
