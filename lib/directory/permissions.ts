/** The one evaluation of role-based access: which scopes an account may have, in an application or at our own APIs. */
import type { Db } from '../database/connect.ts'
import type { Account } from './accounts.ts'
import type { Application } from './applications.ts'
import { fact } from './facts.ts'
import { oidcScopesAt } from './oidc-scopes.ts'

/** Recognized by its id, so that renaming changes nothing. */
export const administratorRole = {
  id: '5b1c2f0e-6f3a-4d57-9d9b-0c6d2f6a7e11',
  name: 'Administrator',
} as const

/** The permission to impersonate, for users and for organization users. */
export const impersonationScopes: ReadonlySet<string> = new Set([
  'internal_user_impersonate',
  'internal_org_user_impersonate',
])

/** Held by every signed-in user, a scope of no API resource. */
export const loginScope = 'internal_login'

interface Role {
  readonly id: string
  readonly audienceType: string
  readonly audienceId: string
  readonly permissions: ReadonlySet<string>
}

const loadRoles = async (db: Db, ids: readonly string[]): Promise<readonly Role[]> => {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('role')
    .leftJoin('role_permission', 'role_permission.role_id', 'role.id')
    .select(['role.id', 'role.audience_type', 'role.audience_id', 'role_permission.scope_name'])
    .where('role.id', 'in', ids)
    .execute()
  const roles = new Map<string, Role & { permissions: Set<string> }>()
  for (const row of rows) {
    const role = roles.get(row.id) ?? {
      id: row.id,
      audienceType: row.audience_type,
      audienceId: row.audience_id,
      permissions: new Set<string>(),
    }
    if (row.scope_name !== null) role.permissions.add(row.scope_name)
    roles.set(row.id, role)
  }
  return [...roles.values()]
}

const rolesOf = (db: Db, n: number, account: Account): Promise<readonly Role[]> =>
  fact(db, n, `roles ${account.roleIds.join(' ')}`, () => loadRoles(db, account.roleIds))

/**
 * The scopes among `requested` that the account may have in the application, as of revision `n`: those of OpenID
 * Connect and `internal_login` always, those of an API by the application's authorization and its policy. Anything
 * that is not registered is dropped. Administrator does not carry the permission to impersonate into an application.
 */
export const grantedScopes = async (
  db: Db,
  n: number,
  account: Account,
  application: Application,
  requested: Iterable<string>,
): Promise<ReadonlySet<string>> => {
  const [audienceType, audienceId] =
    application.allowedAudience === 'APPLICATION'
      ? ['application', application.id]
      : ['organization', application.organizationId]
  const visible = (await rolesOf(db, n, account)).filter(
    (role) => role.audienceType === audienceType && role.audienceId === audienceId,
  )
  const byRole = (scope: string) =>
    visible.some(
      (role) =>
        role.permissions.has(scope) && !(role.id === administratorRole.id && impersonationScopes.has(scope)),
    )
  const ofOpenIdConnect = await oidcScopesAt(db, n)
  const granted = new Set<string>()
  for (const scope of requested) {
    const policy = application.scopes.get(scope)
    if (
      ofOpenIdConnect.has(scope) ||
      scope === loginScope ||
      policy === 'NO POLICY' ||
      (policy === 'RBAC' && byRole(scope))
    ) {
      granted.add(scope)
    }
  }
  return granted
}

/** What the account holds at our own APIs by Basic: the permissions of its organization's roles. */
export const ownPermissions = async (db: Db, n: number, account: Account): Promise<ReadonlySet<string>> => {
  const roles = await rolesOf(db, n, account)
  const permissions = new Set<string>([loginScope])
  for (const role of roles) {
    if (role.audienceType !== 'organization' || role.audienceId !== account.organizationId) continue
    for (const permission of role.permissions) permissions.add(permission)
  }
  return permissions
}

/** Everything that any of the account's roles grants anywhere: what somebody must hold to take the account over. */
export const allPermissions = async (db: Db, n: number, account: Account): Promise<ReadonlySet<string>> =>
  new Set((await rolesOf(db, n, account)).flatMap((role) => [...role.permissions]))
