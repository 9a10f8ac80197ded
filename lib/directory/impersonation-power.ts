/**
 * Who may change an application that has power of its own: those who hold what it uses (invariant 14). That are the
 * scopes of this server's own APIs, the permission to impersonate among them, and, of a client that gets tokens for
 * itself, every scope it is authorized for.
 */
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { impersonationScopes } from './permissions.ts'

type Settings = Readonly<Record<string, unknown>> | undefined

/** The grants named by a URI whose tokens are a user's; of all others that are so named a plugin decides. */
const ofUsers: ReadonlySet<unknown> = new Set([
  'urn:ietf:params:oauth:grant-type:token-exchange',
  'urn:ietf:params:oauth:grant-type:device_code',
])

/** What `client_credentials` gives, and every grant of a plugin: an access token of the client itself. */
const givesOwnTokens = (grant: unknown): boolean =>
  grant === 'client_credentials' || (typeof grant === 'string' && grant.includes(':') && !ofUsers.has(grant))

/** Whether the settings let the client have tokens for itself. */
const hasOwnTokens = (oidc: Settings): boolean =>
  Array.isArray(oidc?.grantTypes) && oidc.grantTypes.some(givesOwnTokens)

/** A scope of our own APIs: what nobody else can define. */
const isOfThisServer = (scope: string): boolean => scope.startsWith('internal_')

/**
 * The permissions that `caller` lacks to change the application, whose settings are and are to be those: every scope
 * of our own APIs that it is authorized for, every scope at all when it gets tokens for itself.
 * One that may ask for subject tokens and is authorized for none needs one of those that exist at all.
 */
export const lacksToChange = async (
  db: Db,
  caller: Caller,
  application: { readonly id?: string; readonly settings: readonly Settings[] },
): Promise<readonly string[]> => {
  const all = application.id
    ? await db
        .selectFrom('application_scope')
        .select('scope_name as name')
        .where('application_id', '=', application.id)
        .orderBy('scope_name')
        .execute()
    : []
  const authorized = all.filter(({ name }) => impersonationScopes.has(name))
  // where a callback leads, there the tokens of everybody go who signs in, an administrator's too
  const used = application.settings.some(hasOwnTokens) ? all : all.filter(({ name }) => isOfThisServer(name))
  const lacking = used.filter(({ name }) => !caller.may(name)).map(({ name }) => name)
  const subjectToken = application.settings.some(hasSubjectToken)
  if (lacking.length > 0 || authorized.length > 0 || !subjectToken) return lacking
  const existing = await db
    .selectFrom('scope')
    .select('name')
    .where('name', 'in', [...impersonationScopes])
    .execute()
  const holdsOne = existing.length === 0 || existing.some(({ name }) => caller.may(name))
  return holdsOne ? [] : existing.map(({ name }) => name)
}

/** Whether the settings switch subject tokens on. */
export const hasSubjectToken = (oidc: Settings): boolean => {
  const setting = oidc?.subjectToken
  return typeof setting === 'object' && setting !== null && 'enable' in setting && setting.enable === true
}
