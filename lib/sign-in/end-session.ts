/**
 * Ending sign-ins: the sessions of a browser and everything begun in them, with a notice for each application that
 * signed in there and wants to be told (OpenID Connect Back-Channel Logout 1.0).
 */
import { exactly, readRevision, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Account } from '../directory/accounts.ts'
import { type Application, findClient } from '../directory/applications.ts'
import type { Ending } from '../directory/ending.ts'
import { endImpersonationsIn, endLineagesOf, endLineagesOnce } from '../tokens/lineage.ts'
import { subjectIdentifier } from '../tokens/subject-identifier.ts'
import { hashOf } from '../tokens/token.ts'
import { addNotice } from './logout-notices.ts'
import { type Replaced, replacedBy, replaceSessions } from './session.ts'

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

/** Of so many sessions a statement speaks: a database takes no more than some thousand parameters. */
const mostAtOnce = 500

const chunksOf = <Item>(items: readonly Item[]): readonly Item[][] =>
  Array.from({ length: Math.ceil(items.length / mostAtOnce) }, (_, index) =>
    items.slice(index * mostAtOnce, (index + 1) * mostAtOnce),
  )

/** The applications that signed in during the sessions, as of revision `n`; one that was deleted is left out. */
const applicationsOf = async (db: Db, n: number, sessions: readonly SignIn[]) => {
  const byId = new Map(sessions.map((session) => [session.id, session]))
  const rows = await db
    .selectFrom('session_application')
    .selectAll()
    .where('session_id', 'in', [...byId.keys()])
    .orderBy('since')
    .execute()
  const found = await Promise.all(
    rows.map(async ({ application_id, client_id, session_id }) => {
      const application = await findClient(db, n, client_id)
      const session = byId.get(session_id)
      // the client id of one that was deleted may be another's by now
      return application?.id === application_id && session ? [{ application, session }] : []
    }),
  )
  return { rows: rows.length, signedIn: found.flat() }
}

const notices = (db: Db, signedIn: readonly SignedIn[], now: Date): Promise<Write[]> =>
  Promise.all(
    signedIn.flatMap(({ application, session }) => {
      const url = application.oidc.logout.backChannelLogoutUrl
      if (url === undefined) return []
      return [
        (async () => {
          const subject = await subjectIdentifier(db, application, session.accountId)
          const notice = { client_id: application.clientId, url, subject, session_id: session.id }
          return addNotice(db, notice, now)
        })(),
      ]
    }),
  )

/**
 * The writes that tell the applications of ended sessions, and who they are, as of revision `n`. They go behind those
 * that end the lineages, whose rows an authorization that is under way holds. The commit is lost when another
 * application signs in meanwhile: look again, or it would never hear of the end.
 */
const tellApplications = async (db: Db, n: number, sessions: readonly SignIn[], now: Date) => {
  const told = await Promise.all(
    chunksOf(sessions).map(async (chunk) => {
      const { rows, signedIn } = await applicationsOf(db, n, chunk)
      const ids = chunk.map(({ id }) => id)
      const forgotten = exactly(rows, db.deleteFrom('session_application').where('session_id', 'in', ids))
      return { writes: [forgotten, ...(await notices(db, signedIn, now))], signedIn }
    }),
  )
  return {
    writes: told.flatMap(({ writes }) => writes),
    signedIn: told.flatMap(({ signedIn }) => signedIn),
  }
}

/**
 * The writes that end the sessions, and the applications that were signed in. Lost as well when somebody else has ended
 * one of them: of many logouts at once one has done it.
 */
export const endSessions = async (
  db: Db,
  n: number,
  sessions: readonly SignIn[],
  end: Ending,
  now: Date,
): Promise<{ readonly writes: readonly Write[]; readonly signedIn: readonly SignedIn[] }> => {
  const told = await tellApplications(db, n, sessions, now)
  const ended = chunksOf(sessions).flatMap((chunk) => {
    const ids = chunk.map(({ id }) => id)
    return [endLineagesOnce(db, ids, end, now), endImpersonationsIn(db, chunk, end, now)]
  })
  return { writes: [...ended, ...told.writes], signedIn: told.signedIn }
}

const living = (db: Db) =>
  db
    .selectFrom('session')
    .innerJoin('lineage', 'lineage.id', 'session.id')
    .select(['session.id', 'session.account_id as accountId'])
    .where('lineage.ended_at', 'is', null)

/**
 * What a login does to the sessions before it in its browser (`replaceSessions`), and the notices for the applications
 * of those that end with it: the sessions of other people.
 */
export const replaceAndTell = async (
  db: Db,
  n: number,
  replaced: Replaced,
  account: Pick<Account, 'id'>,
  now: Date,
): Promise<readonly Write[]> => {
  const others = await living(db)
    .where('session.account_id', '!=', account.id)
    .where('session.id', 'in', replacedBy(db, replaced))
    .execute()
  const { writes } = await tellApplications(db, n, others, now)
  return [...replaceSessions(db, replaced, account, now), ...writes]
}

/**
 * Ends all that hangs on an account (`endLineagesOf`), with the notices for the applications of its sessions. It goes
 * behind the write that changes or deletes the account, and needs no row that goes with it. The commit is lost when an
 * application signs in meanwhile.
 */
export const endAllOf = async (
  db: Db,
  accountId: string,
  end: Ending,
  now: Date,
): Promise<readonly Write[]> => {
  const sessions = await living(db).where('session.account_id', '=', accountId).execute()
  const { writes } = await tellApplications(db, await readRevision(db), sessions, now)
  return [endLineagesOf(db, accountId, end, now), ...writes]
}
