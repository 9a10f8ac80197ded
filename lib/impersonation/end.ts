/** Ending impersonations by a call or from the shell: one, or all that somebody names (the kill switch). */
import { sql } from 'kysely'
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from '../directory/caller.ts'
import { change } from '../directory/change.ts'
import { type Ending, endColumns } from '../directory/ending.ts'
import { endLineageOnce } from '../tokens/lineage.ts'
import { endOf, settling, unsettled } from './settle.ts'

/**
 * Ends one, in one commit with its `impersonation-ended`; what was over already stays as it is. `subjectId` when only
 * those of that subject are the caller's to end. Throws `Lost` when somebody else ends it at the same time.
 */
export const endImpersonation = async (
  db: Db,
  caller: Caller,
  id: string,
  comment: string | undefined,
  now: Date,
  subjectId?: string,
): Promise<'ended' | 'over' | 'unknown'> => {
  const found = await db
    .selectFrom('impersonation')
    .select(['lineage_id', 'subject_id'])
    .where('id', '=', id)
    .where('organization_id', '=', caller.organizationId)
    .executeTakeFirst()
  if (!found || (subjectId !== undefined && found.subject_id !== subjectId)) return 'unknown'
  const row = await unsettled(db)
    .where('impersonation.id', '=', id)
    .where('lineage.settled_at', 'is', null)
    .executeTakeFirst()
  if (!row || endOf(row, now)) return 'over'
  const end = { at: now.toISOString(), by: caller.accountId, reason: 'ended', comment } as const
  await change(db, caller, now, {
    writes: [
      endLineageOnce(db, row.lineageId, end, now),
      ...(await settling(db, [{ row, end }], caller.trace, now)),
    ],
    // what was started has its own row among the writes
    events:
      row.startedAt === null
        ? [
            {
              event: 'impersonations-ended',
              target: id,
              data: { impersonations: 1, ...(comment === undefined ? {} : { comment }) },
              outcome: 'Success',
              subjectId: row.subjectId,
              applicationId: row.applicationId,
            },
          ]
        : [],
    administrative: false,
  })
  return 'ended'
}

/** Which ones: all of these hold; none of them means all. */
export interface Selection {
  readonly impersonator?: string | undefined
  readonly subject?: string | undefined
  readonly application?: string | undefined
}

const dimensions = ['impersonator', 'subject', 'application'] as const

/**
 * Ends all that live of the caller's organization and the selection, by one statement: what was alive when it began is
 * dead when it is done. Each one's row and its `impersonation-ended` follow within about a second. Answers how many
 * there were when it began.
 */
export const endImpersonations = async (
  db: Db,
  caller: Caller,
  selection: Selection,
  comment: string | undefined,
  now: Date,
): Promise<number> => {
  let chosen = db
    .selectFrom('impersonation')
    .select('lineage_id as id')
    .where('state', '=', 'open')
    .where('organization_id', '=', caller.organizationId)
    .$narrowType<{ id: string }>()
  for (const name of dimensions) {
    const value = selection[name]
    if (value !== undefined) chosen = chosen.where(`${name}_id`, '=', value)
  }
  const living = db
    .selectFrom('lineage')
    .select((eb) => eb.fn.countAll().as('n'))
    // literals, as the index has them
    .where('kind', '=', sql.lit('impersonation'))
    .where('settled_at', 'is', null)
    .where('ended_at', 'is', null)
    .where('ends_at', '>', now.toISOString())
    .where('id', 'in', chosen)
  const count = Number((await living.executeTakeFirstOrThrow()).n)
  if (count === 0) return 0
  const end: Ending = { by: caller.accountId, reason: 'ended', comment }
  await change(db, caller, now, {
    writes: [
      write(
        db
          .updateTable('lineage')
          .set(endColumns(end, now))
          .where('kind', '=', sql.lit('impersonation'))
          .where('settled_at', 'is', null)
          .where('ended_at', 'is', null)
          .where('id', 'in', chosen),
      ),
    ],
    events: [
      {
        event: 'impersonations-ended',
        target: 'impersonations',
        data: { ...selection, impersonations: count, ...(comment === undefined ? {} : { comment }) },
        outcome: 'Success',
        ...(selection.subject === undefined ? {} : { subjectId: selection.subject }),
        ...(selection.application === undefined ? {} : { applicationId: selection.application }),
      },
    ],
    administrative: false,
  })
  return count
}
