/** The pages door: login, consent and error, server-rendered; they work without JavaScript. */
import { type Context, Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import type { Trace } from '../audit.ts'
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { findAccount } from '../directory/accounts.ts'
import { authorizedApis } from '../directory/application-authorizations.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { onlyRedirectUriOf } from '../directory/callback-url.ts'
import { parameterOf, type ReasonRules, readStated, requiredOf } from '../impersonation/reason.ts'
import type { Log } from '../log.ts'
import { requestedClaimNames } from '../sign-in/claims-request.ts'
import { findInteraction, type Interaction, interactionCookie, type Stage } from '../sign-in/interaction.ts'
import { findSessionById } from '../sign-in/session.ts'
import { findPendingDevice, hasUserCode } from '../tokens/device-authorization.ts'
import { userCodeCookie } from '../tokens/user-code.ts'
import { aboutOf } from './about.tsx'
import { consentPage } from './consent.tsx'
import { deviceCodePage, deviceConsentPage, deviceDonePage } from './device.tsx'
import { errorPage, type PageProblem } from './error.tsx'
import { finishedPage } from './finished.tsx'
import { formPostPage } from './form-post.tsx'
import { loginPage } from './login.tsx'
import { logoutPage, signedOutPage } from './logout.tsx'
import { reasonPage } from './reason.tsx'

export interface PageNeeds {
  readonly db: Db
  traceOf(request: Request): Trace
  readonly log: Log
  /** What has to be said of an impersonation. */
  readonly reasons: ReasonRules
}

const over = {
  code: 'invalid_request',
  message:
    'This sign-in is over or was started in another browser. Go back to the application and start again.',
  status: 400,
}

const overDevice = {
  ...over,
  message: 'This request of a device is over. Start again with the code that the device shows.',
}

/** A user code with as many dashes and spaces as somebody may type. */
const longestCode = 32

/** No user name is longer. */
const longestHint = 255

/** What the `claims` parameter names about the user; the request was checked before it was paused. */
const claimsOf = (parameter: string | undefined): readonly string[] =>
  parameter === undefined ? [] : requestedClaimNames(JSON.parse(parameter))

/** The routes, and the two pages that the OAuth door shows as answers of its own. */
export const pages = ({ db, traceOf, log, reasons }: PageNeeds) => {
  const error = (request: Request, problem: PageProblem) => errorPage(problem, traceOf(request))

  const applicationOf = async ({ parameters }: Interaction) =>
    findClient(db, await readRevision(db), parameters.client_id ?? '')

  /** What the scopes are called that the application is authorized for. */
  const displayNamesOf = async ({ id }: Application): Promise<ReadonlyMap<string, string>> => {
    const apis = await authorizedApis(db, id)
    return new Map(apis.flatMap(({ scopes }) => scopes.map((scope) => [scope.name, scope.displayName])))
  }

  /** Where a sign-in leads: a device's nowhere, and one whose request names nothing to the only registered place. */
  const redirectUriOf = ({ parameters, source }: Interaction, application: Application | undefined) =>
    source.device === undefined
      ? (parameters.redirect_uri ?? (application && onlyRedirectUriOf(application)))
      : undefined

  /** What a request says that it is for. */
  const saidOf = ({ parameters }: Interaction, application: Application) => {
    const { reason, ticket } = readStated(new Map(Object.entries(parameters)), application, reasons)
    return { reason, ticket }
  }

  /** The interaction that a page is for, or the page that is shown instead. */
  const open = async (c: Context, name: string, stage: Stage) => {
    const key = c.req.query(name) ?? ''
    const found = await findInteraction(db, key, stage, getCookie(c, interactionCookie), new Date())
    if (found.interaction) {
      const application = await applicationOf(found.interaction)
      const redirectUri = redirectUriOf(found.interaction, application)
      return { key, interaction: found.interaction, application, redirectUri }
    }
    if (found.why === 'spent') {
      const application = await applicationOf(found.finished)
      return { instead: finishedPage(application?.name, redirectUriOf(found.finished, application)) }
    }
    return { instead: error(c.req.raw, over) }
  }

  /** Shown only to the browser whose user entered the code that the device shows. */
  const deviceConsent = async (c: Context): Promise<Response> => {
    const opened = await open(c, 'sessionDataKey', 'login')
    if ('instead' in opened) return opened.instead
    const { key, interaction, application } = opened
    if (interaction.sessionId === null) {
      return c.redirect(`/authenticationendpoint/login.do?sessionDataKey=${encodeURIComponent(key)}`, 302)
    }
    const session = await findSessionById(db, interaction.sessionId)
    const account = session && (await findAccount(db, session.accountId))
    const id = interaction.source.device
    const device = id === undefined ? undefined : await findPendingDevice(db, id, new Date())
    const userCode = getCookie(c, userCodeCookie) ?? ''
    if (!account || !application || !device || !hasUserCode(device, userCode))
      return error(c.req.raw, overDevice)
    return deviceConsentPage({
      key,
      application: application.name,
      about: aboutOf(application, undefined),
      dynamic: application.dynamic,
      userName: account.userName,
      userCode,
      scopes: device.scopes,
      displayNames: await displayNamesOf(application),
    })
  }

  const routes = new Hono()
    .get('/login.do', async (c) => {
      const opened = await open(c, 'sessionDataKey', 'login')
      if ('instead' in opened) return opened.instead
      const { key, interaction, application, redirectUri } = opened
      const failed = c.req.query('authFailure') === 'true'
      return loginPage({
        key,
        application: application?.name,
        about: application && aboutOf(application, redirectUri),
        dynamic: application?.dynamic ?? false,
        redirectUri,
        failure: failed ? (c.req.query('authFailureMsg') ?? '') : undefined,
        userName: interaction.parameters.login_hint?.slice(0, longestHint),
      })
    })
    .get('/oauth2_authz.do', async (c) => {
      const opened = await open(c, 'sessionDataKeyConsent', 'consent')
      if ('instead' in opened) return opened.instead
      const { key, interaction, application, redirectUri } = opened
      const session = interaction.sessionId ? await findSessionById(db, interaction.sessionId) : undefined
      const account = session && (await findAccount(db, session.accountId))
      if (!account || !application || redirectUri === undefined) return error(c.req.raw, over)
      const { parameters } = interaction
      return consentPage({
        key,
        application: application.name,
        about: aboutOf(application, redirectUri),
        dynamic: application.dynamic,
        redirectUri,
        userName: account.userName,
        requestedSubject: parameters.requested_subject,
        ...(parameters.requested_subject === undefined ? {} : saidOf(opened.interaction, application)),
        scopes: [...new Set((parameters.scope ?? '').split(/\s+/).filter((scope) => scope !== ''))],
        displayNames: await displayNamesOf(application),
        claims: claimsOf(parameters.claims),
        resources: [...new Set((parameters.resource ?? '').split(' ').filter((uri) => uri !== ''))],
      })
    })
    .get('/impersonation_reason.do', async (c) => {
      const opened = await open(c, 'sessionDataKeyReason', 'reason')
      if ('instead' in opened) return opened.instead
      const { key, interaction, application, redirectUri } = opened
      const session = interaction.sessionId ? await findSessionById(db, interaction.sessionId) : undefined
      const account = session && (await findAccount(db, session.accountId))
      if (!account || !application || redirectUri === undefined) return error(c.req.raw, over)
      const { typed } = interaction.source
      const parameters = new Map(Object.entries(interaction.parameters))
      for (const name of ['reason', 'ticket'] as const) {
        const text = typed?.[name]
        if (text !== undefined) parameters.set(parameterOf[name], text)
      }
      return reasonPage({
        key,
        application: application.name,
        redirectUri,
        userName: account.userName,
        requestedSubject: interaction.parameters.requested_subject ?? '',
        said: saidOf(interaction, application),
        typed,
        judged: readStated(parameters, application, reasons),
        required: requiredOf(application, reasons),
        ticketHint: reasons.ticketHint,
      })
    })
    .get('/device.do', async (c) => {
      const { sessionDataKey, user_code: code, failure, done } = c.req.query()
      if (done === 'approved' || done === 'denied') return deviceDonePage(done)
      if (sessionDataKey === undefined) return deviceCodePage(code?.slice(0, longestCode), failure)
      return deviceConsent(c)
    })
    .get('/oauth2_error.do', (c) =>
      error(c.req.raw, { code: 'invalid_request', message: 'The request was refused.', status: 400 }),
    )
    .onError((cause, c) => {
      const { id } = traceOf(c.req.raw)
      log.error({ err: cause, traceId: id, path: c.req.path }, 'unexpected error')
      return error(c.req.raw, { code: 'server_error', message: 'Something went wrong here.', status: 500 })
    })

  return { routes, error, formPost: formPostPage, logout: logoutPage, signedOut: signedOutPage }
}
