/** How many clients one address may register without authentication: so many places an hour, each taken once. */
import type { Write } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { isUsed, useOnce } from '../../tokens/used-value.ts'
import { RegistrationError } from './error.ts'

const hour = 3_600_000

/** Takes the next place; two that take the same one conflict, and the later decides again. Throws 429 when none is left. */
export const takePlace = async (db: Db, address: string, perHour: number, now: Date): Promise<Write> => {
  const current = Math.floor(now.getTime() / hour)
  for (let place = 0; place < perHour; place += 1) {
    const once = { kind: 'registration', issuer: address, value: `${current} ${place}` }
    if (!(await isUsed(db, once))) return useOnce(db, once, new Date((current + 1) * hour))
  }
  throw new RegistrationError(
    'temporarily_unavailable',
    'Too many clients were registered from this address. Try again later.',
    429,
  )
}
