/**
 * Removes old audit rows so that the rest stays provable: only sealed ones up to a checkpoint, which stays as what the
 * first kept row follows. That it was done is a row of the trail itself.
 */
import { type SqlBool, sql } from 'kysely'
import { record, type Trace } from '../audit.ts'
import { commit, exactly, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { keptForFollowers } from './lagging.ts'
import { headBefore, type Part, wholePart } from './trail.ts'

/** Rows of one commit. */
const batch = 500

/** The position of the first or the last checkpoint of a part. */
const checkpointIn = async (
  db: Db,
  first: number,
  last: number,
  direction: 'asc' | 'desc',
): Promise<number | undefined> => {
  const row = await db
    .selectFrom('audit_checkpoint')
    .select('position')
    .where('position', '>=', first)
    .where('position', '<=', last)
    .orderBy('position', direction)
    .limit(1)
    .executeTakeFirst()
  return row?.position
}

/**
 * The first row of a part that happened then or later; undefined when none did. Nothing before it is younger, as far as
 * the order of sealing is that of time.
 */
const firstSince = async (db: Db, { first, last }: Part, instant: Date): Promise<number | undefined> => {
  const row = await db
    .selectFrom('audit')
    .select('position')
    .where('position', '>=', first)
    .where('position', '<=', last)
    // an expression, since the index by time would be walked through all that stays
    .where(sql<SqlBool>`at || '' >= ${instant.toISOString()}`)
    .orderBy('position')
    .limit(1)
    .executeTakeFirst()
  return row?.position ?? undefined
}

/**
 * Removes what happened before an instant, at most one batch; answers how many rows went. `keptFrom` is a position that
 * stays with all behind it, since somebody has not read it yet, but for what happened `keptForFollowers` before that.
 */
export const removeBefore = async (
  db: Db,
  before: Date,
  keptFrom: number | undefined,
  trace: Trace,
  now: Date,
): Promise<number> => {
  const whole = await wholePart(db)
  if (!whole) return 0
  if (!(await headBefore(db, whole.first))) return 0
  // one part at a time, however many rows there are: a part ends at a checkpoint, or what is left could not be proven
  const part =
    (await checkpointIn(db, whole.first, whole.first + batch - 1, 'desc')) ??
    (await checkpointIn(db, whole.first, whole.last, 'asc'))
  if (part === undefined) return 0
  const whence = { first: whole.first, last: part }
  const young = await firstSince(db, whence, before)
  const held = new Date(before.getTime() - keptForFollowers)
  const untaken =
    keptFrom === undefined ? undefined : Math.max(keptFrom, (await firstSince(db, whence, held)) ?? part + 1)
  // the last row stays in any case, and says where the chain is
  const end = Math.min(young ?? whole.last, untaken ?? whole.last, whole.last)
  const stop = end > part ? part : await checkpointIn(db, whole.first, end - 1, 'desc')
  if (stop === undefined) return 0
  const gone = db.deleteFrom('audit').where('position', '<=', stop).where('line_at', 'is not', null)
  const outcome = await commit(db, [
    // all of them, or none: one that has no line in the log yet is still needed
    exactly(stop - whole.first + 1, gone),
    // of the checkpoints that proved them the last one stays: what is kept begins behind it
    write(db.deleteFrom('audit_checkpoint').where('position', '<', stop)),
    record(db, now, trace, {
      event: 'audit-rows-removed',
      initiator: 'system',
      target: 'audit',
      data: { from: whole.first, to: stop, before: before.toISOString() },
      outcome: 'Success',
    }),
  ])
  return outcome === 'committed' ? stop - whole.first + 1 : 0
}
