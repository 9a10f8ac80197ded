/**
 * When an impersonation was last used. Each use is noted in memory, which costs nothing on the way of a request, and
 * `takeUses` hands all that came together to whoever writes them down.
 */
import type { Db } from '../database/connect.ts'

const noted = new WeakMap<Db, Map<string, string>>()

/** A token of the impersonation was accepted now. */
export const noteUse = (db: Db, impersonationId: string, now: Date): void => {
  const uses = noted.get(db) ?? new Map<string, string>()
  noted.set(db, uses)
  uses.set(impersonationId, now.toISOString())
}

/** What was noted since the last time: instants by the impersonation's id. */
export const takeUses = (db: Db): ReadonlyMap<string, string> => {
  const uses = noted.get(db) ?? new Map<string, string>()
  noted.delete(db)
  return uses
}
