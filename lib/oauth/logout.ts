/**
 * GET and POST /oidc/logout (OpenID Connect RP-Initiated Logout 1.0): ends what the browser is signed in to and with
 * it every impersonation and grant begun there, tells the applications (back-channel in the same commit, front-channel
 * by the page that follows), and returns to the application.
 *
 * Nobody is signed out by a link alone: our page asks first, and its form carries what only it can know of the
 * session's cookie. It does not ask when an ID token of this very sign-in comes with the request and the application
 * has `skipLogoutConsent`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit, readRevision } from '../database/commit.ts'
import { endSessions, findSignIns, type SignedIn } from '../sign-in/end-session.ts'
import { PageProblem } from './authorization-request.ts'
import { clearSession, readSession, setOpbs } from './cookies.ts'
import { parseForm, readForm } from './form.ts'
import { frontChannelUrls } from './front-channel.ts'
import type { HintNeeds } from './id-token-hint.ts'
import { type LogoutRequest, readLogoutRequest } from './logout-request.ts'

export interface LogoutNeeds extends HintNeeds {
  readonly organization: { readonly id: string }
  traceOf(request: Request): Trace
  errorPage(request: Request, problem: { code: string; message: string; status: number }): Response
  /** Asks, in a form with these fields; `returnTo` is where its answer may lead. */
  logoutPage(fields: ReadonlyMap<string, string>, returnTo: string | undefined): Response
  /** Shows that it is done, tells the applications by `frames`, and goes on to `returnTo`. */
  signedOutPage(frames: readonly string[], returnTo: string | undefined): Response
}

/** The field of our own form. */
const confirmation = 'logout_confirmation'
const tries = 3
/** A POST whose cookie the browser kept back comes again as a GET no longer than this. */
const longestQuery = 4_096

type Parameters = ReadonlyMap<string, string>

const readParameters = async (request: Request): Promise<Parameters> => {
  const search = new URL(request.url).search.slice(1)
  // a body without anything is no form of a type
  const hasBody = request.method === 'POST' && request.headers.get('content-length') !== '0'
  const form = hasBody ? await readForm(request) : parseForm(search)
  if (!form.parameters) throw new PageProblem('invalid_request', `Invalid request: ${form.problem}.`)
  return form.parameters
}

/** What only a page that we showed to this session's browser can send back. */
const proofOf = (cookie: string): string => createHmac('sha256', cookie).update('logout').digest('base64url')

const isConfirmed = (c: Context, parameters: Parameters, cookie: string): boolean => {
  const given = createHmac('sha256', 'given').update(parameters.get(confirmation) ?? '')
  const wanted = createHmac('sha256', 'given').update(proofOf(cookie))
  return c.req.method === 'POST' && timingSafeEqual(given.digest(), wanted.digest())
}

export const logout = (needs: LogoutNeeds) => {
  const { db } = needs

  /** All is done, or there was nothing to do. */
  const finish = (c: Context, signedIn: readonly SignedIn[], { returnTo }: LogoutRequest): Response => {
    clearSession(c)
    const frames = frontChannelUrls(signedIn, needs.issuer)
    if (returnTo !== undefined && frames.length === 0) return c.redirect(returnTo, 302)
    const page = needs.signedOutPage(frames, returnTo)
    return c.newResponse(page.body, 200, Object.fromEntries(page.headers))
  }

  const ask = (parameters: Parameters, { returnTo }: LogoutRequest, cookie?: string): Response => {
    const fields = new Map(parameters)
    if (cookie === undefined) fields.delete(confirmation)
    else fields.set(confirmation, proofOf(cookie))
    return needs.logoutPage(fields, returnTo)
  }

  const end = async (c: Context, cookie: string, request: LogoutRequest): Promise<Response> => {
    for (let attempt = 1; attempt <= tries; attempt += 1) {
      const now = new Date()
      const n = await readRevision(db)
      const signIns = await findSignIns(db, cookie)
      if (!signIns) return finish(c, [], request)
      const { id, accountId } = signIns.current
      const { writes, signedIn } = await endSessions(
        db,
        n,
        signIns.all,
        { by: accountId, reason: 'logout' },
        now,
      )
      const outcome = await commit(db, [
        ...writes,
        record(db, now, needs.traceOf(c.req.raw), {
          event: 'logout',
          initiator: accountId,
          target: accountId,
          data: { session: id, ...(request.client ? { clientId: request.client.clientId } : {}) },
          outcome: 'Success',
          organizationId: needs.organization.id,
        }),
      ])
      if (outcome !== 'committed') continue
      setOpbs(c)
      return finish(c, signedIn, request)
    }
    throw new PageProblem('temporarily_unavailable', 'Applications are signing in just now; try again.', 503)
  }

  const handle = async (c: Context): Promise<Response> => {
    // Hono answers HEAD by the GET route, and this GET may have consequences
    if (c.req.method === 'HEAD') return c.notFound()
    const parameters = await readParameters(c.req.raw)
    const request = await readLogoutRequest(needs, parameters, new Date())
    const cookie = readSession(c)
    const signIns = cookie === undefined ? undefined : await findSignIns(db, cookie)
    if (cookie !== undefined && signIns) {
      const isOfThis = signIns.all.some(({ id }) => id === request.hint?.sessionId)
      const silent = isOfThis && request.client?.active === true && request.client.skipLogoutConsent
      return silent || isConfirmed(c, parameters, cookie)
        ? end(c, cookie, request)
        : ask(parameters, request, cookie)
    }
    // an application's form comes without our cookies (SameSite=Lax): a GET, which brings them, tells who is there
    if (c.req.method === 'POST' && cookie === undefined && parameters.size > 0) {
      const query = new URLSearchParams([...parameters]).toString()
      return query.length > longestQuery ? ask(parameters, request) : c.redirect(`/oidc/logout?${query}`, 303)
    }
    return finish(c, [], request)
  }

  return new Hono().on(['GET', 'POST'], '/oidc/logout', handle).onError((error, c) => {
    if (error instanceof PageProblem) return needs.errorPage(c.req.raw, error)
    throw error
  })
}
