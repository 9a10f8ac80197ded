/**
 * GET and POST /oauth2/authorize: read the request, see that somebody is signed in and consents, let the response type
 * decide, commit, and only then answer. A request is paused for login or consent as an interaction of this browser.
 */
import { type Context, Hono } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit, type Write } from '../database/commit.ts'
import { requestedClaimNames } from '../sign-in/claims-request.ts'
import { findConsent, rememberConsent } from '../sign-in/consent.ts'
import {
  findInteraction,
  type Interaction,
  isOpen,
  pause,
  type RequestSource,
  type Stage,
  spend,
} from '../sign-in/interaction.ts'
import { isUnspent, spendPushedRequest } from '../sign-in/pushed-request.ts'
import { findSession, findSessionById, type Session, type SessionRules } from '../sign-in/session.ts'
import { rememberApplication } from '../sign-in/session-applications.ts'
import {
  type ArrivalNeeds,
  type ArrivedRequest,
  arrivedRequest,
  isByReference,
} from './authorization-parameters.ts'
import {
  type CheckedRequest,
  checkRequest,
  findAskingClient,
  findPlace,
  type KnownClient,
  PageProblem,
  type Place,
  placeOf,
  type ReadNeeds,
} from './authorization-request.ts'
import { authorizationResponse, type ResponseNeeds } from './authorization-response.ts'
import { ensureBrowser, readBrowser, readSession, type SameSite } from './cookies.ts'
import { type EndUserNeeds, expectedUser } from './end-user.ts'
import { OAuthError } from './error.ts'
import { parseForm, readForm } from './form.ts'
import { repeatableResource } from './resource.ts'

export interface AuthorizeNeeds extends ReadNeeds, ResponseNeeds, ArrivalNeeds, EndUserNeeds {
  readonly session: SessionRules & { readonly sameSite: SameSite; readonly interactionSeconds: number }
  traceOf(request: Request): Trace
  errorPage(request: Request, problem: { code: string; message: string; status: number }): Response
}

const tries = 3

const wrongMethod = () => new PageProblem('invalid_request', 'Http Method is not correct.', 405)

type Parameters = ReadonlyMap<string, string>

/** A paused request is kept; nobody's honest one is longer. */
const longestRequest = 8_192

const sizeOf = (parameters: Parameters) =>
  [...parameters].reduce((size, [name, value]) => size + name.length + value.length, 0)

const readParameters = async (request: Request): Promise<Parameters> => {
  const form =
    request.method === 'POST'
      ? await readForm(request, repeatableResource)
      : parseForm(new URL(request.url).search.slice(1), repeatableResource)
  if (form.parameters && sizeOf(form.parameters) > longestRequest) {
    throw new PageProblem('invalid_request', 'Invalid request: the request is too long.')
  }
  if (form.parameters) return form.parameters
  const message =
    form.repeated === undefined
      ? `Invalid request: ${form.problem}.`
      : 'Invalid authorization request with repeated parameters'
  throw new PageProblem('invalid_request', message)
}

/**
 * What a consent covers: scopes, and by name what else was asked for. None of them has a space, and no scope the quotation
 * mark that the others begin with (RFC 6749 §3.3).
 */
const consentItems = ({ scopes, claims, resources }: CheckedRequest): readonly string[] => [
  ...scopes,
  ...requestedClaimNames(claims).map((name) => `"claim:${encodeURIComponent(name)}`),
  ...resources.map((uri) => `"resource:${uri}`),
]

/** One of at most three tries to answer a request, at the place as it is now. */
interface Attempt {
  readonly place: Place
  readonly isLast: boolean
}

/** What the consent page said: nothing where none was shown. */
type Decision = 'approve' | 'approveAlways' | 'deny' | undefined

const isDecision = (text: string | undefined): text is NonNullable<Decision> =>
  text === 'approve' || text === 'approveAlways' || text === 'deny'

const lostInteraction = {
  unknown: 'This sign-in is not known here. Go back to the application and start again.',
  'another-browser':
    'This sign-in was started in another browser. Go back to the application and start again.',
  expired: 'This sign-in took too long. Go back to the application and start again.',
  spent: 'This sign-in was completed already. Go back to the application and start again.',
} as const

