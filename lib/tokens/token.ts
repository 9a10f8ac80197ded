/** Tokens of ours are recognized by their row: the SHA-256 of what was issued. Raw values are stored nowhere. */
import { hash } from 'node:crypto'
import { sql } from 'kysely'
import { holds, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting, prepared, rowsOf } from '../database/prepared.ts'

export type TokenClass = 'access' | 'subject' | 'id' | 'refresh'

/** Who acts, and for whom he acts in turn (RFC 8693 §4.1): the outermost is the current actor, none is ever dropped. */
export interface Actor {
  readonly sub: string
  readonly act?: Actor | undefined
}

/** The `cnf` claim: the key that whoever presents the token proves (RFC 9449 §6, RFC 8705 §3). */
export type Confirmation = { readonly jkt: string } | { readonly 'x5t#S256': string }

/** What an impersonator said that it is for. */
export interface Said {
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
}

/** Applications' ids by the client ids that they had when a token was made. */
export type Clients = Readonly<Record<string, string>>

/** What later tokens and userinfo need of the sign-in and its request; written once, when the grant begins. */
export interface TokenContext {
  /** NumericDate of the sign-in. */
  readonly authTime?: number | undefined
  readonly acr?: string | undefined
  readonly nonce?: string | undefined
  /** The `claims` parameter (OpenID Connect Core §5.5), as it was asked. */
  readonly claims?: {
    readonly id_token?: Readonly<Record<string, unknown>> | undefined
    readonly userinfo?: Readonly<Record<string, unknown>> | undefined
  }
  /** The `sub` that the client knows this user by. */
  readonly sub?: string | undefined
  /** The session that the grant began in, where the grant outlives it (`offline_access`). */
  readonly sid?: string | undefined
  /** The applications behind the client ids among its actors and its audience: an id may be another's later. */
  readonly clients?: Clients | undefined
}

export interface Token {
  /** The `jti`. */
  readonly id: string
  readonly class: TokenClass
  readonly lineageId: string
  readonly applicationId: string
  readonly clientId: string
  readonly organizationId: string
  readonly subjectId: string
  readonly actorId: string | null
  readonly impersonationId: string | null
  /** The session's lineage, which is also the `sid`. */
  readonly sessionId: string | null
  readonly scopes: readonly string[]
  /** The PKCE challenge that whoever spends it must answer (S256, or `plain ` + challenge). */
  readonly codeChallenge: string | null
  readonly actor: Actor | null
  /** The resources it is for (RFC 8707); empty when it is for its client. */
  readonly audience: readonly string[]
  readonly confirmation: Confirmation | null
  readonly context: TokenContext
  /** The refresh token that this one replaced; of an access token got by exchange, the one it comes from. */
  readonly follows?: string | null
  readonly issuedAt: Date
  readonly expiresAt: Date
}

export interface FoundToken extends Token {
  /** Its key in the database. */
  readonly hash: string
  /** Neither expired nor ended, by its own lineage or by the session it began in. */
  readonly alive: boolean
  readonly expired: boolean
  /** When a refresh token was rotated. */
  readonly spentAt: string | null
  /** When the impersonation was started by exchanging its subject token. */
  readonly startedAt: string | null
  /** What the impersonator said that it is for, of a token of an impersonation. */
  readonly said: Said
  readonly lineageEndsAt: Date
  /** When its lineage, not that of its session, was ended. */
  readonly lineageEndedAt: string | null
}

/**
 * Whether it was issued to this application under the client id that it has now. An id that was given up may be
 * another's by now, who has no part in what was issued under it.
 */
export const isIssuedTo = (
  token: Pick<Token, 'applicationId' | 'clientId'>,
  application: { readonly id: string; readonly clientId: string },
): boolean => token.applicationId === application.id && token.clientId === application.clientId

/** Whether its audience names this application, by the client id that it had then. */
export const isMadeFor = (
  { audience, context }: Pick<Token, 'audience' | 'context'>,
  { id, clientId }: { readonly id: string; readonly clientId: string },
): boolean => audience.includes(clientId) && (context.clients?.[clientId] ?? id) === id

/** How a value is known in the database. */
export const hashOf = (value: string): string => hash('sha256', value, 'base64url')

/** A random value of 256 bits, base64url. */
export const randomValue = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')

const insertToken = inserting('token', [
  'hash',
  'id',
  'class',
  'lineage_id',
  'application_id',
  'client_id',
  'organization_id',
  'subject_id',
  'actor_id',
  'impersonation_id',
  'session_id',
  'scopes',
  'code_challenge',
  'act',
  'audience',
  'confirmation',
  'context',
  'follows',
  'issued_at',
  'expires_at',
])

const json = (value: object | null): string | null => (value === null ? null : JSON.stringify(value))

const isEmpty = (context: TokenContext) => Object.values(context).every((value) => value === undefined)

