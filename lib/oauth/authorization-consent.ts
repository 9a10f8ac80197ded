/** What a user is asked to consent to at the authorization endpoint, whether he was asked before, and what he said. */
import { record, type Trace } from '../audit.ts'
import type { Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { requestedClaimNames } from '../sign-in/claims-request.ts'
import { consentIs, findConsent, rememberConsent } from '../sign-in/consent.ts'
import type { Session } from '../sign-in/session.ts'
import type { CheckedRequest } from './authorization-request.ts'

/**
 * What a consent covers: scopes, and by name what else was asked for. None of them has a space, and no scope the quotation
 * mark that the others begin with (RFC 6749 §3.3).
 */
const consentItems = ({ scopes, claims, resources }: CheckedRequest): readonly string[] => [
  ...scopes,
  ...requestedClaimNames(claims).map((name) => `"claim:${encodeURIComponent(name)}`),
  ...resources.map((uri) => `"resource:${uri}`),
]

/** What the consent page said: nothing where none was shown. */
export type Decision = 'approve' | 'approveAlways' | 'deny' | undefined

export const isDecision = (text: string | undefined): text is NonNullable<Decision> =>
  text === 'approve' || text === 'approveAlways' || text === 'deny'

/** Nothing when he has to be asked now; else the guards that he need not be when the answer is committed. */
export const standingConsent = async (
  db: Db,
  request: CheckedRequest,
  session: Session,
): Promise<readonly Write[] | undefined> => {
  const { client, prompt, type } = request
  if (prompt.has('consent')) return undefined
  if (client.skipLoginConsent) return []
  if (!type.consentIsKept) return undefined
  const key = { accountId: session.accountId, applicationId: client.id }
  const { items, kept } = await findConsent(db, key)
  if (kept === undefined || items.size === 0) return undefined
  return consentItems(request).every((item) => items.has(item)) ? [consentIs(db, key, kept)] : undefined
}

/** What a consent given for good leaves. */
export const rememberedConsent = async (
  db: Db,
  request: CheckedRequest,
  session: Session,
  trace: Trace,
  now: Date,
): Promise<Write[]> => {
  const key = { accountId: session.accountId, applicationId: request.client.id }
  const items = consentItems(request)
  return [
    rememberConsent(db, key, [...(await findConsent(db, key)).items, ...items], now),
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
