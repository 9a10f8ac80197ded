/** Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4): they tell an application that a session has ended. */
import { numericDate } from './claims.ts'
import type { Issuer } from './issuer.ts'

/** Seconds; an application that gets it later than this is told again, with a new one. */
const lifetime = 120

export interface Logout {
  /** The `jti`: the same for every attempt to tell of one logout. */
  readonly id: string
  readonly clientId: string
  /** The user as this application knows him. */
  readonly subject: string
  readonly sessionId: string
  /** The application's `id_token_signed_response_alg`: one key serves both (§2.4). */
  readonly algorithm?: string | undefined
}

/** Signs one. Its `typ` and `events` keep it from passing for an ID token; it has no `nonce` for the same reason. */
export const signLogoutToken = (issuer: Issuer, logout: Logout, now: Date): Promise<string> =>
  issuer.sign(
    {
      iss: issuer.issuer,
      sub: logout.subject,
      aud: logout.clientId,
      iat: numericDate(now),
      exp: numericDate(now) + lifetime,
      jti: logout.id,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      sid: logout.sessionId,
    },
    'logout+jwt',
    logout.algorithm,
  )
