/**
 * How many impersonations that never were are kept: only so many a minute of one impersonator, however often he asks. Each
 * refusal has its audit row in any case. Every process counts for itself.
 */
import type { Db } from '../database/connect.ts'

const minute = 60_000
const mostOfOne = 60
/** Impersonators that are remembered; then the oldest are forgotten. */
const mostRemembered = 10_000

interface Count {
  n: number
  readonly since: number
}

const counts = new WeakMap<Db, Map<string, Count>>()

/** Whether one more is kept of his. */
export const isKept = (db: Db, impersonatorId: string, now: Date): boolean => {
  const known = counts.get(db) ?? new Map<string, Count>()
  counts.set(db, known)
  const at = now.getTime()
  const found = known.get(impersonatorId)
  // one of later was counted before the clock was set back
  const isOfThisMinute = found !== undefined && at >= found.since && at - found.since < minute
  const count = isOfThisMinute ? found : { n: 0, since: at }
  if (count.n >= mostOfOne) return false
  count.n += 1
  if (isOfThisMinute) return true
  known.delete(impersonatorId)
  const oldest = known.size >= mostRemembered ? known.keys().next().value : undefined
  if (oldest !== undefined) known.delete(oldest)
  known.set(impersonatorId, count)
  return true
}
