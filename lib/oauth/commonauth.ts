/** POST /commonauth: user name and password for the interaction of this browser; the session id changes at login. */
import { Hono } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit, readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { accountIs } from '../directory/accounts.ts'
import { verifyCredentials } from '../sign-in/credentials.ts'
import { replaceAndTell } from '../sign-in/end-session.ts'
import { findInteraction, signedIn } from '../sign-in/interaction.ts'
import { beginSession, type SessionRules } from '../sign-in/session.ts'
import { readBrowser, readSession, type SameSite, setOpbs, setSession } from './cookies.ts'
import { readForm } from './form.ts'

export interface CommonAuthNeeds {
  readonly db: Db
  readonly organization: { readonly id: string }
  readonly session: SessionRules & { readonly sameSite: SameSite }
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
    const { interaction } = await findInteraction(db, key, 'login', browser, now)
    if (!interaction || browser === undefined) return refuse(lost)
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
    const { session, value, writes } = beginSession(db, account, browser, needs.session, now)
    const before = { browser, cookie: readSession(c) }
    const replaced = await replaceAndTell(db, await readRevision(db), before, account, now)
    const outcome = await commit(db, [
      accountIs(db, account),
      signedIn(db, interaction, session.id),
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
    return c.redirect(`/oauth2/authorize?sessionDataKey=${encodedKey}`, 302)
  })
