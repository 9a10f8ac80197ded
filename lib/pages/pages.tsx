/** The pages door: login, consent and error, server-rendered; they work without JavaScript. */
import { type Context, Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import type { Trace } from '../audit.ts'
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { findAccount } from '../directory/accounts.ts'
import { authorizedApis } from '../directory/application-authorizations.ts'
import { findClient } from '../directory/applications.ts'
import type { Log } from '../log.ts'
import { findInteraction, type Interaction, interactionCookie, type Stage } from '../sign-in/interaction.ts'
import { findSessionById } from '../sign-in/session.ts'
import { consentPage } from './consent.tsx'
import { errorPage, type PageProblem } from './error.tsx'
import { formPostPage } from './form-post.tsx'
import { loginPage } from './login.tsx'
import { logoutPage, signedOutPage } from './logout.tsx'

export interface PageNeeds {
  readonly db: Db
  traceOf(request: Request): Trace
  readonly log: Log
}

const over = {
  code: 'invalid_request',
  message:
    'This sign-in is over or was started in another browser. Go back to the application and start again.',
  status: 400,
}

/** The routes, and the two pages that the OAuth door shows as answers of its own. */
export const pages = ({ db, traceOf, log }: PageNeeds) => {
  const error = (request: Request, problem: PageProblem) => errorPage(problem, traceOf(request))

  const open = async (c: Context, name: string, stage: Stage) => {
    const key = c.req.query(name) ?? ''
    const found = await findInteraction(db, key, stage, getCookie(c, interactionCookie), new Date())
    return { key, interaction: found.interaction }
  }

  const applicationOf = async ({ parameters }: Interaction) =>
    findClient(db, await readRevision(db), parameters.client_id ?? '')

  const routes = new Hono()
    .get('/login.do', async (c) => {
      const { key, interaction } = await open(c, 'sessionDataKey', 'login')
      if (!interaction) return error(c.req.raw, over)
      const application = await applicationOf(interaction)
      const failure =
        c.req.query('authFailure') === 'true' ? (c.req.query('authFailureMsg') ?? '') : undefined
      return loginPage(key, application?.name, interaction.parameters.redirect_uri ?? '', failure)
    })
    .get('/oauth2_authz.do', async (c) => {
      const { key, interaction } = await open(c, 'sessionDataKeyConsent', 'consent')
      const session = interaction?.sessionId ? await findSessionById(db, interaction.sessionId) : undefined
      if (!interaction || !session) return error(c.req.raw, over)
      const [application, account] = await Promise.all([
        applicationOf(interaction),
        findAccount(db, session.accountId),
      ])
      if (!application || !account) return error(c.req.raw, over)
      const { parameters } = interaction
      const apis = await authorizedApis(db, application.id)
      return consentPage({
        key,
        application: application.name,
        redirectUri: parameters.redirect_uri ?? '',
        userName: account.userName,
        requestedSubject: parameters.requested_subject,
        scopes: [...new Set((parameters.scope ?? '').split(/\s+/).filter((scope) => scope !== ''))],
        displayNames: new Map(
          apis.flatMap(({ scopes }) => scopes.map((scope) => [scope.name, scope.displayName])),
        ),
      })
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
