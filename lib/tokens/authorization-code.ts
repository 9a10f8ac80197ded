/**
 * Authorization codes (RFC 6749 §4.1): random, stored as SHA-256, spent once by a guarded write. The grant's lineage
 * begins with the code, so that a replay can end everything the code gave (RFC 6749 §4.1.2).
 */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting, prepared, rowsOf } from '../database/prepared.ts'
import type { Application } from '../directory/applications.ts'
import { type Confirmation, hashOf, randomValue, type TokenContext } from './token.ts'

/** What a user agreed to, as the token request finds it again. */
export interface CodeGrant {
  /** Of `beginGrant`. */
  readonly lineageId: string
  readonly application: Pick<Application, 'id' | 'clientId'>
  readonly organization: { readonly id: string }
  readonly accountId: string
  /** The session's lineage that the user was signed in with, also where the grant outlives it. */
  readonly sessionId: string
  /** As the authorization request had it; null when it had none, and then the token request has none. */
  readonly redirectUri: string | null
  readonly scopes: readonly string[]
  /** `S256 …` or `plain …`, as `readChallenge` gives it. */
  readonly codeChallenge: string | null
  /** The key that redeems it (`dpop_jkt`, RFC 9449 §10). */
  readonly confirmation: Confirmation | null
  /** `resource` of the authorization request (RFC 8707). */
  readonly audience: readonly string[]
  readonly context: TokenContext
}

const insertCode = inserting('authorization_code', [
  'hash',
  'id',
  'lineage_id',
  'application_id',
  'client_id',
  'organization_id',
  'account_id',
  'session_id',
  'redirect_uri',
  'scopes',
  'code_challenge',
  'confirmation',
  'audience',
  'context',
  'issued_at',
  'expires_at',
])

/** A new code, good for `seconds`; `writes` make it known (the lineage's own write is `beginGrant`'s). */
export const issueCode = (
  db: Db,
  grant: CodeGrant,
  seconds: number,
  now: Date,
): { readonly value: string; readonly id: string; readonly writes: readonly Write[] } => {
  const value = randomValue()
  const id = crypto.randomUUID()
  const row = insertCode(db, {
    hash: hashOf(value),
    id,
    lineage_id: grant.lineageId,
    application_id: grant.application.id,
    client_id: grant.application.clientId,
    organization_id: grant.organization.id,
    account_id: grant.accountId,
    session_id: grant.sessionId,
    redirect_uri: grant.redirectUri,
    scopes: grant.scopes.join(' '),
    code_challenge: grant.codeChallenge,
    confirmation: grant.confirmation === null ? null : JSON.stringify(grant.confirmation),
    audience: grant.audience.length > 0 ? grant.audience.join(' ') : null,
    context: JSON.stringify(grant.context),
    issued_at: now.toISOString(),
    expires_at: new Date(now.getTime() + seconds * 1000).toISOString(),
  })
  return { value, id, writes: [write(row)] }
}

export interface FoundCode extends Omit<CodeGrant, 'application' | 'organization'> {
  readonly id: string
  /** Of its value: its key. */
  readonly hash: string
  readonly applicationId: string
  readonly clientId: string
  readonly organizationId: string
  readonly issuedAt: Date
  readonly spent: boolean
  readonly expired: boolean
  /** The session that ends the grant; null where the grant outlives the session. */
  readonly boundSessionId: string | null
  /** Neither the grant nor the session was ended. */
  readonly alive: boolean
  readonly lineageEndsAt: Date
}

const select = (db: Db) =>
  db
    .selectFrom('authorization_code')
    .innerJoin('lineage', 'lineage.id', 'authorization_code.lineage_id')
    .leftJoin('lineage as session', 'session.id', 'authorization_code.session_id')
    .selectAll('authorization_code')
    .select([
      'lineage.ends_at',
      'lineage.ended_at',
      'lineage.session_id as bound_session_id',
      'session.id as found_session_id',
      'session.ended_at as session_ended_at',
    ])

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const selectOne = prepared<{ hash: string }, Row>((db, parameter) =>
  select(db).where('authorization_code.hash', '=', parameter('hash')),
)

/** The code of a presented value, whatever became of it; undefined for what was never issued here. */
export const findCode = async (db: Db, value: string, now: Date): Promise<FoundCode | undefined> => {
  const [row] = await rowsOf(db, selectOne(db, { hash: hashOf(value) }))
  if (!row) return undefined
  const instant = now.toISOString()
  return {
    id: row.id,
    hash: row.hash,
    lineageId: row.lineage_id,
    applicationId: row.application_id,
    clientId: row.client_id,
    organizationId: row.organization_id,
    accountId: row.account_id,
    sessionId: row.session_id,
    boundSessionId: row.bound_session_id,
    redirectUri: row.redirect_uri,
    scopes: row.scopes === '' ? [] : row.scopes.split(' '),
    codeChallenge: row.code_challenge,
    confirmation: row.confirmation === null ? null : JSON.parse(row.confirmation),
    audience: row.audience === null ? [] : row.audience.split(' '),
    context: JSON.parse(row.context),
    issuedAt: new Date(row.issued_at),
    spent: row.spent_at !== null,
    expired: row.expires_at <= instant,
    alive:
      row.ended_at === null &&
      row.ends_at > instant &&
      row.found_session_id !== null &&
      row.session_ended_at === null,
    lineageEndsAt: new Date(row.ends_at),
  }
}

const spend = prepared<{ hash: string; now: string }, unknown>((db, parameter) =>
  db
    .updateTable('authorization_code')
    .set({ spent_at: parameter('now') })
    .where('hash', '=', parameter('hash'))
    .where('spent_at', 'is', null),
)

/** Spends the code; of many commits with this write one happens. */
export const spendCode = (db: Db, { hash }: Pick<FoundCode, 'hash'>, now: Date): Write =>
  exactly(1, spend(db, { hash, now: now.toISOString() }))
