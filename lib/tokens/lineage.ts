/**
 * Liveness. Every token, session and impersonation hangs on a lineage row; ending that row ends all of them, and a
 * browser session's row ends what began in it as well. This one question is asked by every place that accepts a token.
 */
import { sql } from 'kysely'
import { exactly, holds, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting, prepared } from '../database/prepared.ts'
import { type Ending, endColumns } from '../directory/ending.ts'
import { livingLineages, openImpersonations } from '../directory/living-lineages.ts'

/** `grant`: what one authorization gave, its code, access and refresh tokens. */
export type LineageKind = 'session' | 'impersonation' | 'client' | 'grant'

export interface Lineage {
  readonly id: string
  readonly kind: LineageKind
  /** The session's lineage that it began in; null for a session itself. */
  readonly sessionId: string | null
  /** Whose it is: who signed in, gave the grant, impersonates; none for a client's own. */
  readonly accountId?: string
  /** The application that it was given to; none for a session. */
  readonly applicationId?: string
  readonly endsAt: Date
}

const insertLineage = inserting('lineage', [
  'id',
  'kind',
  'session_id',
  'account_id',
  'application_id',
  'ends_at',
  'ended_at',
  'ended_by',
])

/** The write that makes a lineage. */
export const beginLineage = (db: Db, lineage: Lineage): Write =>
  write(
    insertLineage(db, {
      id: lineage.id,
      kind: lineage.kind,
      session_id: lineage.sessionId,
      account_id: lineage.accountId ?? null,
      application_id: lineage.applicationId ?? null,
      ends_at: lineage.endsAt.toISOString(),
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

/**
 * The guards that the lineage, and the session it began in, are alive when the commit happens. The session is the first,
 * as where it is ended: a logout ends it and then what began in it, or each would wait for the other.
 */
export const lineageAlive = (db: Db, lineage: Pick<Lineage, 'id' | 'sessionId'>, now: Date): Write[] => {
  const own = holds(selectAlive(db, { id: lineage.id, now: now.toISOString() }))
  return lineage.sessionId === null ? [own] : [holds(selectNotEnded(db, { id: lineage.sessionId })), own]
}

const endingNow = (db: Db, end: Ending, now: Date) =>
  db.updateTable('lineage').set(endColumns(end, now)).where('ended_at', 'is', null)

const ending = (db: Db, id: string, end: Ending, now: Date) => endingNow(db, end, now).where('id', '=', id)

/** Ends a living lineage, or the commit is lost: of many who do it at once one has done it. */
export const endLineageOnce = (db: Db, id: string, end: Ending, now: Date): Write =>
  exactly(1, ending(db, id, end, now))

/** Ends living lineages, all of them, or the commit is lost. */
export const endLineagesOnce = (db: Db, ids: readonly string[], end: Ending, now: Date): Write =>
  exactly(ids.length, endingNow(db, end, now).where('id', 'in', ids))

/**
 * Ends the impersonations that began in these sessions. They are dead with the session anyway; this says so in their own
 * rows. It goes behind the write that ends the sessions.
 */
export const endImpersonationsIn = (
  db: Db,
  sessions: readonly { readonly id: string; readonly accountId: string }[],
  end: Ending,
  now: Date,
): Write => {
  const impersonators = [...new Set(sessions.map(({ accountId }) => accountId))]
  const theirs = openImpersonations(db).where('impersonation.impersonator_id', 'in', impersonators)
  const ids = sessions.map(({ id }) => id)
  return write(endingNow(db, end, now).where('id', 'in', theirs).where('session_id', 'in', ids))
}

/**
 * Ends every impersonation of that subject. It goes behind the write that changes the account, and reads it, as
 * `endLineagesOf` does.
 */
export const endImpersonationsFor = (db: Db, subjectId: string, end: Ending, now: Date): Write =>
  write(
    endingNow(db, end, now).where(
      'id',
      'in',
      openImpersonations(db)
        .innerJoin('account', 'account.id', 'impersonation.subject_id')
        .where('impersonation.subject_id', '=', subjectId),
    ),
  )

/** Ends a lineage; with a session's, everything that began in it. Ending twice changes nothing. */
export const endLineage = (db: Db, id: string, end: Ending, now: Date): Write =>
  write(ending(db, id, end, now))

/**
 * Ends every session of an account, every grant of its own, with what outlives its session or waits for its device or
 * its code, and every impersonation in which it is subject or impersonator. It goes behind the write that changes or
 * deletes the account. It reads the account, so on Postgres it is a statement of its own, which sees what was signed in
 * or begun while that write waited for the account's row; and it needs no row that goes with the account.
 */
export const endLineagesOf = (db: Db, accountId: string, end: Ending, now: Date): Write =>
  write(
    endingNow(db, end, now).where(
      'id',
      'in',
      livingLineages(db, { accountId }).union(
        openImpersonations(db)
          .leftJoin('account', 'account.id', 'impersonation.subject_id')
          .where('impersonation.subject_id', '=', accountId),
      ),
    ),
  )

/**
 * Ends all that an account let an application have; and alone, since it hangs on the grants of others, what the
 * application got for it by exchange.
 */
export const endAuthorizations = (
  db: Db,
  { accountId, applicationId }: { readonly accountId: string; readonly applicationId: string },
  end: Ending,
  now: Date,
): readonly Write[] => [
  write(endingNow(db, end, now).where('id', 'in', livingLineages(db, { accountId, applicationId }))),
  write(
    db
      .updateTable('token')
      .set({ expires_at: now.toISOString() })
      .where('application_id', '=', applicationId)
      .where('subject_id', '=', accountId)
      // a literal, as the index has it
      .where('class', '=', sql.lit('access'))
      .where('follows', 'is not', null)
      .where('expires_at', '>', now.toISOString()),
  ),
]
