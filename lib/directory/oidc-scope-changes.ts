/** Scopes of OpenID Connect as they are managed: made, changed and removed in the name of a caller. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { builtInOidcScopes, type OidcScope, oidcScopesAt } from './oidc-scopes.ts'
import { loginScope } from './permissions.ts'
import { isClaim } from './person.ts'
import { isReservedScope, isScopeToken } from './scope-names.ts'
import { scopesForgotten } from './scope-removal.ts'

/**
 * Why no scope of OpenID Connect may be called so: permissions of our own APIs begin with `internal_`, and this one means
 * something to the token endpoint.
 */
const nameProblem = (name: string): string | undefined => {
  if (!isScopeToken(name)) return 'has characters that no scope has (RFC 6749 §3.3), or more than 255'
  if (isReservedScope(name) || name === loginScope || name === 'offline_access') return 'is reserved'
  return undefined
}

export type ScopeRefused =
  | { readonly refused: 'name'; readonly why: string }
  | { readonly refused: 'claims'; readonly why: string }
  | { readonly refused: 'taken' | 'missing' | 'built-in' }

const isBuiltIn = (name: string) => builtInOidcScopes.some((scope) => scope.name === name)

const unknownClaims = ({ claims }: OidcScope): ScopeRefused | undefined => {
  const unknown = claims.filter((claim) => !isClaim(claim))
  return unknown.length === 0
    ? undefined
    : { refused: 'claims', why: `there is no claim called ${unknown.join(', ')}` }
}

const isPermission = async (db: Db, name: string): Promise<boolean> =>
  (await db.selectFrom('scope').select('id').where('name', '=', name).executeTakeFirst()) !== undefined

const rowOf = ({ name, displayName, description, claims }: OidcScope) => ({
  name,
  display_name: displayName,
  description,
  claims: [...new Set(claims)].join(' '),
})

const commitChange = (
  db: Db,
  caller: Caller,
  now: Date,
  name: string,
  writes: readonly Write[],
  data: Readonly<Record<string, unknown>>,
) =>
  change(db, caller, now, {
    writes,
    events: [{ event: 'oidc-scope-changed', target: name, data: { name, ...data }, outcome: 'Success' }],
    administrative: true,
  })

/** Makes a scope. Refuses a name that is reserved, taken, or a permission's. */
export const createOidcScope = async (
  db: Db,
  caller: Caller,
  now: Date,
  scope: OidcScope,
): Promise<OidcScope | ScopeRefused> => {
  const why = nameProblem(scope.name)
  if (why !== undefined) return { refused: 'name', why }
  const unknown = unknownClaims(scope)
  if (unknown) return unknown
  const scopes = await oidcScopesAt(db, caller.revision)
  if (scopes.has(scope.name) || isBuiltIn(scope.name) || (await isPermission(db, scope.name)))
    return { refused: 'taken' }
  const insert = write(db.insertInto('oidc_scope').values(rowOf(scope)))
  const data = { change: 'created', claims: scope.claims }
  const outcome = await commitChange(db, caller, now, scope.name, [insert], data)
  return outcome === 'conflict' ? { refused: 'taken' } : scope
}

/** Changes what a scope is called and gives; a built-in one gets a row of its own. */
export const changeOidcScope = async (
  db: Db,
  caller: Caller,
  now: Date,
  asked: OidcScope,
): Promise<OidcScope | ScopeRefused> => {
  const scope = { ...asked, claims: [...new Set(asked.claims)] }
  if (!(await oidcScopesAt(db, caller.revision)).has(scope.name)) return { refused: 'missing' }
  const unknown = unknownClaims(scope)
  if (unknown) return unknown
  const row = rowOf(scope)
  const upsert = db
    .insertInto('oidc_scope')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((eb) => ({ ...row, edition: eb('oidc_scope.edition', '+', 1) })),
    )
  const data = { change: 'updated', claims: scope.claims }
  const outcome = await commitChange(db, caller, now, scope.name, [write(upsert)], data)
  if (outcome === 'conflict') throw new Lost(`the scope ${scope.name} changed meanwhile`)
  return scope
}

/** Removes a scope. Those of the specification stay. */
export const removeOidcScope = async (
  db: Db,
  caller: Caller,
  now: Date,
  name: string,
): Promise<ScopeRefused | undefined> => {
  if (isBuiltIn(name)) return { refused: 'built-in' }
  if (!(await oidcScopesAt(db, caller.revision)).has(name)) return { refused: 'missing' }
  const remove = exactly(1, db.deleteFrom('oidc_scope').where('name', '=', name))
  const outcome = await commitChange(db, caller, now, name, [remove, ...scopesForgotten(db, [name])], {
    change: 'removed',
  })
  if (outcome === 'conflict') throw new Lost(`the scope ${name} changed meanwhile`)
  return undefined
}