/** The write that makes an issued value known. */
export const storeToken = (db: Db, value: string, token: Token): Write =>
  write(
    insertToken(db, {
      hash: hashOf(value),
      id: token.id,
      class: token.class,
      lineage_id: token.lineageId,
      application_id: token.applicationId,
      client_id: token.clientId,
      organization_id: token.organizationId,
      subject_id: token.subjectId,
      actor_id: token.actorId,
      impersonation_id: token.impersonationId,
      session_id: token.sessionId,
      scopes: token.scopes.join(' '),
      code_challenge: token.codeChallenge,
      act: json(token.actor),
      audience: token.audience.length > 0 ? token.audience.join(' ') : null,
      confirmation: json(token.confirmation),
      context: isEmpty(token.context) ? null : json(token.context),
      follows: token.follows ?? null,
      issued_at: token.issuedAt.toISOString(),
      expires_at: token.expiresAt.toISOString(),
    }),
  )

const select = (db: Db) =>
  db
    .selectFrom('token')
    .innerJoin('lineage', 'lineage.id', 'token.lineage_id')
    .leftJoin('lineage as session', 'session.id', 'lineage.session_id')
    .leftJoin('impersonation', 'impersonation.id', 'token.impersonation_id')
    .selectAll('token')
    .select(['lineage.ends_at', 'lineage.ended_at'])
    .select(['impersonation.started_at', 'impersonation.reason', 'impersonation.ticket'])
    // a lineage whose session is not to be found is dead, too
    .select(
      sql<number>`case when lineage.session_id is null or (session.id is not null and session.ended_at is null) then 1 else 0 end`.as(
        'session_alive',
      ),
    )

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const selectOne = prepared<{ hash: string }, Row>((db, parameter) =>
  select(db).where('token.hash', '=', parameter('hash')),
)
const selectTwo = prepared<{ one: string; other: string }, Row>((db, parameter) =>
  select(db).where('token.hash', 'in', [parameter('one'), parameter('other')]),
)

/** Looks one or two presented values up in one query, whatever their class; what was not issued here is missing. */
export const findTokens = async (
  db: Db,
  values: readonly [string] | readonly [string, string],
  now: Date,
): Promise<ReadonlyMap<string, FoundToken>> => {
  const hashes = new Map(values.map((value) => [hashOf(value), value]))
  const [one = '', other] = [...hashes.keys()]
  const rows = await rowsOf(
    db,
    other === undefined ? selectOne(db, { hash: one }) : selectTwo(db, { one, other }),
  )
  const instant = now.toISOString()
  return new Map(
    rows.map((row) => {
      const expired = row.expires_at <= instant
      const found: FoundToken = {
        hash: row.hash,
        id: row.id,
        class: row.class as TokenClass, // only storeToken writes it
        lineageId: row.lineage_id,
        applicationId: row.application_id,
        clientId: row.client_id,
        organizationId: row.organization_id,
        subjectId: row.subject_id,
        actorId: row.actor_id,
        impersonationId: row.impersonation_id,
        sessionId: row.session_id,
        scopes: row.scopes === '' ? [] : row.scopes.split(' '),
        codeChallenge: row.code_challenge,
        actor: row.act === null ? null : JSON.parse(row.act),
        audience: row.audience === null ? [] : row.audience.split(' '),
        confirmation: row.confirmation === null ? null : JSON.parse(row.confirmation),
        context: row.context === null ? {} : JSON.parse(row.context),
        follows: row.follows,
        spentAt: row.spent_at,
        issuedAt: new Date(row.issued_at),
        expiresAt: new Date(row.expires_at),
        expired,
        alive: !expired && row.ended_at === null && row.ends_at > instant && Number(row.session_alive) === 1,
        startedAt: row.started_at,
        said: { reason: row.reason ?? undefined, ticket: row.ticket ?? undefined },
        lineageEndsAt: new Date(row.ends_at),
        lineageEndedAt: row.ended_at,
      }
      return [hashes.get(row.hash) ?? '', found]
    }),
  )
}

const selectEndingAt = prepared<{ hash: string; expiresAt: string }, unknown>((db, parameter) =>
  db
    .selectFrom('token')
    .select('hash')
    .where('hash', '=', parameter('hash'))
    .where('expires_at', '=', parameter('expiresAt')),
)

/**
 * The guard that a token has the end that it was found with: revoking one alone gives it an earlier one. Whether what it
 * hangs on lives is `lineageAlive`'s question.
 */
export const notRevoked = (db: Db, value: string, { expiresAt }: Pick<Token, 'expiresAt'>): Write =>
  holds(selectEndingAt(db, { hash: hashOf(value), expiresAt: expiresAt.toISOString() }))

export const findToken = async (db: Db, value: string, now: Date): Promise<FoundToken | undefined> =>
  (await findTokens(db, [value], now)).get(value)
