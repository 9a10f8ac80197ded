/**
 * Tells applications that a session has ended (OpenID Connect Back-Channel Logout 1.0 §2.5). Each notice is claimed,
 * posted and marked in this order: a crash in between repeats it and never loses it. One that fails is tried again for
 * some minutes; after that the application's tokens are dead anyway, and it learns of that when it uses them.
 */
import { commit, readRevision, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claim, deferred, delivered, givenUp, release } from '../delivery/rows.ts'
import { findClient } from '../directory/applications.ts'
import type { Log } from '../log.ts'
import { type OutboundRules, problemOf } from '../outbound.ts'
import type { Issuer } from '../tokens/issuer.ts'
import { signLogoutToken } from '../tokens/logout-token.ts'
import { findDueNotices, type LogoutNotice, noticeSender } from './logout-notices.ts'

const atOnce = 60
/** Of one application: it may be slow, and each of its answers late. */
const atOnceOfOne = 10
const looksEvery = 100
/** A commit may follow its `addNotice` late; so long is looked for it. */
const looksFor = 2_000
const sweepsEvery = 2_000
/** Milliseconds before the second and each further attempt: five minutes in all. */
const waits = [1_000, 4_000, 15_000, 40_000, 90_000, 150_000]

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

export interface LogoutSender {
  /** Tries all that is due now; resolves when each has been sent, deferred or given up. */
  flush(): Promise<void>
  /** Ends what is under way and leaves the rest to the others and to the next start. */
  stop(): Promise<void>
}

interface Failure {
  readonly reason: string
  /** No attempt will do better. */
  readonly permanent: boolean
}

const permanent = (reason: string): Failure => ({ reason, permanent: true })
const passing = (reason: string): Failure => ({ reason, permanent: false })

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
export const startLogoutSender = (db: Db, options: LogoutSenderOptions, log: Log): LogoutSender => {
  const { now = () => new Date(), patience = 5_000, issuer, outbound } = options
  const schedule = options.waits ?? waits
  const { id: senderId } = noticeSender(db)
  const underWay = new Map<string, { readonly clientId: string; readonly done: Promise<void> }>()
  const ended = new AbortController()
  let stopping = false
  /** By `performance.now()`. */
  let looksAgainAt = Number.NEGATIVE_INFINITY

  const lookAgainIn = (milliseconds: number) => {
    looksAgainAt = Math.min(looksAgainAt, performance.now() + milliseconds)
  }

  const attempt = async (notice: LogoutNotice): Promise<Failure | undefined> => {
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
    return post(url, token, AbortSignal.any([AbortSignal.timeout(patience), ended.signal]))
  }

  const tell = async (notice: LogoutNotice): Promise<Failure | undefined> => {
    const late = Promise.withResolvers<Failure>()
    // fetch may be slow to hear of its signal, and a name is looked up without one
    const timer = setTimeout(
      () => late.resolve(passing('the application did not answer in time')),
      patience + 500,
    )
    try {
      return await Promise.race([attempt(notice), late.promise])
    } catch (error) {
      const isLate = error instanceof Error && error.name === 'TimeoutError'
      return passing(isLate ? 'the application did not answer in time' : 'the application cannot be reached')
    } finally {
      clearTimeout(timer)
    }
  }

  const failed = (notice: LogoutNotice, { reason, permanent }: Failure): Write => {
    const at = now()
    const about = { clientId: notice.client_id, session: notice.session_id, reason }
    const wait = schedule[notice.attempts]
    if (permanent || wait === undefined) {
      log.error(about, 'an application could not be told of a logout; given up')
      return givenUp(db, 'logout_notice', notice, senderId, reason, at)
    }
    lookAgainIn(wait)
    log.warn(about, 'an application could not be told of a logout; trying again')
    return deferred(db, 'logout_notice', notice, senderId, reason, new Date(at.getTime() + wait))
  }

  const deliver = async (notice: LogoutNotice) => {
    try {
      if ((await commit(db, [claim(db, 'logout_notice', notice, senderId, now())])) !== 'committed') return
      const failure = await tell(notice)
      // stopped while it waited: the next start tries again, and nothing is said of the application
      if (failure && ended.signal.aborted) return
      await commit(db, [failure ? failed(notice, failure) : delivered(db, 'logout_notice', notice, now())])
    } catch (error) {
      log.error({ err: error }, 'a logout notice could not be updated; it will be sent again')
      await Bun.sleep(stopping ? 0 : 1000)
    }
  }

  const start = (notice: LogoutNotice) => {
    const done = deliver(notice).finally(() => {
      underWay.delete(notice.id)
      lookAgainIn(0)
    })
    underWay.set(notice.id, { clientId: notice.client_id, done })
  }

  const allUnderWay = () => [...underWay.values()].map(({ done }) => done)

  const countOf = (client: string) =>
    [...underWay.values()].filter(({ clientId }) => clientId === client).length

  const busyClients = () =>
    [...new Set([...underWay.values()].map(({ clientId }) => clientId))].filter(
      (clientId) => countOf(clientId) >= atOnceOfOne,
    )

  const drain = async () => {
    while (!stopping) {
      const room = atOnce - underWay.size
      if (room <= 0) {
        await Promise.race(allUnderWay())
        continue
      }
      const due = await findDueNotices(db, senderId, now(), atOnce + underWay.size, busyClients())
      const rows = due.filter(({ id }) => !underWay.has(id)).slice(0, room)
      if (rows.length === 0) return
      for (const row of rows) if (countOf(row.client_id) < atOnceOfOne) start(row)
    }
  }

  let looking: Promise<void> | undefined
  const look = () => {
    looking ??= (async () => {
      looksAgainAt = performance.now() + sweepsEvery
      try {
        await drain()
      } catch (error) {
        log.error({ err: error }, 'the logout notices could not be read; trying again')
      } finally {
        looking = undefined
      }
    })()
    return looking
  }

  const timer = setInterval(() => {
    const at = performance.now()
    if (!looking && (at - noticeSender(db).addedAt < looksFor || at >= looksAgainAt)) look()
  }, looksEvery)
  timer.unref()

  return {
    async flush() {
      await looking
      do {
        await Promise.all(allUnderWay())
        await look()
      } while (underWay.size > 0)
    },
    async stop() {
      clearInterval(timer)
      stopping = true
      ended.abort()
      await Promise.race([Promise.all(allUnderWay()), Bun.sleep(patience)])
      await looking
      await commit(db, [release(db, 'logout_notice', senderId)]).catch((error: unknown) =>
        log.error({ err: error }, 'the logout notices could not be left to others'),
      )
    },
  }
}
