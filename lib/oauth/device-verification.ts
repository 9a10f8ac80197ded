/**
 * POST /oauth2/device: what the user of a device enters and decides in a browser (RFC 8628 §3.3). The code leads to an
 * interaction of this browser; the decision is made on a page that says what for, also where the code came with a link.
 */
import { type Context, Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import { record, type Trace } from '../audit.ts'
import { commit, readRevision, revisionIs } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { accountIs, findAccount, isActive } from '../directory/accounts.ts'
import { findClient } from '../directory/applications.ts'
import { countAttempt } from '../sign-in/code-attempts.ts'
import { findInteraction, pause, spend } from '../sign-in/interaction.ts'
import { findSession, findSessionById, type SessionRules } from '../sign-in/session.ts'
import { rememberApplication } from '../sign-in/session-applications.ts'
import {
  decideDevice,
  deviceCodeGrant,
  findByUserCode,
  findPendingDevice,
} from '../tokens/device-authorization.ts'
import { beginGrant, type GrantLifetimes, grantEndsAt } from '../tokens/grant.ts'
import { lineageAlive } from '../tokens/lineage.ts'
import { readUserCode, userCodeCookie } from '../tokens/user-code.ts'
import { ensureBrowser, readBrowser, readSession, type SameSite } from './cookies.ts'
import { verificationPath } from './device-authorization.ts'
import { readForm } from './form.ts'

export interface DeviceVerificationNeeds {
  readonly db: Db
  readonly session: SessionRules & { readonly sameSite: SameSite; readonly interactionSeconds: number }
  readonly lifetimes: GrantLifetimes
  traceOf(request: Request): Trace
  errorPage(request: Request, problem: { code: string; message: string; status: number }): Response
}

const over =
  'This request of a device is over or was begun in another browser. Start again with the code that the device shows.'

const decisions = { approve: 'approved', deny: 'denied' } as const

const decisionOf = (value: string | undefined) =>
  value === 'approve' || value === 'deny' ? decisions[value] : undefined

/** As for a code: `offline_access` means something with `openid` and a refresh token only (OpenID Connect Core §11). */
const outlivesSession = (scopes: readonly string[], refreshable: boolean): boolean =>
  refreshable && scopes.includes('openid') && scopes.includes('offline_access')

export const deviceVerification = (needs: DeviceVerificationNeeds) => {
  const { db } = needs

  const refuse = (c: Context, message: string) =>
    needs.errorPage(c.req.raw, { code: 'invalid_request', message, status: 400 })

  const sessionOf = async (c: Context, now: Date) => {
    const value = readSession(c)
    return value === undefined ? undefined : findSession(db, value, needs.session, now)
  }

  const again = (c: Context, failure: 'unknown' | 'throttled') =>
    c.redirect(`${verificationPath}?failure=${failure}`, 302)

  /** From the code to the page that asks, by way of the login page where nobody is signed in. */
  const entered = async (c: Context, typed: string): Promise<Response> => {
    const now = new Date()
    const code = readUserCode(typed)
    if (code === undefined) return again(c, 'unknown')
    const browser = ensureBrowser(c, needs.session.sameSite)
    const right = await countAttempt(db, browser, needs.traceOf(c.req.raw).address, now)
    if (!right) return again(c, 'throttled')
    const device = await findByUserCode(db, code, now)
    if (!device) return again(c, 'unknown')
    const found = await sessionOf(c, now)
    const paused = pause(
      db,
      {
        stage: 'login',
        parameters: { client_id: device.clientId },
        source: { signed: false, pushed: null, device: device.id },
        sessionId: found?.session.id ?? null,
      },
      browser,
      needs.session.interactionSeconds,
      now,
    )
    await commit(db, [right, paused.write, ...(found?.seen ? [found.seen] : [])])
    setCookie(c, userCodeCookie, code, {
      path: '/',
      secure: true,
      httpOnly: true,
      sameSite: needs.session.sameSite,
      maxAge: needs.session.interactionSeconds,
    })
    const page = found ? verificationPath : '/authenticationendpoint/login.do'
    return c.redirect(`${page}?sessionDataKey=${paused.key}`, 302)
  }

  /** The person who signed in for it decides, in the session of this browser. */
  const decided = async (c: Context, key: string, decision: 'approved' | 'denied'): Promise<Response> => {
    const now = new Date()
    const { interaction } = await findInteraction(db, key, 'login', readBrowser(c), now)
    const id = interaction?.source.device
    const session = (await sessionOf(c, now))?.session
    if (!interaction || id === undefined || interaction.sessionId === null || !session) return refuse(c, over)
    const revision = await readRevision(db)
    const [asked, device, account] = await Promise.all([
      findSessionById(db, interaction.sessionId),
      findPendingDevice(db, id, now),
      findAccount(db, session.accountId),
    ])
    const isSamePerson = asked?.accountId === session.accountId
    if (!device || !account || !isActive(account) || !isSamePerson) return refuse(c, over)
    const client = await findClient(db, revision, device.clientId)
    if (!client?.active || !client.oidc.grantTypes.includes(deviceCodeGrant)) return refuse(c, over)
    const { oidc } = client
    const outlives = outlivesSession(device.scopes, oidc.grantTypes.includes('refresh_token'))
    const grant =
      decision === 'approved'
        ? beginGrant(db, {
            accountId: account.id,
            applicationId: client.id,
            sessionId: outlives ? null : session.id,
            // it has its whole time after the last moment at which the device may fetch it
            endsAt: grantEndsAt(
              client,
              { ...needs.lifetimes, authorizationCodeSeconds: 0 },
              device.expiresAt,
            ),
          })
        : undefined
    const outcome = await commit(db, [
      revisionIs(revision),
      accountIs(db, account),
      ...lineageAlive(db, { id: session.id, sessionId: null }, now),
      spend(db, interaction, now),
      ...(grant ? [grant.write, ...(await rememberApplication(db, session.id, client, now))] : []),
      decideDevice(db, device, decision, session, grant?.lineageId ?? null, now),
      record(db, now, needs.traceOf(c.req.raw), {
        event: `device-${decision}`,
        initiator: account.id,
        target: client.clientId,
        data: {
          clientId: client.clientId,
          deviceAuthorization: device.id,
          scope: device.scopes.join(' '),
          session: session.id,
        },
        outcome: decision === 'approved' ? 'Success' : 'Refused',
        applicationId: client.id,
        organizationId: client.organizationId,
      }),
    ])
    return outcome === 'committed' ? c.redirect(`${verificationPath}?done=${decision}`, 302) : refuse(c, over)
  }

  return new Hono().post('/oauth2/device', async (c) => {
    const form = await readForm(c.req.raw)
    if (!form.parameters) return refuse(c, `Invalid request: ${form.problem}.`)
    const key = form.parameters.get('sessionDataKey')
    if (key === undefined) return entered(c, form.parameters.get('user_code') ?? '')
    const decision = decisionOf(form.parameters.get('consent'))
    if (!decision) return refuse(c, 'The consent parameter is missing or unknown.')
    return decided(c, key, decision)
  })
}
