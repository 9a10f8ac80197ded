/**
 * GET and POST /oauth2/authorize: read the request, see that somebody is signed in and consents, let the response type
 * decide, commit, and only then answer. A request is paused for login or consent as an interaction of this browser.
 */
import { type Context, Hono } from 'hono'
import type { Trace } from '../audit.ts'
import { commit } from '../database/commit.ts'
import { type Interaction, spend } from '../sign-in/interaction.ts'
import { findSession, findSessionById, type Session, type SessionRules } from '../sign-in/session.ts'
import { type Decision, isDecision, standingConsent } from './authorization-consent.ts'
import { longestRequest, readParameters, sizeOf } from './authorization-form.ts'
import {
  type ArrivalNeeds,
  type ArrivedRequest,
  arrivedRequest,
  isByReference,
} from './authorization-parameters.ts'
import { interactionOf, lostInteraction, type PauseNeeds, toPage } from './authorization-pause.ts'
import { explained, needsReason, reasonKey } from './authorization-reason.ts'
import {
  type CheckedRequest,
  checkRequest,
  findAskingClient,
  findPlace,
  type KnownClient,
  PageProblem,
  type Place,
  placeOf,
} from './authorization-request.ts'
import { authorizationResponse, type ResponseNeeds } from './authorization-response.ts'
import { type Attempt, type SettlementNeeds, settlement } from './authorization-settlement.ts'
import { readSession } from './cookies.ts'
import { type EndUserNeeds, expectedUser } from './end-user.ts'
import { OAuthError } from './error.ts'

export interface AuthorizeNeeds extends SettlementNeeds, ResponseNeeds, ArrivalNeeds, EndUserNeeds {
  readonly session: SessionRules & PauseNeeds['session']
  traceOf(request: Request): Trace
  errorPage(request: Request, problem: { code: string; message: string; status: number }): Response
}

type Parameters = ReadonlyMap<string, string>

