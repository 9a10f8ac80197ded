/**
 * Guesses at user codes (RFC 8628 §5.1) are counted with the failed logins of their address, and for their browser. Each
 * is counted before the code is looked at, so that many at once are not more.
 */
import { commit, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { accountKey, isThrottled } from './throttle.ts'

/**
 * Counts an attempt of a browser (its mark) at an address; undefined when there were too many. The write takes the
 * attempt back: for one that was right.
 */
export const countAttempt = async (
  db: Db,
  browser: string,
  address: string,
  now: Date,
): Promise<Write | undefined> => {
  // no organization has such an id
  const key = accountKey('user code', browser)
  if (await isThrottled(db, key, address, now)) return undefined
  const id = Bun.randomUUIDv7()
  const row = { id, account_key: key, address, failed_at: now.toISOString() }
  await commit(db, [write(db.insertInto('login_failure').values(row))])
  if (await isThrottled(db, key, address, now)) return undefined
  return write(db.deleteFrom('login_failure').where('id', '=', id))
}
