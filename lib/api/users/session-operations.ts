/** What the OpenAPI document says of the routes for sessions. */
import * as z from 'zod'
import type { Answer, Operation } from '../../access/operation.ts'
import { limitText } from '../page.ts'

const tag = 'Sessions'

const instant = z.string().regex(/^\d+$/).describe('Milliseconds since the epoch')

/** As the query has them: fifteen digits and less reach beyond the year 9999, which is refused. */
const milliseconds = () => z.string().regex(/^[0-9]{1,14}$/)

const session = () =>
  z
    .object({
      id: z.string(),
      userId: z.string(),
      applications: z.array(
        z.object({ id: z.string(), subject: z.string(), appName: z.string(), appId: z.string() }),
      ),
      userAgent: z.string(),
      ip: z.string(),
      loginTime: instant,
      lastAccessTime: instant,
    })
    .meta({ title: 'Session' })

const listed = (): Answer => ({
  description: 'The sessions, the latest login first; an empty object when there is none.',
  schema: z.object({ userId: z.string().optional(), sessions: z.array(session()).optional() }),
})

const notIts: Answer = {
  description: 'No session of this user (USM-10010), or the caller may not do that.',
}
const ended: Answer = { description: 'They have ended, with all that began in them.' }

const listing = (id: string, summary: string) => (): Operation => ({
  id,
  summary,
  tag,
  answers: { 200: listed() },
})

export const listOwn = listing('listOwnSessions', "The caller's own sessions")
export const listOfUser = listing('listUserSessions', "A user's sessions")

export const endOwn = (): Operation => ({
  id: 'endOwnSessions',
  summary: "Ends all the caller's sessions",
  tag,
  answers: { 204: ended },
})
export const endOneOwn = (): Operation => ({
  id: 'endOwnSession',
  summary: "Ends one of the caller's sessions",
  tag,
  answers: { 204: ended, 403: notIts },
})
export const endOfUser = (): Operation => ({
  id: 'endUserSessions',
  summary: "Ends all a user's sessions",
  tag,
  answers: { 204: ended },
})
export const endOneOfUser = (): Operation => ({
  id: 'endUserSession',
  summary: "Ends one of a user's sessions",
  tag,
  answers: { 204: ended, 403: notIts },
})
export const getOfUser = (): Operation => ({
  id: 'getUserSession',
  summary: "One of a user's sessions",
  tag,
  answers: {
    200: { description: 'The session.', schema: session() },
    404: { description: 'No session of this user; without a body.', empty: true },
  },
})

export const search = (): Operation => ({
  id: 'searchSessions',
  summary: 'The sessions of all users, the latest login first',
  tag,
  query: z.object({
    filter: z
      .string()
      .optional()
      .describe(
        'loginId, sessionId, appName, userAgent (eq, sw, ew, co), ipAddress (eq), loginTime, lastAccessTime (le, ge), joined by and',
      ),
    limit: limitText(),
    since: milliseconds().optional().describe('Logins after this instant, in milliseconds since the epoch'),
    until: milliseconds().optional().describe('Logins before this instant, in milliseconds since the epoch'),
    sessionId: z.string().optional().describe('Of logins at that very instant, those behind this session'),
  }),
  answers: {
    200: {
      description: 'A page, with the links to its neighbours; an empty object when nothing is on it.',
      schema: z.object({
        previous: z.string().optional(),
        next: z.string().optional(),
        Resources: z.array(session()).optional(),
      }),
    },
    400: { description: 'The filter, or a part of the query, cannot be read (USM-10011).' },
  },
})
