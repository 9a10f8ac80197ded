/**
 * The sessions that people are signed in with, as they and operators see them. A session is listed until it is ended or
 * its time is over; one that is idle is, too, since what began in it lives on. One that the same person's later login in
 * its browser replaced is not, though it is ended with the others.
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { userNameKey } from '../directory/accounts.ts'
import { type Condition, matching } from '../directory/condition.ts'

export interface ListedSession {
  readonly id: string
  readonly accountId: string
  readonly userName: string
  readonly userAgent: string | null
  readonly address: string | null
  readonly authenticatedAt: Date
  readonly seenAt: Date
  /** Those that signed in during it, the first one first; one that was deleted is left out. */
  readonly applications: readonly { readonly id: string; readonly name: string }[]
}

/** A sub-select, not a join: a list of all sessions must not begin with all accounts of the organization. */
const ofAccount = (column: 'user_name' | 'organization_id') =>
  sql<string>`(select ${sql.ref(column)} from account where account.id = session.account_id)`

const living = (db: Db, organizationId: string, now: Date) =>
  db
    .selectFrom('session')
    .innerJoin('lineage', 'lineage.id', 'session.id')
    .select([
      'session.id',
      'session.account_id as accountId',
      ofAccount('user_name').as('userName'),
      'session.user_agent as userAgent',
      'session.address',
      'session.authenticated_at',
      'session.seen_at',
    ])
    .where(ofAccount('organization_id'), '=', organizationId)
    .where('lineage.ended_at', 'is', null)
    .where('session.ends_at', '>', now.toISOString())

type Row = Awaited<ReturnType<ReturnType<typeof living>['execute']>>[number]

/** One query for the applications of a page of sessions; `sessions` selects their ids. */
const withApplications = async (
  db: Db,
  rows: readonly Row[],
  only: { readonly accountId: string } | { readonly ids: readonly string[] },
): Promise<readonly ListedSession[]> => {
  if (rows.length === 0) return []
  const all = db
    .selectFrom('session_application')
    .innerJoin('application', 'application.id', 'session_application.application_id')
    .select(['session_application.session_id as sessionId', 'application.id', 'application.name'])
    .orderBy('session_application.since')
    .orderBy('application.id')
  const found =
    'ids' in only
      ? await all.where('session_application.session_id', 'in', only.ids).execute()
      : await all
          .innerJoin('session', 'session.id', 'session_application.session_id')
          .where('session.account_id', '=', only.accountId)
          .execute()
  const bySession = Map.groupBy(found, ({ sessionId }) => sessionId)
  return rows.map(({ authenticated_at, seen_at, ...row }) => ({
    ...row,
    authenticatedAt: new Date(authenticated_at),
    seenAt: new Date(seen_at),
    applications: (bySession.get(row.id) ?? []).map(({ id, name }) => ({ id, name })),
  }))
}

/** The sessions of an account of the organization, the latest login first. */
export const listSessionsOf = async (
  db: Db,
  organizationId: string,
  accountId: string,
  now: Date,
): Promise<readonly ListedSession[]> => {
  const rows = await living(db, organizationId, now)
    .where('session.account_id', '=', accountId)
    .orderBy('session.authenticated_at', 'desc')
    .orderBy('session.id', 'desc')
    .execute()
  return withApplications(db, rows, { accountId })
}

/** One session of an account of the organization. */
export const findListedSession = async (
  db: Db,
  organizationId: string,
  accountId: string,
  sessionId: string,
  now: Date,
): Promise<ListedSession | undefined> => {
  const rows = await living(db, organizationId, now)
    .where('session.id', '=', sessionId)
    .where('session.account_id', '=', accountId)
    .execute()
  return (await withApplications(db, rows, { ids: [sessionId] }))[0]
}

export const sessionTexts = ['loginId', 'sessionId', 'appName', 'userAgent', 'ipAddress'] as const
export const sessionTimes = ['loginTime', 'lastAccessTime'] as const

/** All of these hold; the values of times are milliseconds since the epoch. */
export type SessionFilter = readonly (
  | Condition<(typeof sessionTexts)[number]>
  | {
      readonly attribute: (typeof sessionTimes)[number]
      readonly operator: 'le' | 'ge'
      readonly value: Date
    }
)[]

/** Which part of the list: behind a login, later (`since`) or earlier (`until`) ones; of logins at once `id` tells. */
export interface SessionPage {
  readonly limit: number
  readonly from: { readonly side: 'since' | 'until'; readonly at: Date; readonly id?: string } | undefined
}

const columns = {
  loginId: ofAccount('user_name'),
  sessionId: sql.ref('session.id'),
  appName: sql.ref('application.name'),
  userAgent: sql`coalesce(session.user_agent, '')`,
  ipAddress: sql`coalesce(session.address, '')`,
} as const

const timeColumns = { loginTime: 'session.authenticated_at', lastAccessTime: 'session.seen_at' } as const

const conditionOf = (organizationId: string, condition: SessionFilter[number]): RawBuilder<SqlBool> => {
  if (typeof condition.value !== 'string') {
    const column = sql.ref(timeColumns[condition.attribute as (typeof sessionTimes)[number]])
    const at = condition.value.toISOString()
    return condition.operator === 'le' ? sql`${column} <= ${at}` : sql`${column} >= ${at}`
  }
  if (condition.attribute === 'loginId' && condition.operator === 'eq') {
    // by the account's index, since somebody has few of all sessions
    const key = userNameKey(condition.value)
    return sql`session.account_id in (select id from account where organization_id = ${organizationId} and user_name_key = ${key} and user_name = ${condition.value})`
  }
  const matched = matching([[condition as Condition<(typeof sessionTexts)[number]>]], columns)
  return condition.attribute === 'appName'
    ? sql`exists (select 1 from session_application inner join application on application.id = session_application.application_id where session_application.session_id = session.id and ${matched})`
    : matched
}

/** One page of the organization's sessions, the latest login first, and whether there are more on the side asked for. */
export const searchSessions = async (
  db: Db,
  organizationId: string,
  filter: SessionFilter,
  { limit, from }: SessionPage,
  now: Date,
): Promise<{ readonly sessions: readonly ListedSession[]; readonly hasMore: boolean }> => {
  const forward = from?.side === 'since'
  const direction = forward ? 'asc' : 'desc'
  let query = living(db, organizationId, now)
  for (const condition of filter) query = query.where(conditionOf(organizationId, condition))
  if (from) {
    const [at, column] = [from.at.toISOString(), 'session.authenticated_at'] as const
    const [beyond, reached] = forward ? (['>', '>='] as const) : (['<', '<='] as const)
    const { id } = from
    query =
      id === undefined
        ? query.where(column, beyond, at)
        : query
            .where(column, reached, at)
            .where((eb) => eb.or([eb(column, beyond, at), eb('session.id', beyond, id)]))
  }
  const found = await query
    .orderBy('session.authenticated_at', direction)
    .orderBy('session.id', direction)
    .limit(limit + 1)
    .execute()
  const rows = found.slice(0, limit)
  if (forward) rows.reverse()
  const sessions = await withApplications(db, rows, { ids: rows.map(({ id }) => id) })
  return { sessions, hasMore: found.length > limit }
}
