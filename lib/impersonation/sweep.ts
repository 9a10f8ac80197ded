/**
 * Sees to it that every impersonation that is over is recorded, and that one that may not go on is over: its
 * permission was taken, its application switched off. That end is final: what is given back later begins anew.
 */

import { sql } from 'kysely'
import { commit, readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { endLineageOnce } from '../tokens/lineage.ts'
import { judgeAt } from './acceptable.ts'
import { type End, endOf, settling, type Unsettled, unsettled } from './settle.ts'
import { type Late, suspects } from './suspects.ts'

const batch = 100
const page = 500
/** Between two looks at all that live, when no revision says that something changed. */
const wholeEveryMilliseconds = 30_000
/** A look at all takes at most this part of the time. */
const share = 20

const trace = () => ({ id: crypto.randomUUID(), address: 'sweeper' })

/** Literals, as the index has them. */
const open = (db: Db) =>
  unsettled(db).where('lineage.kind', '=', sql.lit('impersonation')).where('lineage.settled_at', 'is', null)

/** Whether there is anything that lives or is not recorded. */
export const hasUnsettled = async (db: Db): Promise<boolean> =>
  (await db
    .selectFrom('lineage')
    .select('id')
    .where('kind', '=', sql.lit('impersonation'))
    .where('settled_at', 'is', null)
    .limit(1)
    .executeTakeFirst()) !== undefined

const record = async (db: Db, ended: readonly { row: Unsettled; end: End }[], now: Date): Promise<number> => {
  if (ended.length === 0) return 0
  if ((await commit(db, await settling(db, ended, trace(), now))) === 'committed') return ended.length
  // somebody recorded one of them: the others one by one
  let recorded = 0
  for (const one of ended) {
    if ((await commit(db, await settling(db, [one], trace(), now))) === 'committed') recorded += 1
  }
  return recorded
}

/** Records what has ended or expired, a batch at a time; answers how many. */
export const recordEnds = async (db: Db, now: Date): Promise<number> => {
  const at = now.toISOString()
  let recorded = 0
  for (const query of [
    open(db).where('lineage.ended_at', 'is not', null),
    open(db).where('lineage.ends_at', '<=', at).orderBy('lineage.ends_at'),
  ]) {
    for (;;) {
      const rows = await query.limit(batch).execute()
      const ended = rows.flatMap((row) => {
        const end = endOf(row, now)
        return end ? [{ row, end }] : []
      })
      const done = await record(db, ended, now)
      recorded += done
      if (rows.length < batch || done === 0) break
    }
  }
  return recorded
}

/** Ends one that may not go on, or whose session has ended, in the commit that records it. */
const endNow = async (
  db: Db,
  row: Unsettled,
  end: End,
  guards: Parameters<typeof commit>[1],
  now: Date,
): Promise<boolean> =>
  (await commit(db, [
    ...guards,
    endLineageOnce(db, row.lineageId, end, new Date(end.at)),
    ...(await settling(db, [{ row, end }], trace(), now)),
  ])) === 'committed'

/** What a sweeper remembers from one look to the next. */
export interface Memory {
  revision: number
  /** Impersonators with something that lives, and the version at which they were looked at. */
  versions: Map<string, number | undefined>
  /** When all was looked at, and how long that took, in milliseconds. */
  wholeAt: number
  wholeTook: number
  /** Whether the feature was on then. */
  enabled: boolean | undefined
  /** When it was looked at who is new. */
  seenAt: number
  readonly late: Late
}

export const noMemory = (): Memory => ({
  revision: 0,
  versions: new Map(),
  wholeAt: 0,
  wholeTook: 0,
  enabled: undefined,
  seenAt: 0,
  late: { at: 0, took: 0 },
})

const examine = async (
  db: Db,
  rows: readonly Unsettled[],
  revision: number,
  enabled: boolean,
  memory: Memory,
  now: Date,
) => {
  const { judge, versions } = judgeAt(db, revision, enabled)
  let ended = 0
  for (const row of rows) {
    const over = endOf(row, now)
    if (over) {
      // recorded by its lineage, but for what only the session's row says
      if (row.endedAt === null && row.sessionEndedAt !== null && (await endNow(db, row, over, [], now)))
        ended += 1
      continue
    }
    const refused = await judge(row)
    if (!refused) continue
    const end = { at: now.toISOString(), by: 'system', reason: refused.reason }
    if (await endNow(db, row, end, refused.guards, now)) ended += 1
  }
  for (const [id, version] of versions) memory.versions.set(id, version)
  return ended
}

const everything = async (db: Db, revision: number, enabled: boolean, memory: Memory, now: Date) => {
  let ended = 0
  let place = { endsAt: '', id: '' }
  for (;;) {
    const rows = await open(db)
      .where('lineage.ends_at', '>=', place.endsAt)
      .where((eb) => eb.or([eb('lineage.ends_at', '>', place.endsAt), eb('lineage.id', '>', place.id)]))
      .orderBy('lineage.ends_at')
      .orderBy('lineage.id')
      .limit(page)
      .execute()
    ended += await examine(db, rows, revision, enabled, memory, now)
    const last = rows.at(-1)
    if (!last || rows.length < page) return ended
    place = { endsAt: last.endsAt, id: last.lineageId }
    await Bun.sleep(1)
  }
}

/** Looks at all that live when something changed or it is time, else at who is new and for whom something changed. */
export const endUnacceptable = async (
  db: Db,
  enabled: boolean,
  memory: Memory,
  now: Date,
): Promise<number> => {
  const revision = await readRevision(db)
  const began = performance.now()
  const since = Math.max(wholeEveryMilliseconds, share * memory.wholeTook)
  const isTime = Math.abs(now.getTime() - memory.wholeAt) >= since
  if (revision !== memory.revision || enabled !== memory.enabled || isTime) {
    memory.versions = new Map()
    const ended = await everything(db, revision, enabled, memory, now)
    memory.revision = revision
    memory.enabled = enabled
    memory.wholeAt = now.getTime()
    memory.seenAt = memory.wholeAt
    memory.wholeTook = performance.now() - began
    return ended
  }
  try {
    const ids = await suspects(db, memory.versions, memory.seenAt, memory.late, now)
    const rows: Unsettled[] = []
    for (let at = 0; at < ids.length; at += page) {
      rows.push(
        ...(await open(db)
          .where('impersonation.impersonator_id', 'in', ids.slice(at, at + page))
          .where('impersonation.state', '=', 'open')
          .where('lineage.ended_at', 'is', null)
          .execute()),
      )
    }
    for (const id of ids) memory.versions.delete(id)
    const ended = await examine(db, rows, revision, enabled, memory, now)
    memory.seenAt = now.getTime()
    return ended
  } catch (error) {
    // whom it did not get to, nobody would look at before it is time
    memory.wholeAt = 0
    throw error
  }
}
