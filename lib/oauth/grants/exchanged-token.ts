/** What both branches of the token exchange ask of a presented token of ours. */
import type { Confirmation, FoundToken } from '../../tokens/token.ts'
import { OAuthError } from '../error.ts'

/** A token type of RFC 8693 §3. */
export const tokenType = (name: 'access_token' | 'id_token' | 'jwt') =>
  `urn:ietf:params:oauth:token-type:${name}` as const

export const invalid = (description: string) => new OAuthError('invalid_request', description)

const tail = (now: Date) =>
  `TimeStamp Skew : 0, Current Time : ${now.getTime()}. JWT Rejected and validation terminated`

/** The times of a token of ours, in the words that clients of this grant know. */
export const timesRefusal = (
  token: FoundToken,
  now: Date,
  iatValiditySeconds: number,
): OAuthError | undefined => {
  if (token.expired) {
    return invalid(
      `JSON Web Token is expired., Expiration Time(ms) : ${token.expiresAt.getTime()}, ${tail(now)}`,
    )
  }
  const oldest = now.getTime() - iatValiditySeconds * 1000
  if (token.issuedAt.getTime() < oldest) {
    return invalid(
      `JSON Web Token is issued before the allowed time., Issued At Time(ms) : ${token.issuedAt.getTime()}, Reject before limit(ms) : ${iatValiditySeconds * 1000}, ${tail(now)}`,
    )
  }
  return undefined
}

/** Whoever presents a token that is bound to a key has proved just that key (RFC 9449 §6, RFC 8705 §3). */
export const provesKey = (token: FoundToken, proved: Confirmation | null): boolean =>
  token.confirmation === null || Bun.deepEquals(token.confirmation, proved)