export const authorize = (needs: AuthorizeNeeds) => {
  const { db } = needs

  const respond = authorizationResponse(needs)

  const sessionOf = async (c: Context, now: Date): Promise<Session | undefined> => {
    const value = readSession(c)
    const found = value === undefined ? undefined : await findSession(db, value, needs.session, now)
    if (found?.seen) await commit(db, [found.seen])
    return found?.session
  }

  const toPage = async (
    c: Context,
    stage: Stage,
    { parameters, source }: ArrivedRequest,
    sessionId: string | null,
    also: readonly Write[],
  ) => {
    const browser = ensureBrowser(c, needs.session.sameSite)
    const request = { stage, parameters: Object.fromEntries(parameters), source, sessionId }
    const paused = pause(db, request, browser, needs.session.interactionSeconds, new Date())
    const outcome = await commit(db, [paused.write, ...also])
    if (outcome !== 'committed') throw new PageProblem('invalid_request', lostInteraction.spent)
    const page =
      stage === 'login'
        ? `login.do?sessionDataKey=${paused.key}`
        : `oauth2_authz.do?sessionDataKeyConsent=${paused.key}`
    return c.redirect(`/authenticationendpoint/${page}`, 302)
  }

  const signInOf = (session: Session) => ({
    accountId: session.accountId,
    sessionId: session.id,
    authenticatedAt: session.authenticatedAt,
  })

  /** What a consent given for good leaves. */
  const remembered = async (request: CheckedRequest, session: Session, trace: Trace, now: Date) => {
    const key = { accountId: session.accountId, applicationId: request.client.id }
    const items = consentItems(request)
    return [
      rememberConsent(db, key, [...(await findConsent(db, key)), ...items], now),
      record(db, now, trace, {
        event: 'consent-given',
        initiator: session.accountId,
        target: request.client.clientId,
        data: { clientId: request.client.clientId, consent: items.join(' ') },
        outcome: 'Success',
        applicationId: request.client.id,
        organizationId: request.client.organizationId,
      }),
    ]
  }

  /** Decides, commits, answers; undefined where a guard was lost and it is not the last time. */
  const settle = async (
    c: Context,
    { place, isLast }: Attempt,
    request: CheckedRequest,
    source: RequestSource,
    session: Session,
    interaction?: Interaction,
    decision?: Decision,
  ): Promise<Response | undefined> => {
    const trace = needs.traceOf(c.req.raw)
    const openid = request.scopes.includes('openid')
    const now = new Date()
    const answer =
      decision === 'deny'
        ? request.type.deny(request, signInOf(session), trace, now)
        : await request.type.answer(request, signInOf(session), trace, now)
    const keeps = decision === 'approveAlways' && request.type.consentIsKept
    const writes = [
      ...(interaction ? [spend(db, interaction, now)] : []),
      ...(source.pushed === null ? [] : [spendPushedRequest(db, source.pushed, now)]),
      ...answer.writes,
      ...('refused' in answer ? [] : await rememberApplication(db, session.id, place.client, now)),
      ...(keeps && !('refused' in answer) ? await remembered(request, session, trace, now) : []),
    ]
    if ((await commit(db, writes)) === 'committed') {
      if ('refused' in answer) return respond.error(c, place, answer.refused, openid)
      return respond.success(c, place, answer.parameters, openid)
    }
    const isSpent =
      (interaction && !(await isOpen(db, interaction))) ||
      (source.pushed !== null && !(await isUnspent(db, source.pushed)))
    if (isSpent) throw new PageProblem('invalid_request', lostInteraction.spent)
    if (!isLast) return undefined
    const abandoned = record(db, new Date(), trace, {
      event: 'request-abandoned',
      initiator: session.accountId,
      target: place.client.clientId,
      data: { clientId: place.client.clientId, responseType: request.type.name },
      outcome: 'Refused',
      applicationId: place.client.id,
      organizationId: place.client.organizationId,
    })
    await commit(db, [abandoned])
    const error = new OAuthError(
      'temporarily_unavailable',
      'The request was overtaken by changes; try again.',
    )
    return respond.error(c, place, error, openid)
  }

  /** A lost guard means: look at everything again, the place, who is signed in and what he consents to. */
  const untilSettled = async (
    first: Place,
    parameters: Parameters,
    settled: (attempt: Attempt) => Promise<Response | undefined>,
  ): Promise<Response> => {
    let place = first
    for (let attempt = 1; attempt < tries; attempt += 1) {
      const response = await settled({ place, isLast: false })
      if (response) return response
      place = await findPlace(needs, parameters)
    }
    const response = await settled({ place, isLast: true })
    if (!response) throw new Error('the last attempt has no answer')
    return response
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

  const needsConsent = async (request: CheckedRequest, session: Session): Promise<boolean> => {
    const { client, prompt, type } = request
    if (prompt.has('consent')) return true
    if (client.skipLoginConsent) return false
    if (!type.consentIsKept) return true
    const key = { accountId: session.accountId, applicationId: client.id }
    const given = await findConsent(db, key)
    return given.size === 0 || consentItems(request).some((item) => !given.has(item))
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
        return await toPage(c, 'login', arrived, null, spending)
      }
      if (await needsConsent(request, session)) {
        if (silent) throw new OAuthError('consent_required', 'Consent required')
        return await toPage(c, 'consent', arrived, session.id, spending)
      }
      return await settle(c, attempt, request, arrived.source, session, interaction)
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

  const interactionOf = async (c: Context, key: string, stage: Stage): Promise<Interaction> => {
    const found = await findInteraction(db, key, stage, readBrowser(c), new Date())
    if (!found.interaction) throw new PageProblem('invalid_request', lostInteraction[found.why])
    return found.interaction
  }

  /** Back from the login page. */
  const resume = async (c: Context, key: string): Promise<Response> => {
    const interaction = await interactionOf(c, key, 'login')
    if (interaction.sessionId === null) {
      return c.redirect(`/authenticationendpoint/login.do?sessionDataKey=${encodeURIComponent(key)}`, 302)
    }
    const parameters = new Map(Object.entries(interaction.parameters))
    const arrived = { parameters, source: interaction.source }
    return proceed(c, await findPlace(needs, parameters), arrived, interaction)
  }

  /** Back from the consent page, which the same person saw in this session or before a later login in another tab. */
  const consented = async (c: Context, key: string, decision: string | undefined): Promise<Response> => {
    const interaction = await interactionOf(c, key, 'consent')
    const session = await sessionOf(c, new Date())
    const asked =
      interaction.sessionId === null ? undefined : await findSessionById(db, interaction.sessionId)
    const isSamePerson = session !== undefined && session.accountId === asked?.accountId
    if (!isSamePerson || session.authenticatedAt < new Date(asked.authenticatedAt))
      throw new PageProblem('invalid_request', lostInteraction.expired)
    const parameters = new Map(Object.entries(interaction.parameters))
    const first = await findPlace(needs, parameters)
    if (!isDecision(decision))
      throw new PageProblem('invalid_request', 'The consent parameter is missing or unknown.')
    const { source } = interaction
    return untilSettled(first, parameters, async (attempt) => {
      const { place } = attempt
      try {
        const request = checkRequest(needs, place, parameters, source)
        return await settle(c, attempt, request, source, session, interaction, decision)
      } catch (error) {
        if (error instanceof OAuthError) return respond.error(c, place, error, false)
        throw error
      }
    })
  }

  const handle = async (c: Context): Promise<Response> => {
    // Hono answers HEAD by the GET route, and this GET has consequences
    if (c.req.method === 'HEAD') throw wrongMethod()
    const parameters = await readParameters(c.req.raw)
    const consentKey = parameters.get('sessionDataKeyConsent')
    if (consentKey !== undefined && c.req.method === 'POST')
      return consented(c, consentKey, parameters.get('consent'))
    const key = parameters.get('sessionDataKey')
    if (key !== undefined && !parameters.has('client_id')) return resume(c, key)
    return begin(c, parameters)
  }

  return new Hono()
    .on(['GET', 'POST'], '/oauth2/authorize', handle)
    .all('/oauth2/authorize', () => {
      throw wrongMethod()
    })
    .onError((error, c) => {
      if (error instanceof PageProblem) return needs.errorPage(c.req.raw, error)
      throw error
    })
}
