/** How many test messages a user may send: so many places an hour, each taken once, by all processes together. */
import type { Write } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { isUsed, useOnce } from '../../tokens/used-value.ts'

const hour = 3_600_000
export const mostTests = 10

/** Takes the next place of this hour; undefined when none is left. */
export const placeOfTest = async (db: Db, accountId: string, now: Date): Promise<Write | undefined> => {
  const current = Math.floor(now.getTime() / hour)
  for (let place = 0; place < mostTests; place += 1) {
    const once = { kind: 'test message', issuer: accountId, value: `${current} ${place}` }
    if (!(await isUsed(db, once))) return useOnce(db, once, new Date((current + 1) * hour))
  }
  return undefined
}
