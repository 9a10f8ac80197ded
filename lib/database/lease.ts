/** What one process at a time does on a database that several share: it holds a lease, a row of `meta`, while it does. */
import { commit, exactly, holds, type Write, write } from './commit.ts'
import type { Db } from './connect.ts'

export interface Lease {
  /** Takes it, or keeps it; whether it is held now. Somebody else's is taken over once it has run out. */
  take(now: Date): Promise<boolean>
  /** The guard of what only the holder may write. */
  held(): Write
  /** Gives it back, so that the next one need not wait. */
  release(): Promise<void>
}

/** Clocks of two servers may differ by some times of what a lease is kept for. */
const farthest = 4

/** The lease of that name, for this process; it runs out `milliseconds` after it was last kept. */
export const leaseOf = (db: Db, name: string, milliseconds: number): Lease => {
  const self = crypto.randomUUID()
  let value = ''
  let keptAt = 0

  return {
    async take(now) {
      const at = now.getTime()
      // a clock that was set back says nothing about how long it was kept
      if (value !== '' && Math.abs(at - keptAt) < milliseconds / 3) return true
      const next = `${self} ${at + milliseconds}`
      const row = await db.selectFrom('meta').select('value').where('name', '=', name).executeTakeFirst()
      const [holder, until] = row?.value.split(' ') ?? []
      // one that runs out much later than any is kept was taken before the clock was set back
      const runs = Number(until) > at && Number(until) <= at + farthest * milliseconds
      if (row && holder !== self && runs) {
        value = ''
        return false
      }
      const taken = row
        ? exactly(
            1,
            db
              .updateTable('meta')
              .set({ value: next })
              .where('name', '=', name)
              .where('value', '=', row.value),
          )
        : write(db.insertInto('meta').values({ name, value: next }))
      const got = (await commit(db, [taken])) === 'committed'
      value = got ? next : ''
      keptAt = at
      return got
    },
    held: () =>
      holds(db.selectFrom('meta').select('name').where('name', '=', name).where('value', '=', value)),
    async release() {
      if (value === '') return
      const own = db.deleteFrom('meta').where('name', '=', name).where('value', 'like', `${self} %`)
      value = ''
      await commit(db, [write(own)])
    },
  }
}
