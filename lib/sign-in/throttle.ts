/** Failed logins are counted in the database, for an account and for an address: 5 and 50 in 15 minutes. */
import { createHash } from 'node:crypto'
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { loginFailures } from '../metrics.ts'

const minutes = 15
const perAccount = 5
const perAddress = 50

/** Names are kept as hashes: people type passwords into the wrong field. */
export const accountKey = (organizationId: string, nameKey: string): string =>
  createHash('sha256').update(`${organizationId} ${nameKey}`).digest('base64url')

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
