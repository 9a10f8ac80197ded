/** Which scopes an API resource may get. */
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { oidcScopesAt, standardOidcScopes } from './oidc-scopes.ts'
import { isReservedScope, isScopeToken } from './scope-names.ts'

export interface NewScope {
  readonly name: string
  readonly displayName: string
  readonly description: string | null
}

/** How many scopes an API resource has at most. */
export const mostScopes = 1_000

/** Why scopes are not made. */
export type ScopeRefusal =
  | {
      readonly refused: 'scope-form' | 'scope-reserved' | 'scope-of-openid' | 'scope-taken'
      readonly scope: string
    }
  | { readonly refused: 'too-many-scopes' }

/**
 * Why no API resource gets these scopes, beside the `kept` ones that it has: a name is a scope-token, no permission of
 * this server, no scope of OpenID Connect (which everybody gets for asking), and nobody else's.
 */
export const refuseScopes = async (
  db: Db,
  caller: Caller,
  scopes: readonly NewScope[],
  kept = 0,
): Promise<ScopeRefusal | undefined> => {
  if (scopes.length === 0) return undefined
  if (scopes.length + kept > mostScopes) return { refused: 'too-many-scopes' }
  const ofOpenIdConnect = await oidcScopesAt(db, caller.revision)
  const names = new Set<string>()
  for (const { name } of scopes) {
    if (!isScopeToken(name)) return { refused: 'scope-form', scope: name }
    if (isReservedScope(name)) return { refused: 'scope-reserved', scope: name }
    if (ofOpenIdConnect.has(name) || standardOidcScopes.has(name) || name === 'offline_access')
      return { refused: 'scope-of-openid', scope: name }
    if (names.has(name)) return { refused: 'scope-taken', scope: name }
    names.add(name)
  }
  const taken = await db
    .selectFrom('scope')
    .select('name')
    .where('name', 'in', [...names])
    .executeTakeFirst()
  return taken && { refused: 'scope-taken', scope: taken.name }
}