export const authorize = (needs: AuthorizeNeeds) => {
  const { db } = needs

  const respond = authorizationResponse(needs)
  const { settle, untilSettled } = settlement(needs, respond)

  const sessionOf = async (c: Context, now: Date): Promise<Session | undefined> => {
    const value = readSession(c)
    const found = value === undefined ? undefined : await findSession(db, value, needs.session, now)
    if (found?.seen) await commit(db, [found.seen])
    return found?.session
  }

  const needsLogin = (
    request: CheckedRequest,
    session: Session | undefined,
    interaction: Interaction | undefined,
    now: Date,
  ): boolean => {
    if (!session) return true
    // a sign-in made for this very request satisfies every wish for a fresh one
    if (interaction?.sessionId === session.id) return false
    const age = (now.getTime() - session.authenticatedAt.getTime()) / 1000
    // zero asks for a sign-in now, as prompt=login does (OpenID Connect Core §3.1.2.1)
    const stale = request.maxAge !== undefined && (request.maxAge === 0 || age > request.maxAge)
    return stale || request.prompt.has('login') || request.prompt.has('select_account')
  }

  /** From a checked place on: every refusal is answered there. */
  const proceedOnce = async (
    c: Context,
    attempt: Attempt,
    arrived: ArrivedRequest,
    interaction?: Interaction,
  ): Promise<Response | undefined> => {
    const { place } = attempt
    let openid = false
    try {
      const request = checkRequest(needs, place, arrived.parameters, arrived.source)
      openid = request.scopes.includes('openid')
      const now = new Date()
      const isExpected = await expectedUser(needs, request, now)
      const session = await sessionOf(c, now)
      const silent = request.prompt.has('none')
      const spending = interaction ? [spend(db, interaction, now)] : []
      const isOther = session !== undefined && !(await isExpected(session.accountId))
      if (isOther && interaction?.sessionId === session.id) {
        // the login page was shown for somebody, and somebody else signed in
        throw new OAuthError('login_required', 'Another user signed in than the one that is asked for.')
      }
      if (!session || isOther || needsLogin(request, session, interaction, now)) {
        if (silent) throw new OAuthError('login_required', 'Authentication required')
        return await toPage(needs, c, 'login', arrived, null, spending)
      }
      const stated = request.type.stated?.(request)
      if (needsReason(request, stated)) return await toPage(needs, c, 'reason', arrived, session.id, spending)
      const standing = stated?.problem ? [] : await standingConsent(db, request, session)
      if (!standing) {
        if (silent) throw new OAuthError('consent_required', 'Consent required')
        return await toPage(needs, c, 'consent', arrived, session.id, spending)
      }
      return await settle(c, attempt, request, arrived.source, session, interaction, { standing })
    } catch (error) {
      if (error instanceof OAuthError) return respond.error(c, place, error, openid)
      throw error
    }
  }

  const proceed = (c: Context, first: Place, arrived: ArrivedRequest, interaction?: Interaction) =>
    untilSettled(first, arrived.parameters, (attempt) => proceedOnce(c, attempt, arrived, interaction))

  /** Where it is said that a request object is not good: at the place named beside it, else on a page of ours. */
  const fallbackPlace = (known: KnownClient, parameters: Parameters, error: OAuthError): Place => {
    // nothing but what was pushed says where its answer may go
    const wasPushed = error.code === 'invalid_request_uri' && !isByReference(parameters)
    if (!parameters.has('redirect_uri') || wasPushed) {
      throw new PageProblem(error.code, error.message)
    }
    return placeOf(needs, known, parameters)
  }

  /** A request as it comes to us, before anything of it was paused. */
  const begin = async (c: Context, parameters: Parameters): Promise<Response> => {
    const known = await findAskingClient(db, parameters)
    // nothing is read anywhere for a request whose answer could not go where it says
    if (isByReference(parameters) && parameters.has('redirect_uri')) placeOf(needs, known, parameters)
    const { address } = needs.traceOf(c.req.raw)
    let arrived: ArrivedRequest
    try {
      arrived = await arrivedRequest(needs, known.client, parameters, address, new Date())
      if (sizeOf(arrived.parameters) > longestRequest) {
        throw new OAuthError('invalid_request', 'The request is too long.')
      }
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error
      return respond.error(c, fallbackPlace(known, parameters, error), error, false)
    }
    return proceed(c, placeOf(needs, known, arrived.parameters), arrived)
  }

  /** Back from the login page. */
  const resume = async (c: Context, key: string): Promise<Response> => {
    const interaction = await interactionOf(needs, c, key, 'login')
    if (interaction.sessionId === null) {
      return c.redirect(`/authenticationendpoint/login.do?sessionDataKey=${encodeURIComponent(key)}`, 302)
    }
    const parameters = new Map(Object.entries(interaction.parameters))
    const arrived = { parameters, source: interaction.source }
    return proceed(c, await findPlace(needs, parameters), arrived, interaction)
  }

  /** A page after the login was seen by the same person, in this session or before a later login in another tab. */
  const samePerson = async (c: Context, interaction: Interaction): Promise<Session> => {
    const session = await sessionOf(c, new Date())
    const asked =
      interaction.sessionId === null ? undefined : await findSessionById(db, interaction.sessionId)
    const isSamePerson = session !== undefined && session.accountId === asked?.accountId
    if (!isSamePerson || session.authenticatedAt < new Date(asked.authenticatedAt))
      throw new PageProblem('invalid_request', lostInteraction.expired)
    return session
  }

  /** What somebody said on such a page is done. */
  const decided = (
    c: Context,
    first: Place,
    { parameters, source }: ArrivedRequest,
    session: Session,
    interaction: Interaction,
    decision: Decision,
  ): Promise<Response> =>
    untilSettled(first, parameters, async (attempt) => {
      const { place } = attempt
      try {
        const request = checkRequest(needs, place, parameters, source)
        return await settle(c, attempt, request, source, session, interaction, { decision })
      } catch (error) {
        if (error instanceof OAuthError) return respond.error(c, place, error, false)
        throw error
      }
    })

  /** Back from the page that asks what the impersonation is for; it is shown again until the answer is good. */
  const explain = async (c: Context, key: string, form: Parameters): Promise<Response> => {
    const interaction = await interactionOf(needs, c, key, 'reason')
    const session = await samePerson(c, interaction)
    const asked = new Map(Object.entries(interaction.parameters))
    const first = await findPlace(needs, asked)
    const { source } = interaction
    const paused = { parameters: asked, source }
    if (form.has('cancel')) return decided(c, first, paused, session, interaction, 'deny')
    const { good, kept } = explained(needs.responseTypes, first.client, paused, form)
    return good
      ? proceed(c, first, good, interaction)
      : toPage(needs, c, 'reason', kept, session.id, [spend(db, interaction, new Date())])
  }

  /** Back from the consent page. */
  const consented = async (c: Context, key: string, decision: string | undefined): Promise<Response> => {
    const interaction = await interactionOf(needs, c, key, 'consent')
    const session = await samePerson(c, interaction)
    const parameters = new Map(Object.entries(interaction.parameters))
    const first = await findPlace(needs, parameters)
    if (!isDecision(decision))
      throw new PageProblem('invalid_request', 'The consent parameter is missing or unknown.')
    const { source } = interaction
    return decided(c, first, { parameters, source }, session, interaction, decision)
  }

  const handle = async (c: Context): Promise<Response> => {
    // Hono answers HEAD by the GET route, and this GET has consequences
    if (c.req.method === 'HEAD') return c.notFound()
    const parameters = await readParameters(c.req.raw)
    const consentKey = parameters.get('sessionDataKeyConsent')
    if (consentKey !== undefined && c.req.method === 'POST')
      return consented(c, consentKey, parameters.get('consent'))
    const reasoned = parameters.get(reasonKey)
    if (reasoned !== undefined && c.req.method === 'POST') return explain(c, reasoned, parameters)
    const key = parameters.get('sessionDataKey')
    if (key !== undefined && !parameters.has('client_id')) return resume(c, key)
    return begin(c, parameters)
  }

  return new Hono().on(['GET', 'POST'], '/oauth2/authorize', handle).onError((error, c) => {
    if (error instanceof PageProblem) return needs.errorPage(c.req.raw, error)
    throw error
  })
}
