/**
 * What a restored database must not begin twice. A subject token that was spent after the backup is unspent in it, and
 * a browser session that was signed out is alive: both end here, with codes, pushed requests and device codes. What had
 * been started goes on, in the sessions that it was started in, so every token that was answered before the backup stays
 * known.
 */
import { record } from '../audit.ts'
import { close, commit, write } from '../database/commit.ts'
import { connect, type Db } from '../database/connect.ts'
import { endColumns } from '../directory/ending.ts'

const initiator = 'restore'

/** What is spent once, and was spent since, for all that the backup knows. */
const singleUse = ['interaction', 'authorization_code', 'pushed_request', 'device_authorization'] as const

/** Counts of what was ended. */
export interface Ended {
  readonly impersonations: number
  readonly sessions: number
}

const unfinished = async (db: Db, at: string) => {
  const impersonations = await db
    .selectFrom('lineage')
    .innerJoin('impersonation', 'impersonation.lineage_id', 'lineage.id')
    .select('lineage.id')
    .where('started_at', 'is', null)
    .where('lineage.ended_at', 'is', null)
    .where('ends_at', '>', at)
    .execute()
  const sessions = await db.selectFrom('session').select('id').where('ends_at', '>', at).execute()
  return { impersonations: impersonations.length, sessions: sessions.length }
}

/** Ends it in one commit with its audit row; answers how much it was. */
export const endUnfinished = async (db: Db, backup: string, now: Date): Promise<Ended> => {
  const at = now.toISOString()
  const ended = await unfinished(db, at)
  const notStarted = db.selectFrom('impersonation').select('lineage_id').where('started_at', 'is', null)
  const outcome = await commit(db, [
    write(
      db
        .updateTable('lineage')
        .set(endColumns({ by: initiator, reason: 'restored' }, now))
        .where('ended_at', 'is', null)
        .where('ends_at', '>', at)
        .where('id', 'in', notStarted),
    ),
    // the cookie is worth nothing any more; the lineage stays, for what was started in the session
    write(db.updateTable('session').set({ ends_at: at }).where('ends_at', '>', at)),
    ...singleUse.map((table) =>
      write(db.updateTable(table).set({ spent_at: at }).where('spent_at', 'is', null)),
    ),
    // the server that starts next takes its line over
    record(
      db,
      now,
      { id: crypto.randomUUID(), address: 'shell' },
      {
        event: 'database-restored',
        initiator,
        target: backup,
        data: { ended },
        outcome: 'Success',
      },
    ),
  ])
  if (outcome !== 'committed') throw new Error(`what was unfinished could not be ended: ${outcome}`)
  return ended
}

/** The same in a SQLite file that nobody else has open. */
export const endUnfinishedIn = async (path: string, backup: string, now: Date): Promise<Ended> => {
  const db = await connect({ type: 'sqlite', path })
  try {
    return await endUnfinished(db, backup, now)
  } finally {
    await close(db)
  }
}
