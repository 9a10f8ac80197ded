/**
 * Device authorizations (RFC 8628): a device shows a short user code, its user enters it in a browser and decides, the
 * device polls with its device code. Both codes are stored as SHA-256; the result is fetched once.
 */
import { timingSafeEqual } from 'node:crypto'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'
import type { Application } from '../directory/applications.ts'
import { hashOf, randomValue } from './token.ts'
import { randomUserCode } from './user-code.ts'

export const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code'

/** Seconds in which the user has to decide. */
export const deviceSeconds = 600

/** Seconds between two polls, and what `slow_down` adds to them (RFC 8628 §3.5). */
export const pollSeconds = 5

/** Who approved, in which session, when he signed in to it, and the grant that began with it. */
export interface Approval {
  readonly accountId: string
  readonly sessionId: string
  readonly authenticatedAt: Date
  readonly lineageId: string
  /** Null where the grant outlives the session. */
  readonly boundSessionId: string | null
  readonly lineageEndsAt: Date
  /** Neither the grant nor the session was ended. */
  readonly alive: boolean
}

export interface DeviceAuthorization {
  readonly id: string
  readonly userHash: string
  readonly applicationId: string
  readonly clientId: string
  /** As they were asked for. */
  readonly scopes: readonly string[]
  readonly intervalSeconds: number
  readonly polledAt: string | null
  readonly expiresAt: Date
  readonly decision: 'approved' | 'denied' | null
  readonly approval: Approval | undefined
  readonly spentAt: string | null
}

/** A new authorization: its codes and the write; a `conflict` means that the user code is in use. */
export const beginDeviceAuthorization = (
  db: Db,
  { id, clientId, organizationId }: Application,
  scopes: readonly string[],
  now: Date,
): { readonly deviceCode: string; readonly userCode: string; readonly write: Write } => {
  const deviceCode = randomValue()
  const userCode = randomUserCode()
  const row = {
    id: Bun.randomUUIDv7(),
    device_hash: hashOf(deviceCode),
    user_hash: hashOf(userCode),
    application_id: id,
    client_id: clientId,
    organization_id: organizationId,
    scopes: scopes.join(' '),
    confirmation: null,
    interval_seconds: pollSeconds,
    polled_at: null,
    created_at: now.toISOString(),
    expires_at: new Date(now.getTime() + deviceSeconds * 1000).toISOString(),
    decision: null,
    account_id: null,
    session_id: null,
    lineage_id: null,
    authenticated_at: null,
    spent_at: null,
  }
  return { deviceCode, userCode, write: write(db.insertInto('device_authorization').values(row)) }
}

const select = (db: Db) =>
  db
    .selectFrom('device_authorization')
    .leftJoin('lineage', 'lineage.id', 'device_authorization.lineage_id')
    .leftJoin('lineage as session', 'session.id', 'device_authorization.session_id')
    .selectAll('device_authorization')
    .select(['lineage.session_id as bound_session_id', 'lineage.ends_at as lineage_ends_at'])
    .select(['lineage.ended_at as lineage_ended_at', 'session.ended_at as session_ended_at'])

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const byDeviceHash = prepared<{ hash: string }, Row>((db, parameter) =>
  select(db).where('device_hash', '=', parameter('hash')),
)
const byUserHash = prepared<{ hash: string }, Row>((db, parameter) =>
  select(db).where('user_hash', '=', parameter('hash')),
)
const byId = prepared<{ id: string }, Row>((db, parameter) =>
  select(db).where('device_authorization.id', '=', parameter('id')),
)

const approvalOf = (row: Row): Approval | undefined => {
  const { account_id, session_id, authenticated_at, lineage_id, lineage_ends_at } = row
  if (account_id === null || session_id === null || authenticated_at === null) return undefined
  if (lineage_id === null || lineage_ends_at === null) return undefined
  return {
    accountId: account_id,
    sessionId: session_id,
    authenticatedAt: new Date(authenticated_at),
    lineageId: lineage_id,
    boundSessionId: row.bound_session_id,
    lineageEndsAt: new Date(lineage_ends_at),
    alive: row.lineage_ended_at === null && row.session_ended_at === null,
  }
}

