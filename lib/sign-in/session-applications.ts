/** Which applications a browser session signed in to: they hear of its logout. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'
import type { Application } from '../directory/applications.ts'

const most = 20_000

/** Pairs that were read from the database, so that an application is looked for once in a session. */
const known = new WeakMap<Db, Set<string>>()

const knownOf = (db: Db): Set<string> => {
  let pairs = known.get(db)
  if (!pairs || pairs.size >= most) {
    pairs = new Set()
    known.set(db, pairs)
  }
  return pairs
}

const selectOne = prepared<{ session: string; application: string }, unknown>((db, parameter) =>
  db
    .selectFrom('session_application')
    .select('since')
    .where('session_id', '=', parameter('session'))
    .where('application_id', '=', parameter('application')),
)

/**
 * The write, for the commit of a successful authorization, that remembers the application; none where the session
 * knows it. Only what was read counts as known: a commit that carried this write may have been lost.
 */
export const rememberApplication = async (
  db: Db,
  sessionId: string,
  client: Pick<Application, 'id' | 'clientId'>,
  now: Date,
): Promise<readonly Write[]> => {
  const pairs = knownOf(db)
  const pair = `${sessionId} ${client.id}`
  if (pairs.has(pair)) return []
  const rows = await rowsOf(db, selectOne(db, { session: sessionId, application: client.id }))
  if (rows.length > 0) {
    pairs.add(pair)
    return []
  }
  const row = {
    session_id: sessionId,
    application_id: client.id,
    client_id: client.clientId,
    since: now.toISOString(),
  }
  // two authorizations of one application at once are no conflict
  return [
    write(
      db
        .insertInto('session_application')
        .values(row)
        .onConflict((conflict) => conflict.doNothing()),
    ),
  ]
}
