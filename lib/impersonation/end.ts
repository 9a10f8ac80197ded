/** Ending impersonations by a call or from the shell: one, or all that somebody names (the kill switch). */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
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
 * Whether the impersonation of a lineage is one of these. It is found by its lineage alone: a database that knows of no
 * more than a few rows yet would look through all of the organization's for each lineage.
 */
const chosenBy = (organizationId: string, selection: Selection): RawBuilder<SqlBool> => {
  const conditions = dimensions.flatMap((name) => {
    const value = selection[name]
    return value === undefined ? [] : [sql`${sql.ref(`impersonation.${name}_id`)} || '' = ${value}`]
  })
  const all = [sql`impersonation.organization_id || '' = ${organizationId}`, ...conditions]
  return sql`exists (select 1 from impersonation where impersonation.lineage_id = lineage.id and ${sql.join(all, sql` and `)})`
}

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
  const chosen = chosenBy(caller.organizationId, selection)
  const living = db
    .selectFrom('lineage')
    .select((eb) => eb.fn.countAll().as('n'))
    // literals, as the index has them
    .where('kind', '=', sql.lit('impersonation'))
    .where('settled_at', 'is', null)
    .where('ended_at', 'is', null)
    .where('ends_at', '>', now.toISOString())
    .where(chosen)
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
          .where(chosen),
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
