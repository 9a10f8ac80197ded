/** The one way a management call writes: with its guards, its audit rows and, where it applies, its revision. */
import { type AuditEntry, recordAll } from '../audit.ts'
import { bump, commit, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'

/** What was decided on is no longer so: decide again (`access/guard.ts` does, a few times). */
export class Lost extends Error {
  override readonly name = 'Lost'
}

export interface Change {
  /** The caller's own account, when `writes` change it: its row is taken before the caller's guards share it. */
  readonly claims?: Write | undefined
  readonly writes: readonly Write[]
  readonly events: readonly Omit<AuditEntry, 'initiator' | 'actorId' | 'impersonationId' | 'organizationId'>[]
  /** Whether an administrative fact changes (application, API resource, permission of a role, setting). */
  readonly administrative: boolean
}

/**
 * Commits a change in the name of `caller`. Answers `committed`, or `conflict` when a unique or foreign key refused
 * it. Throws `Lost` when the caller's rights, token or the decided facts changed meanwhile; then nothing was written.
 */
export const change = async (
  db: Db,
  caller: Caller,
  now: Date,
  asked: Change,
): Promise<'committed' | 'conflict'> => {
  const { acting } = caller
  // made first, so that its line stands before those of what it did, as in the seed's sample
  const use = acting && !acting.use.taken ? [acting.use.row('AUTHORIZED')] : []
  const rows = recordAll(
    db,
    now,
    caller.trace,
    asked.events.map((event) => ({
      initiator: caller.accountId,
      organizationId: caller.organizationId,
      actorId: acting?.impersonatorId,
      impersonationId: acting?.impersonationId,
      ...event,
    })),
  )
  const outcome = await commit(db, [
    ...(asked.claims ? [asked.claims] : []),
    ...caller.guards,
    ...asked.writes,
    ...use,
    ...rows,
    ...(asked.administrative ? [bump] : []),
  ])
  if (outcome === 'lost') throw new Lost('what this request was decided on has changed')
  if (outcome === 'committed' && acting) acting.use.taken = true
  return outcome
}
