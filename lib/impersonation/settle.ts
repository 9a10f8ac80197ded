/**
 * The record of an impersonation that is over: its row says when, by whom and why it ended, and the audit trail has
 * exactly one `impersonation-ended` for each that was started. What has ended is dead from the commit that ended its
 * lineage; this writes it down, in the commit of a single end, else by the sweeper about a second later.
 */
import { sql } from 'kysely'
import { type Place, rowsOf } from '../audit/of-impersonations.ts'
import { record, type Trace } from '../audit.ts'
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Ending, EndReason } from '../directory/ending.ts'

/** The events of requests that were made with an impersonated token (facts/impersonation.md §8). */
export const useEvents = [
  'resource-modification-via-impersonation',
  'resource-creation-via-impersonation',
  'resource-deletion-via-impersonation',
  'resource-access-via-impersonation',
] as const

/** An impersonation whose end is not recorded, with what its lineage says. */
export interface Unsettled {
  readonly id: string
  readonly lineageId: string
  readonly applicationId: string
  readonly clientId: string
  readonly organizationId: string
  readonly impersonatorId: string
  readonly subjectId: string
  readonly startedAt: string | null
  readonly endsAt: string
  readonly endedAt: string | null
  readonly endedBy: string | null
  readonly endReason: string | null
  readonly endComment: string | null
  /** Of the session that it began in. */
  readonly sessionEndedAt: string | null
  readonly sessionEndedBy: string | null
}

/** Those that are not recorded as over, with their lineage and its session: the tables are `lineage` and `impersonation`. */
export const unsettled = (db: Db) =>
  db
    .selectFrom('lineage')
    .innerJoin('impersonation', 'impersonation.lineage_id', 'lineage.id')
    .leftJoin('lineage as session', 'session.id', 'lineage.session_id')
    .select([
      'impersonation.id',
      'lineage.id as lineageId',
      'impersonation.application_id as applicationId',
      'impersonation.client_id as clientId',
      'impersonation.organization_id as organizationId',
      'impersonation.impersonator_id as impersonatorId',
      'impersonation.subject_id as subjectId',
      'impersonation.started_at as startedAt',
      'lineage.ends_at as endsAt',
      'lineage.ended_at as endedAt',
      'lineage.ended_by as endedBy',
      'lineage.end_reason as endReason',
      'lineage.end_comment as endComment',
      'session.ended_at as sessionEndedAt',
      'session.ended_by as sessionEndedBy',
    ])

export interface End extends Ending {
  readonly at: string
}

/** How an impersonation ended; undefined while it lives. */
export const endOf = (row: Unsettled, now: Date): End | undefined => {
  if (row.endedAt !== null) {
    return {
      at: row.endedAt,
      by: row.endedBy ?? 'system',
      // only an `Ending` is written there; a script that ends rows by itself may leave it out
      reason: (row.endReason ?? 'ended') as EndReason,
      comment: row.endComment ?? undefined,
    }
  }
  if (row.sessionEndedAt !== null) {
    return { at: row.sessionEndedAt, by: row.sessionEndedBy ?? 'system', reason: 'session-ended' }
  }
  return row.endsAt <= now.toISOString() ? { at: row.endsAt, by: 'system', reason: 'expired' } : undefined
}

const initiatorOf = ({ by, reason }: End) => (reason === 'expired' ? 'system' : by)

/** How many requests were made in each, by their audit rows. */
const requestsOf = async (db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, number>> => {
  if (ids.length === 0) return new Map()
  const counted = (place: Place) =>
    rowsOf(db, ids, place)
      .select('impersonation_id as id')
      .select((eb) => eb.fn.countAll().as('n'))
      .where('event', 'in', useEvents)
      .groupBy('impersonation_id')
  // one statement, so that what is sealed meanwhile is counted once
  const rows = await counted('unsealed').unionAll(counted('sealed')).execute()
  const counts = new Map<string, number>()
  for (const { id, n } of rows) counts.set(id ?? '', (counts.get(id ?? '') ?? 0) + Number(n))
  return counts
}

/**
 * The writes that record these ends; lost when somebody else has recorded one of them. They go behind the write that
 * ends the lineage, where that is in the same commit.
 */
export const settling = async (
  db: Db,
  ended: readonly { readonly row: Unsettled; readonly end: End }[],
  trace: Trace,
  now: Date,
): Promise<readonly Write[]> => {
  const requests = await requestsOf(
    db,
    ended.flatMap(({ row }) => (row.startedAt === null ? [] : [row.id])),
  )
  // in the order in which uses are written down, so that neither waits for the other
  const inOrder = ended.toSorted((one, other) => (one.row.id < other.row.id ? -1 : 1))
  return inOrder.flatMap(({ row, end }) => [
    exactly(
      1,
      db
        .updateTable('lineage')
        // one that expired is ended as well: a clock that is set back does not bring it to life
        .set({
          settled_at: now.toISOString(),
          ended_at: sql`coalesce(ended_at, ${end.at})`,
          ended_by: sql`coalesce(ended_by, ${end.by})`,
          end_reason: sql`coalesce(end_reason, ${end.reason})`,
        })
        .where('id', '=', row.lineageId)
        .where('settled_at', 'is', null),
    ),
    exactly(
      1,
      db
        .updateTable('impersonation')
        .set({
          state: end.reason === 'expired' ? 'expired' : 'ended',
          ended_at: end.at,
          ended_by: end.by,
          end_reason: end.reason,
          end_comment: end.comment ?? null,
        })
        .where('id', '=', row.id)
        // started since it was read, it is owed its audit row
        .where('started_at', row.startedAt === null ? 'is' : '=', row.startedAt),
    ),
    // what was authorized and never used had nothing to end
    ...(row.startedAt === null
      ? []
      : [
          record(db, now, trace, {
            event: 'impersonation-ended',
            initiator: initiatorOf(end),
            target: row.subjectId,
            data: {
              clientId: row.clientId,
              subject: row.subjectId,
              impersonator: row.impersonatorId,
              impersonation: row.id,
              reason: end.reason,
              ...(end.comment === undefined ? {} : { comment: end.comment }),
              startedAt: row.startedAt,
              endedAt: end.at,
              requests: requests.get(row.id) ?? 0,
            },
            outcome: 'Success',
            actorId: row.impersonatorId,
            subjectId: row.subjectId,
            applicationId: row.applicationId,
            organizationId: row.organizationId,
            impersonationId: row.id,
          }),
        ]),
  ])
}
