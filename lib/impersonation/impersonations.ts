/**
 * An impersonation from its authorization to its start: the row everything hangs on. Both steps redeem an approval,
 * sign without releasing anything, and return the writes that go into one commit with their audit row.
 */
import { record, type Trace } from '../audit.ts'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting, prepared } from '../database/prepared.ts'
import { mintImpersonatedAccessToken } from '../tokens/access-token.ts'
import { type Approval, type Approved, redeemApproval } from '../tokens/approval.ts'
import { type Claims, wholeSecond } from '../tokens/claims.ts'
import type { Issuer, Minted } from '../tokens/issuer.ts'
import { beginLineage, lineageAlive } from '../tokens/lineage.ts'
import { mintSubjectToken } from '../tokens/subject-token.ts'
import { type Confirmation, type FoundToken, randomValue, storeToken } from '../tokens/token.ts'
import { newId } from './ids.ts'
import { type MailOrigin, startedNotice } from './notification.ts'
import { saidData } from './said.ts'

export interface Lifetimes {
  /** Seconds of a user's access token where the application sets none. */
  readonly userAccessTokenSeconds: number
  /** The longest an impersonation may last, from its authorization. */
  readonly maxDurationSeconds: number | undefined
  /** Seconds of a refresh token where the application sets none; undefined where impersonations are not refreshed. */
  readonly refreshTokenSeconds?: number | undefined
}

export interface ImpersonationNeeds {
  readonly db: Db
  readonly issuer: Issuer
  readonly lifetimes: Lifetimes
  readonly mail: MailOrigin
  /** Told when the person acted for should hear of it and has no address. */
  unaddressed(subjectId: string): void
}

export const plusSeconds = (instant: Date, seconds: number) => new Date(instant.getTime() + seconds * 1000)
export const earlier = (a: Date, b: Date) => (a < b ? a : b)

export const accessSeconds = (approval: Approval, lifetimes: Lifetimes) =>
  approval.application.oidc.accessToken.userAccessTokenExpiryInSeconds || lifetimes.userAccessTokenSeconds

/**
 * The refresh token of an impersonation, where server and application allow one. It hangs on the impersonation's
 * lineage and ends with it at the latest; that of a client that proves nothing else is bound to the proved key.
 */
const mintRefreshToken = (
  db: Db,
  approval: Approval,
  impersonation: {
    readonly id: string
    readonly lineageId: string
    readonly confirmation: Confirmation | null
  },
  seconds: number,
  lineageEndsAt: Date,
  now: Date,
): Minted => {
  const { application } = approval
  const id = crypto.randomUUID()
  const value = randomValue()
  const issuedAt = wholeSecond(now)
  const expiresAt = earlier(
    plusSeconds(issuedAt, application.oidc.refreshToken.expiryInSeconds || seconds),
    lineageEndsAt,
  )
  const row = storeToken(db, value, {
    id,
    class: 'refresh',
    lineageId: impersonation.lineageId,
    applicationId: application.id,
    clientId: application.clientId,
    organizationId: approval.organization.id,
    subjectId: approval.subject.id,
    actorId: approval.actor.id,
    impersonationId: impersonation.id,
    sessionId: approval.sessionId,
    scopes: approval.scopes,
    codeChallenge: null,
    actor: { sub: approval.actor.id },
    audience: [],
    confirmation: application.oidc.publicClient ? impersonation.confirmation : null,
    context: {},
    issuedAt,
    expiresAt,
  })
  return { value, id, expiresAt, writes: [row] }
}

const auditData = (approval: Approval, impersonationId: string) => ({
  clientId: approval.application.clientId,
  subject: approval.subject.id,
  impersonator: approval.actor.id,
  scope: approval.scopes.join(' '),
  impersonation: impersonationId,
  ...saidData(approval),
})

const auditPeople = (approval: Approval, impersonationId: string) => ({
  initiator: approval.actor.id,
  target: approval.subject.id,
  outcome: 'Success',
  actorId: approval.actor.id,
  subjectId: approval.subject.id,
  applicationId: approval.application.id,
  organizationId: approval.organization.id,
  impersonationId,
})

const insertImpersonation = inserting('impersonation', [
  'id',
  'lineage_id',
  'application_id',
  'client_id',
  'organization_id',
  'impersonator_id',
  'subject_id',
  'scopes',
  'reason',
  'ticket',
  'authorized_at',
  'started_at',
])

