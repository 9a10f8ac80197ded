/**
 * Liveness. Every token, session and impersonation hangs on a lineage row; ending that row ends all of them, and a
 * browser session's row ends what began in it as well. This one question is asked by every place that accepts a token.
 */
import { sql } from 'kysely'
import { exactly, holds, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting, prepared } from '../database/prepared.ts'

/** `grant`: what one authorization gave, its code, access and refresh tokens. */
export type LineageKind = 'session' | 'impersonation' | 'client' | 'grant'

export interface Lineage {
  readonly id: string
  readonly kind: LineageKind
  /** The session's lineage that it began in; null for a session itself. */
  readonly sessionId: string | null
  readonly endsAt: Date
}

const insertLineage = inserting('lineage', ['id', 'kind', 'session_id', 'ends_at', 'ended_at', 'ended_by'])

/** The write that makes a lineage. */
export const beginLineage = (db: Db, { id, kind, sessionId, endsAt }: Lineage): Write =>
  write(
    insertLineage(db, {
      id,
      kind,
      session_id: sessionId,
      ends_at: endsAt.toISOString(),
      ended_at: null,
      ended_by: null,
    }),
  )

const selectAlive = prepared<{ id: string; now: string }, unknown>((db, parameter) =>
  db
    .selectFrom('lineage')
    .select('id')
    .where('id', '=', parameter('id'))
    .where('ended_at', 'is', null)
    .where('ends_at', '>', parameter('now')),
)
const selectNotEnded = prepared<{ id: string }, unknown>((db, parameter) =>
  db.selectFrom('lineage').select('id').where('id', '=', parameter('id')).where('ended_at', 'is', null),
)

/** The guards that the lineage, and the session it began in, are alive when the commit happens. */
export const lineageAlive = (db: Db, lineage: Pick<Lineage, 'id' | 'sessionId'>, now: Date): Write[] => {
  const own = holds(selectAlive(db, { id: lineage.id, now: now.toISOString() }))
  return lineage.sessionId === null ? [own] : [own, holds(selectNotEnded(db, { id: lineage.sessionId }))]
}

const ending = (db: Db, id: string, by: string, now: Date) =>
  db
    .updateTable('lineage')
    .set({ ended_at: now.toISOString(), ended_by: by })
    .where('id', '=', id)
    .where('ended_at', 'is', null)

/** Ends a living lineage, or the commit is lost: of many who do it at once one has done it. */
export const endLineageOnce = (db: Db, id: string, by: string, now: Date): Write =>
  exactly(1, ending(db, id, by, now))

/** Ends a lineage; with a session's, everything that began in it. Ending twice changes nothing. */
export const endLineage = (db: Db, id: string, by: string, now: Date): Write => write(ending(db, id, by, now))

/**
 * Ends every session of an account, every grant of its own that outlives its session, and every impersonation in which
 * it is subject or impersonator. It reads the account that its commit has changed before, so on Postgres it is a statement of its own, which sees what was signed in or
 * begun while that change waited for the account's row.
 */
export const endLineagesOf = (db: Db, accountId: string, by: string, now: Date): Write =>
  write(
    db
      .updateTable('lineage')
      .set({ ended_at: now.toISOString(), ended_by: by })
      .where('ended_at', 'is', null)
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('account')
          .innerJoin('session', 'session.account_id', 'account.id')
          .select('session.id')
          .where('account.id', '=', accountId)
          .union(
            eb.selectFrom('impersonation').select('lineage_id as id').where('subject_id', '=', accountId),
          )
          .union(
            eb
              .selectFrom('impersonation')
              .select('lineage_id as id')
              .where('impersonator_id', '=', accountId),
          )
          .union(
            eb
              .selectFrom('account')
              .innerJoin('token', 'token.subject_id', 'account.id')
              .select('token.lineage_id as id')
              .where('account.id', '=', accountId)
              // a literal, as the index has it
              .where('token.class', '=', sql.lit('refresh')),
          ),
      ),
  )
