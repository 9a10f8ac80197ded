/**
 * Sees to it that every impersonation that is over is recorded, and that one that may not go on is over: its
 * permission was taken, its application switched off. That end is final: what is given back later begins anew.
 */

import { sql } from 'kysely'
import { commit, readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { endLineageOnce } from '../tokens/lineage.ts'
import { judgeAt } from './acceptable.ts'
import { idsFrom } from './ids.ts'
import { type End, endOf, settling, type Unsettled, unsettled } from './settle.ts'

const batch = 100
const page = 500
/** Between two looks at all that live, when no revision says that something changed. */
const wholeEveryMilliseconds = 30_000
/** A look at all takes at most this part of the time. */
const share = 20
/** Ids are of when they were made, which is a while before they can be seen. */
const overlapMilliseconds = 2_000

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
  seenAt: number
}

export const noMemory = (): Memory => ({
  revision: 0,
  versions: new Map(),
  wholeAt: 0,
  wholeTook: 0,
  seenAt: 0,
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

/**
 * Impersonators who began since then and were not looked at yet. What those did who were looked at was decided at the
 * same revision and version, or one of these has changed.
 */
const newcomers = async (db: Db, milliseconds: number, known: ReadonlyMap<string, unknown>) => {
  const rows = await db
    .selectFrom('impersonation')
    .select('impersonator_id as id')
    .distinct()
    .where('id', '>', idsFrom(new Date(milliseconds)))
    .where('lineage_id', 'is not', null)
    .execute()
  return rows.flatMap(({ id }) => (known.has(id) ? [] : [id]))
}

/** Impersonators whose roles, groups or status changed since they were looked at. */
const changed = async (
  db: Db,
  versions: ReadonlyMap<string, number | undefined>,
): Promise<readonly string[]> => {
  const ids = [...versions.keys()]
  const found = new Map<string, number>()
  for (let at = 0; at < ids.length; at += page) {
    const rows = await db
      .selectFrom('account')
      .select(['id', 'version'])
      .where('id', 'in', ids.slice(at, at + page))
      .execute()
    for (const { id, version } of rows) found.set(id, version)
  }
  return ids.filter((id) => found.get(id) !== versions.get(id))
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
  if (revision !== memory.revision || Math.abs(now.getTime() - memory.wholeAt) >= since) {
    memory.versions = new Map()
    const ended = await everything(db, revision, enabled, memory, now)
    memory.revision = revision
    memory.wholeAt = now.getTime()
    memory.seenAt = memory.wholeAt
    memory.wholeTook = performance.now() - began
    return ended
  }
  const others = [
    ...(await changed(db, memory.versions)),
    ...(await newcomers(db, memory.seenAt - overlapMilliseconds, memory.versions)),
  ]
  const rows: Unsettled[] = []
  for (let at = 0; at < others.length; at += page) {
    const some = others.slice(at, at + page)
    rows.push(
      ...(await open(db)
        .where('impersonation.impersonator_id', 'in', some)
        .where('impersonation.state', '=', 'open')
        .where('lineage.ended_at', 'is', null)
        .execute()),
    )
  }
  memory.seenAt = now.getTime()
  for (const id of others) memory.versions.delete(id)
  return examine(db, rows, revision, enabled, memory, now)
}
