/**
 * Gives an authorization answer where it belongs: fragment, query or form post, `iss` (RFC 9207) last; by the `jwt` modes
 * as one signed JWT in `response` (JARM).
 */
import type { Context } from 'hono'
import { numericDate } from '../tokens/claims.ts'
import type { Place } from './authorization-request.ts'
import { ensureOpbs } from './cookies.ts'
import type { OAuthError } from './error.ts'
import { sessionState } from './session-state.ts'

export interface ResponseNeeds {
  readonly issuer: string
  /** Signs what a JARM answer says; `algorithm` is what the client registered. */
  sign(claims: Record<string, unknown>, type?: string, algorithm?: string): Promise<string>
  formPost(action: string, parameters: ReadonlyMap<string, string>): Response
}

type Parameters = readonly (readonly [string, string])[]

/** JARM §2.1 recommends no more than ten minutes. */
const securedSeconds = 600

export const authorizationResponse = (needs: ResponseNeeds) => {
  /** The answer as one JWT for this client (JARM §2.1); `iss` is in it, and not beside it (RFC 9207 §2.4). */
  const secured = async ({ client }: Place, answer: Parameters): Promise<Parameters> => {
    const issuedAt = numericDate(new Date())
    const claims = {
      ...Object.fromEntries(answer),
      iss: needs.issuer,
      aud: client.clientId,
      iat: issuedAt,
      exp: issuedAt + securedSeconds,
    }
    const algorithm = client.oidc.mayact.authorizationSignedResponseAlg
    return [['response', await needs.sign(claims, 'oauth-authz-resp+jwt', algorithm)]]
  }

  const deliver = async (c: Context, place: Place, answer: Parameters): Promise<Response> => {
    const parameters = new Map(
      place.secured ? await secured(place, answer) : [...answer, ['iss', needs.issuer] as const],
    )
    if (place.mode === 'form_post') {
      const page = needs.formPost(place.redirectUri, parameters)
      // a response made elsewhere: this keeps the cookies that were set on the way
      return c.newResponse(page.body, 200, Object.fromEntries(page.headers))
    }
    const encoded = new URLSearchParams([...parameters]).toString()
    const joint = place.mode === 'fragment' ? '#' : place.redirectUri.includes('?') ? '&' : '?'
    const headers = { Location: `${place.redirectUri}${joint}${encoded}`, 'Cache-Control': 'no-store' }
    return c.body(null, 302, headers)
  }

  /** `session_state` (with `openid` only) and `state`, as every answer has them. */
  const shared = (c: Context, place: Place, openid: boolean): Parameters => [
    ...(openid
      ? [['session_state', sessionState(place.client.clientId, place.redirectUri, ensureOpbs(c))] as const]
      : []),
    ...(place.state === undefined ? [] : [['state', place.state] as const]),
  ]

  return {
    /** What a response type answers, in the order of the seed: the ID token comes first, the rest after `state`. */
    success(c: Context, place: Place, answer: Parameters, openid: boolean): Promise<Response> {
      const isIdToken = ([name]: readonly [string, string]) => name === 'id_token'
      const rest = answer.filter((pair) => !isIdToken(pair))
      return deliver(c, place, [...answer.filter(isIdToken), ...shared(c, place, openid), ...rest])
    },
    error(c: Context, place: Place, error: OAuthError, openid: boolean): Promise<Response> {
      const parameters: Parameters = [
        ['error', error.code],
        ['error_description', error.message],
      ]
      return deliver(c, place, [...parameters, ...shared(c, place, openid)])
    },
  }
}
