/** Rows for tests, written by direct commits. Each does nothing when its row is there already. */

import { bump, commit, type Write, write } from '../lib/database/commit.ts'
import type { Db } from '../lib/database/connect.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { userNameKey } from '../lib/directory/accounts.ts'
import { tokenExchangeGrant } from '../lib/directory/applications.ts'
import { parseAttributes } from '../lib/directory/attributes.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { counted } from '../lib/directory/population.ts'
import { addValues } from '../lib/directory/user-values.ts'
import { hashPassword } from '../lib/sign-in/password.ts'
import { beginLineage } from '../lib/tokens/lineage.ts'
import { hashOf, randomValue, storeToken } from '../lib/tokens/token.ts'

const organizationId = rootOrganization.id

const written = async (db: Db, writes: readonly Write[]) => {
  const outcome = await commit(db, writes)
  if (outcome !== 'committed') throw new Error(`a fixture was not written: ${outcome}`)
}

/** Hashing takes its time, and most tests' people have the same password. */
const hashes = new Map<string, Promise<string>>()

const hashed = (password: string): Promise<string> => {
  const known = hashes.get(password) ?? hashPassword(password)
  hashes.set(password, known)
  return known
}

export interface AccountFixture {
  readonly userName: string
  /** None: nobody can sign in. */
  readonly password?: string
  readonly email?: string
  /** As SCIM nests them. */
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly locked?: boolean
  readonly roles?: readonly string[]
}

/** An account; answers its id. */
export const account = async (db: Db, asked: AccountFixture): Promise<string> => {
  const known = await db
    .selectFrom('account')
    .select('id')
    .where('user_name_key', '=', userNameKey(asked.userName))
    .executeTakeFirst()
  if (known) return known.id
  const id = Bun.randomUUIDv7()
  const at = new Date().toISOString()
  const row = {
    id,
    organization_id: organizationId,
    user_name: asked.userName,
    user_name_key: userNameKey(asked.userName),
    password_hash: asked.password === undefined ? null : await hashed(asked.password),
    password_shipped_at: null,
    version: 1,
    locked_at: asked.locked ? at : null,
    disabled_at: null,
    email: asked.email ?? null,
    attributes: JSON.stringify({
      ...(asked.email ? { emails: [{ value: asked.email }] } : {}),
      ...asked.attributes,
    }),
    created_at: at,
    modified_at: at,
  }
  const memberships = (asked.roles ?? []).map((role_id) => ({ account_id: id, role_id }))
  await written(db, [
    write(db.insertInto('account').values(row)),
    ...addValues(db, { id, organizationId, attributes: parseAttributes(row.attributes) }),
    ...counted(db, 'account', organizationId, [id], 1),
    ...(memberships.length > 0 ? [write(db.insertInto('account_role').values(memberships))] : []),
  ])
  return id
}

/** An API resource with these scopes; answers its id. */
export const apiResource = async (db: Db, identifier: string, scopes: readonly string[]): Promise<string> => {
  const known = await db
    .selectFrom('api_resource')
    .select('id')
    .where('identifier', '=', identifier)
    .executeTakeFirst()
  if (known) return known.id
  const id = crypto.randomUUID()
  const row = { id, identifier, name: identifier, type: 'BUSINESS', created_at: new Date().toISOString() }
  await written(db, [
    write(db.insertInto('api_resource').values(row)),
    ...scopes.map((name) =>
      write(
        db
          .insertInto('scope')
          .values({ name, id: crypto.randomUUID(), api_resource_id: id, display_name: name }),
      ),
    ),
    bump,
  ])
  return id
}

export interface RoleFixture {
  readonly name: string
  /** The organization's role without it. */
  readonly applicationId?: string
  readonly permissions?: readonly string[]
  readonly users?: readonly string[]
}

/** A role; answers its id. */
export const role = async (db: Db, asked: RoleFixture): Promise<string> => {
  const [audience_type, audience_id] = asked.applicationId
    ? ['application', asked.applicationId]
    : ['organization', organizationId]
  const known = await db
    .selectFrom('role')
    .select('id')
    .where('audience_id', '=', audience_id)
    .where('name', '=', asked.name)
    .executeTakeFirst()
  if (known) return known.id
  const id = asked.name === administratorRole.name ? administratorRole.id : crypto.randomUUID()
  const at = new Date().toISOString()
  const row = {
    id,
    organization_id: organizationId,
    name: asked.name,
    audience_type,
    audience_id,
    created_at: at,
    modified_at: at,
  }
  const permissions = (asked.permissions ?? []).map((scope_name) => ({ role_id: id, scope_name }))
  const users = (asked.users ?? []).map((account_id) => ({ account_id, role_id: id }))
  await written(db, [
    write(db.insertInto('role').values(row)),
    ...counted(db, 'role', organizationId, [id], 1),
    ...(permissions.length > 0 ? [write(db.insertInto('role_permission').values(permissions))] : []),
    ...(users.length > 0 ? [write(db.insertInto('account_role').values(users))] : []),
    bump,
  ])
  return id
}

export interface ApplicationFixture {
  readonly name: string
  /** Scopes it is authorized for. */
  readonly scopes?: readonly string[]
  readonly policy?: 'RBAC' | 'NO POLICY'
  readonly allowedAudience?: 'APPLICATION' | 'ORGANIZATION'
  /** Over the defaults, which allow impersonation. */
  readonly oidc?: Readonly<Record<string, unknown>>
}

