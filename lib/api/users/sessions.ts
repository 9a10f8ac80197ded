/** Sessions of a user, of the caller himself and of everybody (facts/rest-apis.md §8.1), at /api/users/v1. */
import { type Context, Hono } from 'hono'
import type { Caller } from '../../directory/caller.ts'
import { loginScope } from '../../directory/permissions.ts'
import {
  findListedSession,
  type ListedSession,
  listSessionsOf,
  searchSessions,
} from '../../sign-in/session-list.ts'
import { endSessionOf, endSessionsOf } from '../../sign-in/terminate-sessions.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import { tenantPath } from '../tenant.ts'
import * as operations from './session-operations.ts'
import { readSearch } from './session-search.ts'

const milliseconds = (instant: Date) => String(instant.getTime())

const renderSession = (session: ListedSession) => ({
  id: session.id,
  userId: session.accountId,
  applications: session.applications.map(({ id, name }) => ({
    id,
    subject: session.userName,
    appName: name,
    appId: id,
  })),
  userAgent: session.userAgent ?? '',
  ip: session.address ?? '',
  loginTime: milliseconds(session.authenticatedAt),
  lastAccessTime: milliseconds(session.seenAt),
})

const notImplemented = (code: string, message: string, description: string) =>
  new Problem({ status: 501, code: `USM-${code}`, message, description })

/** A user's own list has neither pages nor filter nor order. */
const requireWhole = (c: Context): void => {
  const query = new URL(c.req.url).searchParams
  if (query.has('limit') || query.has('offset')) {
    throw notImplemented(
      '10003',
      'Pagination not supported.',
      'Pagination capabilities are not supported in this version of the API.',
    )
  }
  if (query.has('filter')) {
    throw notImplemented(
      '10004',
      'Filtering not supported.',
      'Filtering capability is not supported in this version of the API.',
    )
  }
  if (query.has('sort')) {
    throw notImplemented(
      '10005',
      'Sorting not supported.',
      'Sorting capability is not supported in this version of the API.',
    )
  }
}

/** What is not his, unknown and ended are one answer. */
const forbidden = () =>
  new Problem({
    status: 403,
    code: 'USM-10010',
    message: 'Action forbidden',
    description: 'User is not authorized to terminate this session.',
  })

export const sessions = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)

  const list = async (caller: Caller, c: Context, accountId: string) => {
    requireWhole(c)
    const found = await listSessionsOf(db, caller.organizationId, accountId, new Date())
    return c.json(found.length === 0 ? {} : { userId: accountId, sessions: found.map(renderSession) })
  }
  const endAll = async (caller: Caller, c: Context, accountId: string) => {
    await endSessionsOf(db, caller, accountId, new Date())
    return c.body(null, 204)
  }
  const endOne = async (caller: Caller, c: Context, accountId: string) => {
    const result = await endSessionOf(db, caller, accountId, parameter(c, 'sessionId'), new Date())
    if (result === 'unknown') throw forbidden()
    return c.body(null, 204)
  }

  const search = async (caller: Caller, c: Context) => {
    const { filter, text, page } = readSearch(new URL(c.req.url).searchParams)
    const found = await searchSessions(db, caller.organizationId, filter, page, new Date())
    const [first, last] = [found.sessions.at(0), found.sessions.at(-1)]
    if (!first || !last) return c.json({})
    const link = (side: 'since' | 'until', session: ListedSession) =>
      `${tenantPath}/api/users/v1/sessions?${new URLSearchParams({
        limit: String(page.limit),
        ...(text === '' ? {} : { filter: text }),
        [side]: milliseconds(session.authenticatedAt),
        // several may have signed in within the millisecond
        sessionId: session.id,
      })}`
    const isLater = page.from?.side === 'since'
    const hasPrevious = isLater ? found.hasMore : page.from !== undefined
    const hasNext = isLater || found.hasMore
    return c.json({
      ...(hasPrevious ? { previous: link('since', first) } : {}),
      ...(hasNext ? { next: link('until', last) } : {}),
      Resources: found.sessions.map(renderSession),
    })
  }

  return new Hono()
    .get(
      '/me/sessions',
      guarded(loginScope, (caller, c) => list(caller, c, caller.accountId), operations.listOwn),
    )
    .delete(
      '/me/sessions',
      guarded(loginScope, (caller, c) => endAll(caller, c, caller.accountId), operations.endOwn),
    )
    .delete(
      '/me/sessions/:sessionId',
      guarded(loginScope, (caller, c) => endOne(caller, c, caller.accountId), operations.endOneOwn),
    )
    .get('/sessions', guarded('internal_session_view', search, operations.search))
    .get(
      '/:userId/sessions',
      guarded(
        'internal_session_view',
        (caller, c) => list(caller, c, parameter(c, 'userId')),
        operations.listOfUser,
      ),
    )
    .delete(
      '/:userId/sessions',
      guarded(
        'internal_session_delete',
        (caller, c) => endAll(caller, c, parameter(c, 'userId')),
        operations.endOfUser,
      ),
    )
    .get(
      '/:userId/sessions/:sessionId',
      guarded(
        'internal_session_view',
        async (caller, c) => {
          const [userId, sessionId] = [parameter(c, 'userId'), parameter(c, 'sessionId')]
          const now = new Date()
          const found = await findListedSession(db, caller.organizationId, userId, sessionId, now)
          return found ? c.json(renderSession(found)) : c.body(null, 404)
        },
        operations.getOfUser,
      ),
    )
    .delete(
      '/:userId/sessions/:sessionId',
      guarded(
        'internal_session_delete',
        (caller, c) => endOne(caller, c, parameter(c, 'userId')),
        operations.endOneOfUser,
      ),
    )
}
