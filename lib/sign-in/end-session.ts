/**
 * Ending sign-ins: the sessions of a browser and everything begun in them, with a notice for each application that
 * signed in there and wants to be told (OpenID Connect Back-Channel Logout 1.0).
 */
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { endLineage } from '../tokens/lineage.ts'
import { subjectIdentifier } from '../tokens/subject-identifier.ts'
import { hashOf } from '../tokens/token.ts'
import { addNotice } from './logout-notices.ts'

export interface SignIn {
  /** The session's id, which is the `sid` of its tokens. */
  readonly id: string
  readonly accountId: string
}

/** An application that signed in during a session. */
export interface SignedIn {
  readonly application: Application
  readonly session: SignIn
}

/**
 * What a cookie's browser is signed in to: the session of the cookie, and those that the same person's later logins in
 * this browser replaced, in which things may go on. A session that is idle or past its time counts: its tokens live.
 * Empty when the cookie is nobody's or somebody ended its session.
 */
export const findSignIns = async (
  db: Db,
  cookie: string,
): Promise<{ readonly current: SignIn; readonly all: readonly SignIn[] } | undefined> => {
  const rows = await db
    .selectFrom('session as own')
    .innerJoin('session', (join) =>
      join
        .onRef('session.browser_hash', '=', 'own.browser_hash')
        .onRef('session.account_id', '=', 'own.account_id'),
    )
    .innerJoin('lineage', 'lineage.id', 'session.id')
    .select(['session.id', 'session.account_id as accountId', 'own.id as ownId'])
    .where('own.hash', '=', hashOf(cookie))
    .where('lineage.ended_at', 'is', null)
    .orderBy('session.id')
    .execute()
  const all = rows.map(({ id, accountId }) => ({ id, accountId }))
  const current = all.find(({ id }) => id === rows[0]?.ownId)
  return current && { current, all }
}

/** The applications that signed in during the sessions, as of revision `n`; one that was deleted is left out. */
const applicationsOf = async (db: Db, n: number, sessions: readonly SignIn[]) => {
  const ids = sessions.map(({ id }) => id)
  if (ids.length === 0) return { rows: 0, signedIn: [] }
  const rows = await db
    .selectFrom('session_application')
    .selectAll()
    .where('session_id', 'in', ids)
    .orderBy('since')
    .execute()
  const found = await Promise.all(
    rows.map(async ({ client_id, session_id }) => {
      const application = await findClient(db, n, client_id)
      const session = sessions.find(({ id }) => id === session_id)
      return application && session ? [{ application, session }] : []
    }),
  )
  return { rows: rows.length, signedIn: found.flat() }
}

const notices = (db: Db, n: number, signedIn: readonly SignedIn[], now: Date): Promise<Write[]> =>
  Promise.all(
    signedIn.flatMap(({ application, session }) => {
      const url = application.oidc.logout.backChannelLogoutUrl
      if (url === undefined) return []
      return [
        (async () => {
          const subject = await subjectIdentifier(db, n, application, session.accountId)
          const notice = { client_id: application.clientId, url, subject, session_id: session.id }
          return addNotice(db, notice, now)
        })(),
      ]
    }),
  )

/**
 * The writes that end the sessions, and the applications that were signed in, as of revision `n`. The commit is lost
 * when another application signs in meanwhile: look again, or it would never hear of the logout.
 */
export const endSessions = async (
  db: Db,
  n: number,
  sessions: readonly SignIn[],
  by: string,
  now: Date,
): Promise<{ readonly writes: readonly Write[]; readonly signedIn: readonly SignedIn[] }> => {
  const { rows, signedIn } = await applicationsOf(db, n, sessions)
  const ids = sessions.map(({ id }) => id)
  const writes = [
    ...sessions.map(({ id }) => endLineage(db, id, by, now)),
    // behind the lineages, whose rows an authorization that is under way holds
    ...(ids.length > 0
      ? [exactly(rows, db.deleteFrom('session_application').where('session_id', 'in', ids))]
      : []),
    ...(await notices(db, n, signedIn, now)),
  ]
  return { writes, signedIn }
}
