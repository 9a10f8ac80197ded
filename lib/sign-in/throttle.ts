/**
 * Failed logins are counted in the database, for an account and for an address: 5 and 50 in 15 minutes. Failed
 * authentications of clients are counted beside them, for a client at an address.
 */
import { hash } from 'node:crypto'
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'
import { loginFailures } from '../metrics.ts'

const minutes = 15
const perAccount = 5
const perAddress = 50

/** Names are kept as hashes: people type passwords into the wrong field. */
export const accountKey = (organizationId: string, nameKey: string): string =>
  hash('sha256', `${organizationId} ${nameKey}`, 'base64url')

/** Whether the next attempt has to be refused before any hashing. */
export const isThrottled = async (db: Db, key: string, address: string, now: Date): Promise<boolean> => {
  const since = new Date(now.getTime() - minutes * 60_000).toISOString()
  const { account, from } = await db
    .selectNoFrom((eb) => [
      eb
        .selectFrom('login_failure')
        .select((count) => count.fn.countAll().as('n'))
        .where('account_key', '=', key)
        .where('failed_at', '>', since)
        .as('account'),
      eb
        .selectFrom('login_failure')
        .select((count) => count.fn.countAll().as('n'))
        .where('address', '=', address)
        .where('failed_at', '>', since)
        .as('from'),
    ])
    .executeTakeFirstOrThrow()
  return Number(account) >= perAccount || Number(from) >= perAddress
}

export const recordFailure = (db: Db, key: string, address: string, now: Date): Write => {
  loginFailures.add()
  return write(
    db
      .insertInto('login_failure')
      .values({ id: Bun.randomUUIDv7(), account_key: key, address, failed_at: now.toISOString() }),
  )
}

/** A success forgets the account's failures; the address's other failures stay. */
export const forgetFailures = (db: Db, key: string): Write =>
  write(db.deleteFrom('login_failure').where('account_key', '=', key))

/** A secret has 256 bits where we made it; this keeps those that were chosen from being tried out. */
export const mostClientFailures = 20

/** A client is throttled at one address only: knowing its id must not be enough to shut it out at its own. */
export const clientKey = (clientId: string, address: string): string =>
  hash('sha256', JSON.stringify(['client', clientId, address]), 'base64url')

const countFailures = prepared<{ key: string; since: string }, { n: number | string | bigint }>(
  (db, parameter) =>
    db
      .selectFrom('login_failure')
      .select((eb) => eb.fn.countAll().as('n'))
      .where('account_key', '=', parameter('key'))
      .where('failed_at', '>', parameter('since')),
)

/** For so long a client without failures is not looked for again: every token request would ask. */
const cleanMilliseconds = 1_000
const mostClean = 10_000
const clean = new WeakMap<Db, Map<string, number>>()

const cleanOf = (db: Db): Map<string, number> => {
  const known = clean.get(db)
  if (known) return known
  const made = new Map<string, number>()
  clean.set(db, made)
  return made
}

/** How often the client failed at the address in the last 15 minutes; in other processes, a second ago. */
export const clientFailures = async (db: Db, key: string, now: Date): Promise<number> => {
  const known = cleanOf(db)
  if ((known.get(key) ?? 0) > now.getTime()) return 0
  const since = new Date(now.getTime() - minutes * 60_000).toISOString()
  const [row] = await rowsOf(db, countFailures(db, { key, since }))
  const failures = Number(row?.n ?? 0)
  if (failures === 0) {
    if (known.size >= mostClean) known.clear()
    known.set(key, now.getTime() + cleanMilliseconds)
  }
  return failures
}

/** Counts one; people's logins from the same address are not throttled by it. */
export const recordClientFailure = (db: Db, key: string, address: string, now: Date): Write => {
  cleanOf(db).delete(key)
  return write(
    db.insertInto('login_failure').values({
      id: Bun.randomUUIDv7(),
      account_key: key,
      address: `client ${address}`,
      failed_at: now.toISOString(),
    }),
  )
}
