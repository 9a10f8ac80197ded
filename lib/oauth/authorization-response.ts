/** Gives an authorization answer where it belongs: fragment, query or form post, `iss` (RFC 9207) last. */
import type { Context } from 'hono'
import type { Place } from './authorization-request.ts'
import { ensureOpbs } from './cookies.ts'
import type { OAuthError } from './error.ts'
import { sessionState } from './session-state.ts'

export interface ResponseNeeds {
  readonly issuer: string
  formPost(action: string, parameters: ReadonlyMap<string, string>): Response
}

type Parameters = readonly (readonly [string, string])[]

export const authorizationResponse = (needs: ResponseNeeds) => {
  const deliver = (c: Context, place: Place, answer: Parameters): Response => {
    const parameters = new Map([...answer, ['iss', needs.issuer] as const])
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
    success(c: Context, place: Place, answer: Parameters, openid: boolean): Response {
      const isIdToken = ([name]: readonly [string, string]) => name === 'id_token'
      const rest = answer.filter((pair) => !isIdToken(pair))
      return deliver(c, place, [...answer.filter(isIdToken), ...shared(c, place, openid), ...rest])
    },
    error(c: Context, place: Place, error: OAuthError, openid: boolean): Response {
      const parameters: Parameters = [
        ['error', error.code],
        ['error_description', error.message],
      ]
      return deliver(c, place, [...parameters, ...shared(c, place, openid)])
    },
  }
}