const authorizationOf = (row: Row | undefined): DeviceAuthorization | undefined =>
  row && {
    id: row.id,
    userHash: row.user_hash,
    applicationId: row.application_id,
    clientId: row.client_id,
    scopes: row.scopes === '' ? [] : row.scopes.split(' '),
    intervalSeconds: row.interval_seconds,
    polledAt: row.polled_at,
    expiresAt: new Date(row.expires_at),
    // only decideDevice writes it
    decision: row.decision as DeviceAuthorization['decision'],
    approval: approvalOf(row),
    spentAt: row.spent_at,
  }

/** Whether the user code, as `readUserCode` gives it, is this one's. */
export const hasUserCode = ({ userHash }: DeviceAuthorization, code: string): boolean =>
  timingSafeEqual(Buffer.from(hashOf(code)), Buffer.from(userHash))

/** Of a device code, whatever became of it. */
export const findByDeviceCode = async (db: Db, code: string): Promise<DeviceAuthorization | undefined> =>
  authorizationOf((await rowsOf(db, byDeviceHash(db, { hash: hashOf(code) })))[0])

/** Whether its user can still decide. */
export const isPending = ({ decision, expiresAt }: DeviceAuthorization, now: Date): boolean =>
  decision === null && expiresAt > now

const pending = (row: Row | undefined, now: Date): DeviceAuthorization | undefined => {
  const found = authorizationOf(row)
  return found && isPending(found, now) ? found : undefined
}

/** Of a user code as `readUserCode` gives it, while it waits for its user. */
export const findByUserCode = async (
  db: Db,
  code: string,
  now: Date,
): Promise<DeviceAuthorization | undefined> =>
  pending((await rowsOf(db, byUserHash(db, { hash: hashOf(code) })))[0], now)

/** Of an id, while it waits for its user. */
export const findPendingDevice = async (
  db: Db,
  id: string,
  now: Date,
): Promise<DeviceAuthorization | undefined> => pending((await rowsOf(db, byId(db, { id })))[0], now)

/** The user's decision; of two, one happens. An approval begins a grant, a denial none. */
export const decideDevice = (
  db: Db,
  { id }: DeviceAuthorization,
  decision: 'approved' | 'denied',
  by: { readonly accountId: string; readonly id: string; readonly authenticatedAt: Date },
  lineageId: string | null,
  now: Date,
): Write =>
  exactly(
    1,
    db
      .updateTable('device_authorization')
      .set({
        decision,
        account_id: by.accountId,
        session_id: by.id,
        lineage_id: lineageId,
        authenticated_at: by.authenticatedAt.toISOString(),
      })
      .where('id', '=', id)
      .where('decision', 'is', null)
      .where('expires_at', '>', now.toISOString()),
  )

/** Notes a poll that came in time; of several at once, one is in time. */
export const notePoll = (db: Db, { id, polledAt }: DeviceAuthorization, now: Date): Write =>
  exactly(
    1,
    db
      .updateTable('device_authorization')
      .set({ polled_at: now.toISOString() })
      .where('id', '=', id)
      .where('polled_at', polledAt === null ? 'is' : '=', polledAt),
  )

/** Notes a poll that came too soon: from now on there is more time between two. */
export const slowDown = (db: Db, { id, intervalSeconds }: DeviceAuthorization, now: Date): Write =>
  write(
    db
      .updateTable('device_authorization')
      .set({ polled_at: now.toISOString(), interval_seconds: intervalSeconds + pollSeconds })
      .where('id', '=', id)
      // polls at one moment are slowed down once
      .where('interval_seconds', '=', intervalSeconds),
  )

/** Spends the approval; of many commits with this write one happens. */
export const spendDevice = (db: Db, { id }: DeviceAuthorization, now: Date): Write =>
  exactly(
    1,
    db
      .updateTable('device_authorization')
      .set({ spent_at: now.toISOString() })
      .where('id', '=', id)
      .where('decision', '=', 'approved')
      .where('spent_at', 'is', null),
  )
