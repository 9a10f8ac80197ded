/** Ending sessions by their owner or by an operator: as a logout does, with one audit row. */
import type { Db } from '../database/connect.ts'
import type { Caller } from '../directory/caller.ts'
import { change } from '../directory/change.ts'
import { endSessions, type SignIn } from './end-session.ts'

const livingOf = (db: Db, organizationId: string, accountId: string) =>
  db
    .selectFrom('session')
    .innerJoin('lineage', 'lineage.id', 'session.id')
    .innerJoin('account', 'account.id', 'session.account_id')
    .select(['session.id', 'session.account_id as accountId'])
    .where('session.account_id', '=', accountId)
    .where('account.organization_id', '=', organizationId)
    .where('lineage.ended_at', 'is', null)

const end = async (db: Db, caller: Caller, accountId: string, sessions: readonly SignIn[], now: Date) => {
  const { writes } = await endSessions(
    db,
    caller.revision,
    sessions,
    { by: caller.accountId, reason: 'session-ended' },
    now,
  )
  const [only] = sessions.length === 1 ? sessions : []
  await change(db, caller, now, {
    writes,
    events: [
      {
        event: 'sessions-ended',
        target: accountId,
        data: only ? { session: only.id } : { sessions: sessions.length },
        outcome: 'Success',
        subjectId: accountId,
      },
    ],
    administrative: false,
  })
}

/**
 * Ends one session of the account with all that began in it; `unknown` when it is none of his or has ended. Throws
 * `Lost` when an application signs in meanwhile, or somebody else ends it.
 */
export const endSessionOf = async (
  db: Db,
  caller: Caller,
  accountId: string,
  sessionId: string,
  now: Date,
): Promise<'ended' | 'unknown'> => {
  const sessions = await livingOf(db, caller.organizationId, accountId)
    .where('session.id', '=', sessionId)
    .execute()
  if (sessions.length === 0) return 'unknown'
  await end(db, caller, accountId, sessions, now)
  return 'ended'
}

/** Ends all of them, those that later logins replaced and those that are over but for what lives in them, too. */
export const endSessionsOf = async (db: Db, caller: Caller, accountId: string, now: Date): Promise<void> => {
  const sessions = await livingOf(db, caller.organizationId, accountId).execute()
  if (sessions.length > 0) await end(db, caller, accountId, sessions, now)
}
