/** The end of an authorization request: the response type decides, everything is committed at once, and then answered. */
import type { Context } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Interaction, isOpen, type RequestSource, spend } from '../sign-in/interaction.ts'
import { isUnspent, spendPushedRequest } from '../sign-in/pushed-request.ts'
import type { Session } from '../sign-in/session.ts'
import { rememberApplication } from '../sign-in/session-applications.ts'
import { type Decision, rememberedConsent } from './authorization-consent.ts'
import { lostInteraction } from './authorization-pause.ts'
import {
  type CheckedRequest,
  findPlace,
  PageProblem,
  type Place,
  type ReadNeeds,
} from './authorization-request.ts'
import type { authorizationResponse } from './authorization-response.ts'
import { OAuthError } from './error.ts'

export interface SettlementNeeds extends ReadNeeds {
  readonly db: Db
  traceOf(request: Request): Trace
}

const tries = 3

/** Why it may be answered: what he said on the page, or what stands still of what he said before. */
export interface Said {
  readonly decision?: Decision
  readonly standing?: readonly Write[]
}

/** One of at most three tries to answer a request, at the place as it is now. */
export interface Attempt {
  readonly place: Place
  readonly isLast: boolean
}

const signInOf = (session: Session) => ({
  accountId: session.accountId,
  sessionId: session.id,
  authenticatedAt: session.authenticatedAt,
})

export const settlement = (needs: SettlementNeeds, respond: ReturnType<typeof authorizationResponse>) => {
  const { db } = needs

  /** Decides, commits, answers; undefined where a guard was lost and it is not the last time. */
  const settle = async (
    c: Context,
    { place, isLast }: Attempt,
    request: CheckedRequest,
    source: RequestSource,
    session: Session,
    interaction?: Interaction,
    { decision, standing = [] }: Said = {},
  ): Promise<Response | undefined> => {
    const trace = needs.traceOf(c.req.raw)
    const openid = request.scopes.includes('openid')
    const now = new Date()
    const answer =
      decision === 'deny'
        ? await request.type.deny(request, signInOf(session), trace, now)
        : await request.type.answer(request, signInOf(session), trace, now)
    const keeps = decision === 'approveAlways' && request.type.consentIsKept
    const writes = [
      ...(interaction ? [spend(db, interaction, now)] : []),
      ...(source.pushed === null ? [] : [spendPushedRequest(db, source.pushed, now)]),
      ...answer.writes,
      ...standing,
      ...('refused' in answer ? [] : await rememberApplication(db, session.id, place.client, now)),
      ...(keeps && !('refused' in answer) ? await rememberedConsent(db, request, session, trace, now) : []),
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
    parameters: ReadonlyMap<string, string>,
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

  return { settle, untilSettled }
}
