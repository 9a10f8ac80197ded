/**
 * Tells applications that a session has ended (OpenID Connect Back-Channel Logout 1.0 §2.5). A notice that fails is
 * tried again for some minutes; after that the application's tokens are dead anyway, and it learns of that when it uses
 * them.
 */
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Failure, passing, permanent, type Sending, startSending } from '../delivery/sender.ts'
import { findClient } from '../directory/applications.ts'
import type { Log } from '../log.ts'
import { type OutboundRules, problemOf } from '../outbound.ts'
import type { Issuer } from '../tokens/issuer.ts'
import { signLogoutToken } from '../tokens/logout-token.ts'
import { findDueNotices, type LogoutNotice } from './logout-notices.ts'

/** Milliseconds before the second and each further attempt: five minutes in all. */
const usualWaits = [1_000, 4_000, 15_000, 40_000, 90_000, 150_000]

export interface LogoutSenderOptions {
  readonly issuer: Issuer
  /** For clients that registered themselves; an administrator may name any address. */
  readonly outbound: OutboundRules
  readonly now?: () => Date
  /** Milliseconds that an application has to answer; less than those after which others take the row over. */
  readonly patience?: number
  /** Milliseconds before each further attempt. */
  readonly waits?: readonly number[]
}

/** 2xx is a success; a 4xx is the application's word that it does not accept the token, but for "later". */
const judge = (status: number): Failure | undefined => {
  if (status >= 200 && status < 300) return undefined
  const reason = `the application answered ${status}`
  const later = status === 408 || status === 425 || status === 429
  return status >= 300 && status < 500 && !later ? permanent(reason) : passing(reason)
}

const post = async (url: URL, logoutToken: string, signal: AbortSignal): Promise<Failure | undefined> => {
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams({ logout_token: logoutToken }),
    headers: { 'Cache-Control': 'no-store', Accept: '*/*' },
    // nobody is told of a logout who was not named for it
    redirect: 'manual',
    signal,
  })
  // nothing in it is for us, however much it is
  response.body?.cancel().catch(() => {})
  return judge(response.status)
}

/** Starts the loop that sends. Nothing waits for it. */
export const startLogoutSender = (db: Db, options: LogoutSenderOptions, log: Log): Sending => {
  const { now = () => new Date(), patience = 5_000, waits = usualWaits, issuer, outbound } = options

  const attempt = async (notice: LogoutNotice, signal: AbortSignal): Promise<Failure | undefined> => {
    const client = await findClient(db, await readRevision(db), notice.client_id)
    if (!client) return permanent('the application is gone')
    const url = URL.canParse(notice.url) ? new URL(notice.url) : undefined
    if (!url || !['http:', 'https:'].includes(url.protocol))
      return permanent('its URL is neither http nor https')
    const problem = client.dynamic ? await problemOf(url, outbound) : undefined
    if (problem !== undefined) return permanent(`its URL ${problem}`)
    const { id, client_id: clientId, subject, session_id: sessionId } = notice
    const algorithm = client.oidc.idToken.idTokenSignedResponseAlg
    const token = await signLogoutToken(issuer, { id, clientId, subject, sessionId, algorithm }, now())
    return post(url, token, signal)
  }

  return startSending<LogoutNotice>(
    db,
    {
      table: 'logout_notice',
      due: (senderId, at, limit, busy) => findDueNotices(db, senderId, at, limit, busy),
      receiverOf: ({ client_id: clientId }) => clientId,
      atOnceOfOne: 10,
      patience,
      waitAfter: (_, attempts) => waits[attempts - 1],
      attempt,
      about: (notice) => ({ clientId: notice.client_id, session: notice.session_id }),
      words: { message: 'a logout notice', receiver: 'application' },
    },
    log,
    now,
  )
}
