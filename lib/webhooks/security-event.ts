/**
 * Security event tokens (RFC 8417) of CAEP 1.0: `session-revoked` when an impersonation ends, and the verification event
 * of the Shared Signals Framework 1.0 (§8.1.4.1) as a test.
 */
import { numericDate } from '../tokens/claims.ts'
import type { Issuer } from '../tokens/issuer.ts'
import { type Happened, textOf } from './happened.ts'
import type { Webhook } from './webhook.ts'

const sessionRevokedUri = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const verificationUri = 'https://schemas.openid.net/secevent/ssf/event-type/verification'

/** What the server ends by a rule of its own. */
const byPolicy = new Set(['expired', 'refresh-token-reused', 'authorization-code-replayed'])

/** Who ended it, in CAEP's words (§2). */
const initiatorOf = ({ by, subject, impersonator, client, data }: Happened): string => {
  if (by === subject || by === impersonator) return 'user'
  if (by !== 'system' && by !== client) return 'admin'
  return byPolicy.has(textOf(data.reason) ?? '') ? 'policy' : 'system'
}

/**
 * The claims of the token that says that an impersonation is over, without those that `signedEvent` stamps. Its subject
 * is what the impersonated tokens say: `sub`, `client_id`, `org_id`; `act` is theirs, too.
 */
export const sessionRevokedClaims = (issuer: string, happened: Happened): string => {
  const { impersonation, impersonator, subject, client, organization, data, at } = happened
  const ended = textOf(data.endedAt) ?? at
  const why = textOf(data.reason) ?? 'unknown'
  return JSON.stringify({
    txn: happened.event,
    sub_id: {
      format: 'complex',
      session: { format: 'opaque', id: impersonation },
      user: { format: 'iss_sub', iss: issuer, sub: subject },
      ...(client === null ? {} : { application: { format: 'opaque', id: client } }),
      ...(organization === null ? {} : { tenant: { format: 'opaque', id: organization } }),
    },
    events: {
      [sessionRevokedUri]: {
        event_timestamp: numericDate(new Date(ended)),
        initiating_entity: initiatorOf(happened),
        reason_admin: { en: `Impersonation ${impersonation} has ended: ${why}` },
        reason_user: { en: 'Access in your name has ended.' },
        act: { sub: impersonator },
      },
    },
  })
}

/** The claims of a test; `state` lets the receiver tell one from another. */
export const verificationClaims = ({ id }: Pick<Webhook, 'id'>, state: string): string =>
  JSON.stringify({
    txn: state,
    sub_id: { format: 'opaque', id },
    events: { [verificationUri]: { state } },
  })

/** Signs one. Its `typ` keeps it from passing for another token; it has neither `sub` nor `exp` (RFC 8417 §4). */
export const signedEvent = (
  issuer: Issuer,
  delivery: { readonly id: string; readonly body: string; readonly created_at: string },
  audience: string,
): Promise<string> =>
  issuer.sign(
    {
      ...(JSON.parse(delivery.body) as Record<string, unknown>),
      iss: issuer.issuer,
      aud: audience,
      iat: numericDate(new Date(delivery.created_at)),
      jti: delivery.id,
    },
    'secevent+jwt',
  )
