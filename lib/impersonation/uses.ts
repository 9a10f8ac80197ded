/** Writes down when impersonations were last used: what came together in memory, a statement for some hundred of them. */
import { sql } from 'kysely'
import { commit, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { noteUse, takeUses } from '../tokens/uses.ts'

const mostAtOnce = 200

/** `values` have the columns `column1`, `column2` in both databases. */
const used = (db: Db, uses: readonly (readonly [string, string])[]): Write => {
  const rows = sql.join(uses.map(([id, at]) => sql`(${id}, ${at})`))
  const query = sql`update impersonation set last_used_at = used.column2 from (values ${rows}) as used where impersonation.id = used.column1 and (last_used_at is null or last_used_at < used.column2)`
  return write({ compile: () => query.compile(db) })
}

/** Writes what was noted since the last time; what cannot be written is noted again. */
export const writeUses = async (db: Db): Promise<void> => {
  // in one order, so that two processes never wait for each other's rows
  const uses = [...takeUses(db)].sort(([one], [other]) => (one < other ? -1 : 1))
  for (let at = 0; at < uses.length; at += mostAtOnce) {
    const some = uses.slice(at, at + mostAtOnce)
    try {
      await commit(db, [used(db, some)])
    } catch (error) {
      for (const [id, instant] of uses.slice(at)) noteUse(db, id, new Date(instant))
      throw error
    }
  }
}
