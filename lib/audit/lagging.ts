/** Followers of the trail that have not kept up, or are not there any more: retention waits for them, but not for ever. */
import type { Db } from '../database/connect.ts'
import type { Log } from '../log.ts'
import { headOf } from './sealer.ts'

const day = 86_400_000
const warnsEvery = day / 24

/** So much longer than `[audit] retention` a row is kept for a follower that has not taken it. */
export const keptForFollowers = 30 * day

/** Their cursors in `meta`. */
export const cursorPrefix = 'trail-cursor '

export interface Lagging {
  /** `webhooks`, `plugin siem`. */
  readonly name: string
  /** How many sealed rows it has not looked at, those that it does not want included. */
  readonly untaken: number
  /** When the first of them happened. */
  readonly since: Date
}

/** Those for whom a row has waited for more than a day. */
export const lagging = async (db: Db, now: Date): Promise<readonly Lagging[]> => {
  const cursors = await db
    .selectFrom('meta')
    .select(['name', 'value'])
    .where('name', 'like', `${cursorPrefix}%`)
    .orderBy('name')
    .execute()
  const { position: head } = await headOf(db)
  const found: Lagging[] = []
  for (const { name, value } of cursors) {
    const cursor = Number(value)
    if (cursor >= head) continue
    const next = await db
      .selectFrom('audit')
      .select('at')
      .where('position', '>', cursor)
      .orderBy('position')
      .limit(1)
      .executeTakeFirst()
    if (!next || now.getTime() - Date.parse(next.at) < day) continue
    found.push({ name: name.slice(cursorPrefix.length), untaken: head - cursor, since: new Date(next.at) })
  }
  return found
}

const warnedAt = new WeakMap<Db, number>()

/** Says so in the log, once an hour however often it is asked. */
export const warnOfLagging = async (db: Db, log: Log, now: Date): Promise<void> => {
  const last = warnedAt.get(db)
  if (last !== undefined && Math.abs(now.getTime() - last) < warnsEvery) return
  warnedAt.set(db, now.getTime())
  for (const { name, untaken, since } of await lagging(db, now)) {
    log.warn(
      { follower: name, untaken, since: since.toISOString() },
      'a follower of the audit trail has not taken rows for more than a day: they are kept for it 30 days longer than others',
    )
  }
}
