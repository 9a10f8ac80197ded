/** Browser sessions: a random cookie known by its hash, 15 minutes idle, 8 hours in all, a new one at every login. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'
import type { Account } from '../directory/accounts.ts'
import { endColumns } from '../directory/ending.ts'
import { openImpersonations } from '../directory/living-lineages.ts'
import { beginLineage } from '../tokens/lineage.ts'
import { hashOf, randomValue } from '../tokens/token.ts'

export interface SessionRules {
  readonly idleSeconds: number
  readonly lifetimeSeconds: number
}

export interface Session {
  /** Also its lineage's id and the `sid` of its tokens. */
  readonly id: string
  readonly accountId: string
  readonly authenticatedAt: Date
  readonly endsAt: Date
}

/** What a login comes from. */
export interface Origin {
  readonly userAgent: string | null
  readonly address: string | null
}

const nowhere: Origin = { userAgent: null, address: null }
const longestUserAgent = 500
const longestAddress = 100

/** `seen_at` is written at most this often, so that reading a session is not a write. */
const seenEvery = 60_000

/** A new session for a login that just succeeded: the cookie's value and the writes that make it. */
export const beginSession = (
  db: Db,
  account: Pick<Account, 'id'>,
  browser: string,
  rules: SessionRules,
  now: Date,
  { userAgent, address }: Origin = nowhere,
) => {
  const id = Bun.randomUUIDv7()
  const value = randomValue()
  const endsAt = new Date(now.getTime() + rules.lifetimeSeconds * 1000)
  const session: Session = { id, accountId: account.id, authenticatedAt: now, endsAt }
  const row = {
    id,
    hash: hashOf(value),
    browser_hash: hashOf(browser),
    account_id: account.id,
    user_agent: userAgent?.slice(0, longestUserAgent) ?? null,
    address: address?.slice(0, longestAddress) ?? null,
    authenticated_at: now.toISOString(),
    seen_at: now.toISOString(),
    ends_at: endsAt.toISOString(),
  }
  // tokens of a session may outlive its own eight hours: its lineage lasts until somebody ends it or it is purged
  const lineage = beginLineage(db, {
    id,
    kind: 'session',
    sessionId: null,
    accountId: account.id,
    endsAt: new Date(endsAt.getTime() + 86_400_000),
  })
  const writes: Write[] = [lineage, write(db.insertInto('session').values(row))]
  return { session, value, writes }
}

const select = (db: Db) =>
  db
    .selectFrom('session')
    .innerJoin('lineage', 'lineage.id', 'session.id')
    .select(['session.id', 'session.account_id', 'authenticated_at', 'seen_at', 'session.ends_at'])
    .where('lineage.ended_at', 'is', null)

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const selectLive = prepared<{ hash: string; now: string; idleSince: string }, Row>((db, parameter) =>
  select(db)
    .where('hash', '=', parameter('hash'))
    .where('session.ends_at', '>', parameter('now'))
    .where('seen_at', '>', parameter('idleSince')),
)

/** The live session of a cookie's value, and the write that notes it was seen, when that is due. */
export const findSession = async (db: Db, value: string, rules: SessionRules, now: Date) => {
  const idleSince = new Date(now.getTime() - rules.idleSeconds * 1000).toISOString()
  const [row] = await rowsOf(db, selectLive(db, { hash: hashOf(value), now: now.toISOString(), idleSince }))
  if (!row) return undefined
  const session: Session = {
    id: row.id,
    accountId: row.account_id,
    authenticatedAt: new Date(row.authenticated_at),
    endsAt: new Date(row.ends_at),
  }
  const due = now.getTime() - new Date(row.seen_at).getTime() > seenEvery
  const seen = due
    ? write(db.updateTable('session').set({ seen_at: now.toISOString() }).where('id', '=', row.id))
    : undefined
  return { session, seen }
}

const whose = (db: Db) =>
  db
    .selectFrom('session')
    .innerJoin('lineage', 'lineage.id', 'session.id')
    .select(['session.id', 'session.account_id as accountId', 'authenticated_at as authenticatedAt'])
    .where('lineage.ended_at', 'is', null)

/**
 * Whose session an interaction was bound to. It may be idle, or retired by the same person's next login in another
 * tab; one that somebody ended is not found.
 */
export const findSessionById = (db: Db, id: string) =>
  whose(db).where('session.id', '=', id).executeTakeFirst()

/** Whose sessions a login in a browser replaces: those begun in it, and the one whose cookie it sent. */
export interface Replaced {
  readonly browser: string
  readonly cookie: string | undefined
}

/** Their ids. */
export const replacedBy = (db: Db, { browser, cookie }: Replaced) =>
  db
    .selectFrom('session')
    .select('session.id')
    .where((eb) =>
      eb.or([
        eb('browser_hash', '=', hashOf(browser)),
        ...(cookie === undefined ? [] : [eb('hash', '=', hashOf(cookie))]),
      ]),
    )

/**
 * What a login does to the sessions before it in the same browser: the same person's cookies become worthless while
 * what began with them goes on; what other people began ends, in sessions that were usable, idle or replaced.
 */
export const replaceSessions = (
  db: Db,
  replaced: Replaced,
  { id }: Pick<Account, 'id'>,
  now: Date,
): Write[] => {
  const others = replacedBy(db, replaced).where('session.account_id', '!=', id)
  const impersonators = others.clearSelect().select('session.account_id')
  return [
    write(
      db
        .updateTable('session')
        .set({ ends_at: now.toISOString() })
        .where('ends_at', '>', now.toISOString())
        .where('id', 'in', replacedBy(db, replaced)),
    ),
    write(
      db
        .updateTable('lineage')
        .set(endColumns({ by: id, reason: 'other-login' }, now))
        .where('ended_at', 'is', null)
        .where('id', 'in', others),
    ),
    // dead with their session anyway: their own rows say so
    write(
      db
        .updateTable('lineage')
        .set(endColumns({ by: id, reason: 'other-login' }, now))
        .where('ended_at', 'is', null)
        .where('id', 'in', openImpersonations(db).where('impersonation.impersonator_id', 'in', impersonators))
        .where('session_id', 'in', others),
    ),
  ]
}
