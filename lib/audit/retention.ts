/**
 * Removes old audit rows so that the rest stays provable: only sealed ones up to a checkpoint, which stays as what the
 * first kept row follows. That it was done is a row of the trail itself.
 */
import { record, type Trace } from '../audit.ts'
import { commit, exactly, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { headBefore, wholePart } from './trail.ts'

/** Rows of one commit. */
const batch = 500

/**
 * Removes what happened before an instant, at most one batch; answers how many rows went. `keptFrom` is a position that
 * has to stay with all behind it, since somebody has not read it yet.
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
  // the first row that stays: nothing at or behind it is older, as far as the order of sealing is that of time
  const first = await db
    .selectFrom('audit')
    .select('position')
    .where('position', 'is not', null)
    .where('at', '>=', before.toISOString())
    .orderBy('position')
    .limit(1)
    .executeTakeFirst()
  const end = Math.min(first?.position ?? whole.last + 1, keptFrom ?? whole.last + 1)
  const boundary = await db
    .selectFrom('audit_checkpoint')
    .select('position')
    .where('position', '<', end)
    .where('position', '>=', whole.first)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!boundary || !(await headBefore(db, whole.first))) return 0
  const last = Math.min(boundary.position, whole.first + batch - 1)
  // a part of a batch ends at a checkpoint as well, or what is left could not be proven
  const stop =
    last === boundary.position
      ? last
      : ((
          await db
            .selectFrom('audit_checkpoint')
            .select('position')
            .where('position', '<=', last)
            .where('position', '>=', whole.first)
            .orderBy('position', 'desc')
            .limit(1)
            .executeTakeFirst()
        )?.position ?? boundary.position)
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
