/** Proof Key for Code Exchange (RFC 7636), kept as one text: `S256 <challenge>` or `plain <challenge>`. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Application } from '../directory/applications.ts'
import { OAuthError } from './error.ts'

const unreserved = /^[A-Za-z0-9\-._~]{43,128}$/

const invalid = (description: string) => new OAuthError('invalid_request', description)

/** These answer with nothing that has to be redeemed. */
const nothingToRedeem: ReadonlySet<string> = new Set(['token', 'id_token', 'id_token token', 'none'])

/**
 * The challenge of an authorization request for this response type, or null. Throws `invalid_request` where one is
 * missing or malformed.
 */
export const readChallenge = (
  parameters: ReadonlyMap<string, string>,
  client: Application,
  responseType: string,
): string | null => {
  const challenge = parameters.get('code_challenge')
  const method = parameters.get('code_challenge_method')
  if (challenge === undefined) {
    if (method !== undefined) throw invalid('code_challenge_method was sent without code_challenge.')
    const wanted = client.oidc.publicClient || client.oidc.pkce.mandatory
    if (wanted && !nothingToRedeem.has(responseType)) {
      throw invalid('PKCE is mandatory for this application: code_challenge is missing.')
    }
    return null
  }
  // RFC 7636 §4.3: an omitted method means plain, which the application must allow
  const named = method ?? 'plain'
  if (named !== 'S256' && named !== 'plain') throw invalid('Unsupported code_challenge_method.')
  if (named === 'plain' && !client.oidc.pkce.supportPlainTransformAlgorithm) {
    throw invalid('This application does not allow the plain code_challenge_method; use S256.')
  }
  if (!unreserved.test(challenge) || (named === 'S256' && challenge.length !== 43)) {
    throw invalid('code_challenge does not comply with RFC 7636.')
  }
  return `${named} ${challenge}`
}

/** Whether the verifier answers the challenge that the token was asked for with (RFC 7636 §4.6). */
export const answersChallenge = (verifier: string, kept: string): boolean => {
  if (!unreserved.test(verifier)) return false
  const [method, challenge = ''] = kept.split(' ')
  const answer = method === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier
  const [given, wanted] = [Buffer.from(answer), Buffer.from(challenge)]
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
