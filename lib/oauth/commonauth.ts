/**
 * POST /commonauth: user name and password for the interaction of this browser; the session id changes at login. A form
 * that is sent twice, by Enter pressed twice, leads where the first one led, though the browser dropped its answer.
 */
import { Hono } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit, readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { accountIs } from '../directory/accounts.ts'
import { verifyCredentials } from '../sign-in/credentials.ts'
import { replaceAndTell } from '../sign-in/end-session.ts'
import { type Found, findInteraction, type Interaction, pause, signedIn } from '../sign-in/interaction.ts'
import { beginSession, findSessionById, type SessionRules } from '../sign-in/session.ts'
import { readBrowser, readSession, type SameSite, setOpbs, setSession } from './cookies.ts'
import { readForm } from './form.ts'

export interface CommonAuthNeeds {
  readonly db: Db
  readonly organization: { readonly id: string }
  readonly session: SessionRules & { readonly sameSite: SameSite; readonly interactionSeconds: number }
  traceOf(request: Request): Trace
  errorPage(request: Request, problem: { code: string; message: string; status: number }): Response
}

const lost =
  'This sign-in is over or was started in another browser. Go back to the application and start again.'

/** Messages by key, as WSO2's login page takes them; a wrong user and a wrong password are one. */
const failures = {
  credentials: 'login.fail.message',
  inactive: 'login.fail.message',
  throttled: 'login.throttled.message',
  busy: 'login.busy.message',
} as const

/** How long after the end of a sign-in its form counts as sent twice, and not as sent again. */
const doubleMilliseconds = 5_000

/** Nobody is impersonated twice because a key was pressed twice. */
const secondSubmit = (found: Found, now: Date): Interaction | undefined =>
  'finished' in found &&
  found.finished.parameters.requested_subject === undefined &&
  now.getTime() - found.spentAt.getTime() < doubleMilliseconds
    ? found.finished
    : undefined

/** Whose sign-in an interaction led to. */
const accountOf = async (db: Db, { sessionId }: Interaction): Promise<string | undefined> =>
  sessionId === null ? undefined : (await findSessionById(db, sessionId))?.accountId

export const commonauth = (needs: CommonAuthNeeds) =>
  new Hono().post('/commonauth', async (c) => {
    const { db } = needs
    const refuse = (message: string) =>
      needs.errorPage(c.req.raw, { code: 'invalid_request', message, status: 400 })
    const form = await readForm(c.req.raw)
    if (!form.parameters) return refuse(`Invalid request: ${form.problem}.`)
    const key = form.parameters.get('sessionDataKey') ?? ''
    const now = new Date()
    const browser = readBrowser(c)
    const found = await findInteraction(db, key, 'login', browser, now)
    const again = secondSubmit(found, now)
    if (!(found.interaction || again) || browser === undefined) return refuse(lost)
    const encodedKey = encodeURIComponent(key)
    const back = (why: keyof typeof failures) =>
      c.redirect(
        `/authenticationendpoint/login.do?sessionDataKey=${encodedKey}&authFailure=true&authFailureMsg=${failures[why]}`,
        302,
      )
    const trace = needs.traceOf(c.req.raw)
    const credentials = {
      organizationId: needs.organization.id,
      userName: form.parameters.get('username') ?? '',
      password: form.parameters.get('password') ?? '',
    }
    const verdict = await verifyCredentials(db, credentials, trace, now)
    if (!verdict.account) return back(verdict.why)
    const { account } = verdict
    const origin = { userAgent: c.req.header('user-agent') ?? null, address: trace.address }
    const { session, value, writes } = beginSession(db, account, browser, needs.session, now, origin)
    const before = { browser, cookie: readSession(c) }
    const replaced = await replaceAndTell(db, await readRevision(db), before, account, now)
    if (again && (await accountOf(db, again)) !== account.id) return refuse(lost)
    // what the first form began is done; the second one begins the same again
    const anew = again && { ...again, sessionId: session.id }
    const paused = anew && pause(db, anew, browser, needs.session.interactionSeconds, now)
    const outcome = await commit(db, [
      accountIs(db, account),
      ...(found.interaction ? [signedIn(db, found.interaction, session.id)] : []),
      ...(paused ? [paused.write] : []),
      ...replaced,
      ...writes,
      record(db, now, trace, {
        event: 'login-succeeded',
        initiator: account.id,
        target: account.id,
        data: { session: session.id, address: trace.address },
        outcome: 'Success',
        organizationId: needs.organization.id,
      }),
    ])
    if (outcome !== 'committed') return back('credentials')
    setSession(c, value, needs.session.sameSite)
    setOpbs(c)
    const device = found.interaction?.source.device ?? again?.source.device
    const next = device === undefined ? '/oauth2/authorize' : '/authenticationendpoint/device.do'
    return c.redirect(`${next}?sessionDataKey=${paused?.key ?? encodedKey}`, 302)
  })