/** An application that may impersonate; its secret cannot be used, since it is not sealed. */
export const application = async (
  db: Db,
  asked: ApplicationFixture,
): Promise<{ readonly id: string; readonly clientId: string }> => {
  const known = await db
    .selectFrom('application')
    .select(['id', 'client_id as clientId'])
    .where('name', '=', asked.name)
    .executeTakeFirst()
  if (known) return known
  const id = crypto.randomUUID()
  const clientId = randomValue().slice(0, 28)
  const at = new Date().toISOString()
  const row = {
    id,
    organization_id: organizationId,
    name: asked.name,
    client_id: clientId,
    client_secret: 'not sealed',
    model: JSON.stringify({
      associatedRoles: { allowedAudience: asked.allowedAudience ?? 'APPLICATION', roles: [] },
      advancedConfigurations: { skipLoginConsent: true, skipLogoutConsent: true },
    }),
    oidc: JSON.stringify({
      grantTypes: ['authorization_code', tokenExchangeGrant],
      callbackURLs: ['https://client.example/cb'],
      publicClient: false,
      accessToken: { type: 'JWT', userAccessTokenExpiryInSeconds: 3600 },
      subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: 180 },
      ...asked.oidc,
    }),
    created_at: at,
    modified_at: at,
  }
  const scopes =
    asked.scopes && asked.scopes.length > 0
      ? await db.selectFrom('scope').selectAll().where('name', 'in', asked.scopes).execute()
      : []
  const apis = [...new Set(scopes.map((scope) => scope.api_resource_id))]
  const policy = asked.policy ?? 'RBAC'
  await written(db, [
    write(db.insertInto('application').values(row)),
    ...apis.map((api_resource_id) =>
      write(db.insertInto('application_api').values({ application_id: id, api_resource_id, policy })),
    ),
    ...scopes.map(({ name }) =>
      write(db.insertInto('application_scope').values({ application_id: id, scope_name: name })),
    ),
    bump,
  ])
  return { id, clientId }
}

export interface TokenFixture {
  readonly application: { readonly id: string; readonly clientId: string }
  readonly subjectId: string
  readonly scopes: readonly string[]
}

/** The rows of a browser session of that account; answers its id. */
const session = (db: Db, accountId: string, now: Date) => {
  const id = Bun.randomUUIDv7()
  const endsAt = new Date(now.getTime() + 3_600_000)
  const at = now.toISOString()
  const row = {
    id,
    hash: hashOf(randomValue()),
    browser_hash: hashOf(randomValue()),
    account_id: accountId,
    authenticated_at: at,
    seen_at: at,
    ends_at: endsAt.toISOString(),
  }
  const writes = [
    beginLineage(db, { id, kind: 'session', sessionId: null, accountId, endsAt }),
    write(db.insertInto('session').values(row)),
  ]
  return { id, endsAt, writes }
}

const accessToken = ({ application, subjectId, scopes }: TokenFixture, now: Date, expiresAt: Date) => ({
  id: crypto.randomUUID(),
  class: 'access' as const,
  applicationId: application.id,
  clientId: application.clientId,
  organizationId,
  subjectId,
  scopes,
  codeChallenge: null,
  audience: [],
  confirmation: null,
  context: {},
  issuedAt: now,
  expiresAt,
})

/** An access token of the user himself; answers its value. */
export const userToken = async (db: Db, asked: TokenFixture): Promise<string> => {
  const now = new Date()
  const { id, endsAt, writes } = session(db, asked.subjectId, now)
  const value = randomValue()
  const token = {
    ...accessToken(asked, now, endsAt),
    lineageId: id,
    actor: null,
    actorId: null,
    impersonationId: null,
    sessionId: id,
  }
  await written(db, [...writes, storeToken(db, value, token)])
  return value
}

export interface ImpersonatedToken {
  readonly value: string
  readonly impersonationId: string
  readonly lineageId: string
  readonly sessionId: string
}

/** An impersonated access token with all it hangs on: session, lineage, impersonation. */
export const impersonatedToken = async (
  db: Db,
  asked: TokenFixture & { readonly impersonatorId: string },
): Promise<ImpersonatedToken> => {
  const now = new Date()
  const browser = session(db, asked.impersonatorId, now)
  const [lineageId, impersonationId] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()]
  const value = randomValue()
  const row = {
    id: impersonationId,
    lineage_id: lineageId,
    application_id: asked.application.id,
    client_id: asked.application.clientId,
    organization_id: organizationId,
    impersonator_id: asked.impersonatorId,
    subject_id: asked.subjectId,
    scopes: asked.scopes.join(' '),
    authorized_at: now.toISOString(),
    started_at: now.toISOString(),
  }
  const token = {
    ...accessToken(asked, now, browser.endsAt),
    lineageId,
    actor: { sub: asked.impersonatorId },
    actorId: asked.impersonatorId,
    impersonationId,
    sessionId: browser.id,
  }
  await written(db, [
    ...browser.writes,
    beginLineage(db, {
      id: lineageId,
      kind: 'impersonation',
      sessionId: browser.id,
      accountId: asked.impersonatorId,
      applicationId: asked.application.id,
      endsAt: browser.endsAt,
    }),
    write(db.insertInto('impersonation').values(row)),
    storeToken(db, value, token),
  ])
  return { value, impersonationId, lineageId, sessionId: browser.id }
}

const watched = ['account', 'role', 'account_role', 'role_permission', 'audit'] as const

/** How many rows there are, and what each account and role says: for proving that nothing happened. */
export const state = async (db: Db) => {
  const counts = await Promise.all(
    watched.map(async (table) => {
      const row = await db
        .selectFrom(table)
        .select((eb) => eb.fn.countAll().as('n'))
        .executeTakeFirstOrThrow()
      return [table, Number(row.n)] as const
    }),
  )
  const [accounts, roles] = await Promise.all([
    db.selectFrom('account').selectAll().orderBy('id').execute(),
    db.selectFrom('role').selectAll().orderBy('id').execute(),
  ])
  return { counts: Object.fromEntries(counts), accounts, roles }
}