/** Authorizes: the impersonation, its lineage, its subject token and the audit row. */
export const beginImpersonation = async (
  { db, issuer, lifetimes }: ImpersonationNeeds,
  approved: Approved,
  bound: { readonly codeChallenge: string | null; readonly confirmation: Confirmation | null },
  trace: Trace,
  now: Date,
): Promise<{ subjectToken: Minted; writes: Write[] }> => {
  const approval = redeemApproval(approved, 'authorize')
  const id = newId(now)
  const lineageId = Bun.randomUUIDv7()
  const subjectToken = await mintSubjectToken(db, issuer, approval, { id, lineageId, ...bound }, now)
  const latest = plusSeconds(subjectToken.expiresAt, accessSeconds(approval, lifetimes))
  const endsAt = [lifetimes.maxDurationSeconds, approval.application.oidc.mayact.impersonationMaxDuration]
    .flatMap((seconds) => (seconds ? plusSeconds(now, seconds) : []))
    .reduce(earlier, latest)
  const row = {
    id,
    lineage_id: lineageId,
    application_id: approval.application.id,
    client_id: approval.application.clientId,
    organization_id: approval.organization.id,
    impersonator_id: approval.actor.id,
    subject_id: approval.subject.id,
    scopes: approval.scopes.join(' '),
    reason: approval.reason ?? null,
    ticket: approval.ticket ?? null,
    authorized_at: now.toISOString(),
    started_at: null,
  }
  const { sessionId } = approval
  return {
    subjectToken,
    writes: [
      ...approval.guards,
      ...lineageAlive(db, { id: sessionId, sessionId: null }, now),
      beginLineage(db, {
        id: lineageId,
        kind: 'impersonation',
        sessionId,
        accountId: approval.actor.id,
        applicationId: approval.application.id,
        endsAt,
      }),
      write(insertImpersonation(db, row)),
      ...subjectToken.writes,
      record(db, now, trace, {
        event: 'subject-token-issued',
        data: auditData(approval, id),
        ...auditPeople(approval, id),
      }),
    ],
  }
}

const spendSubjectToken = prepared<{ id: string; now: string }, unknown>((db, parameter) =>
  db
    .updateTable('impersonation')
    .set({ started_at: parameter('now') })
    .where('id', '=', parameter('id'))
    .where('started_at', 'is', null),
)

const endWithAccessToken = prepared<{ id: string; endsAt: string; now: string }, unknown>((db, parameter) =>
  db
    .updateTable('lineage')
    .set({ ends_at: parameter('endsAt') })
    .where('id', '=', parameter('id'))
    .where('ended_at', 'is', null)
    .where('ends_at', '>', parameter('now')),
)

/**
 * Starts: spends the subject token, mints the access token and makes its end the impersonation's end. Where it may be
 * refreshed there is a refresh token, too, and the impersonation keeps the end that its authorization gave it.
 */
export const startImpersonation = async (
  { db, issuer, lifetimes, mail, unaddressed }: ImpersonationNeeds,
  approved: Approved,
  subjectToken: FoundToken & { readonly impersonationId: string },
  trace: Trace,
  now: Date,
  contributed: Claims = {},
  confirmation: Confirmation | null = null,
): Promise<{
  accessToken: Minted
  refreshToken: string | undefined
  scopes: readonly string[]
  writes: Write[]
}> => {
  const approval = redeemApproval(approved, 'exchange')
  const { impersonationId, lineageId, lineageEndsAt } = subjectToken
  const endsAt = earlier(plusSeconds(now, accessSeconds(approval, lifetimes)), lineageEndsAt)
  const impersonation = { id: impersonationId, lineageId, confirmation }
  const [accessToken, notice] = await Promise.all([
    mintImpersonatedAccessToken(db, issuer, approval, impersonation, contributed, endsAt, now),
    startedNotice(db, mail, approval, impersonationId, now),
  ])
  if (notice.missingAddress) unaddressed(approval.subject.id)
  const spent = spendSubjectToken(db, { id: impersonationId, now: now.toISOString() })
  const seconds = lifetimes.refreshTokenSeconds
  const refreshToken =
    seconds !== undefined && approval.application.oidc.grantTypes.includes('refresh_token')
      ? mintRefreshToken(db, approval, impersonation, seconds, lineageEndsAt, now)
      : undefined
  const ends = endWithAccessToken(db, {
    id: lineageId,
    endsAt: (refreshToken ? lineageEndsAt : accessToken.expiresAt).toISOString(),
    now: now.toISOString(),
  })
  return {
    accessToken,
    refreshToken: refreshToken?.value,
    scopes: approval.scopes,
    writes: [
      ...approval.guards,
      // what reads the lineages comes before what writes them: on Postgres it is then one statement
      ...lineageAlive(db, { id: approval.sessionId, sessionId: null }, now),
      // the lineage before the impersonation: so does whoever ends one
      exactly(1, ends),
      exactly(1, spent),
      ...accessToken.writes,
      ...(refreshToken?.writes ?? []),
      record(db, now, trace, {
        event: 'impersonated-token-issued',
        data: { ...auditData(approval, impersonationId), tokenId: accessToken.id },
        ...auditPeople(approval, impersonationId),
      }),
      ...notice.writes,
    ],
  }
}
