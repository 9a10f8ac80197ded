/**
 * The scopes of OpenID Connect and the claims they give (OpenID Connect Core §5.4). Those of the specification are built
 * in and can be changed, not removed; others are rows. A scope of an API resource is never one of these, whatever a row
 * says: these are kept whenever they are requested, and a permission must be granted.
 */
import type { Db } from '../database/connect.ts'
import { fact } from './facts.ts'

export interface OidcScope {
  readonly name: string
  readonly displayName: string
  readonly description: string | null
  /** Names of claims about the user; `sub` goes with `openid`. */
  readonly claims: readonly string[]
}

const builtIn = (name: string, displayName: string, description: string, claims: string): OidcScope => ({
  name,
  displayName,
  description,
  claims: claims.split(' '),
})

/** As long as no row of the same name says otherwise. */
export const builtInOidcScopes: readonly OidcScope[] = [
  builtIn('openid', 'OpenID', 'Your identifier at the application', 'sub'),
  builtIn(
    'profile',
    'Profile',
    'Your name and what else your profile says of you',
    'name family_name given_name middle_name nickname preferred_username profile picture website gender birthdate zoneinfo locale updated_at',
  ),
  builtIn('email', 'Email', 'Your e-mail address', 'email email_verified'),
  builtIn('address', 'Address', 'Your postal address', 'address'),
  builtIn('phone', 'Phone', 'Your telephone number', 'phone_number phone_number_verified'),
  builtIn('roles', 'Roles', 'Your roles in the application', 'roles'),
]

/** Those of the specification: no API resource has a scope of these names. */
export const standardOidcScopes: ReadonlySet<string> = new Set([
  'openid',
  'profile',
  'email',
  'address',
  'phone',
])

const load = async (db: Db): Promise<ReadonlyMap<string, OidcScope>> => {
  const rows = await db
    .selectFrom('oidc_scope')
    .select(['name', 'display_name', 'description', 'claims'])
    .orderBy('name')
    .execute()
  const scopes = new Map(builtInOidcScopes.map((scope) => [scope.name, scope]))
  for (const row of rows) {
    const { name, description } = row
    const claims = row.claims === '' ? [] : row.claims.split(' ')
    scopes.set(name, { name, displayName: row.display_name, description, claims })
  }
  const others = [...scopes.keys()].filter((name) => !standardOidcScopes.has(name))
  const permissions = await db.selectFrom('scope').select('name').where('name', 'in', others).execute()
  for (const { name } of permissions) scopes.delete(name)
  return scopes
}

/** All of them by name as of revision `n`, the built-in ones first. */
export const oidcScopesAt = (db: Db, n: number): Promise<ReadonlyMap<string, OidcScope>> =>
  fact(db, n, 'oidc scopes', () => load(db))
