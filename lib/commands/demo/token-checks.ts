/** Tokens and answers beside the samples, claim by claim. */
import { type Check, checksOf, uuid } from './checks.ts'
import type { Played } from './compare.ts'
import {
  headerTypes,
  sampleAccessToken,
  sampleAlgorithm,
  sampleHeader,
  sampleParties,
  sampleRedirect,
  sampleRequest,
  sampleResponse,
  sampleSubjectToken,
} from './seed.ts'

export interface Jwt {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/** What a token says, in its own order; nothing is verified. */
export const decodeJwt = (token: string): Jwt => {
  const [header, claims] = token
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>)
  if (!header || !claims) throw new Error('a token is no JWT')
  return { header, claims }
}

const relative = new Set(['iat', 'nbf', 'exp'])

/** The sample's value with today's parties in the place of its own. */
const translator = ({ issuer, clientId, subject, impersonator }: Played) => {
  const parties = new Map<unknown, string>([
    [sampleParties.issuer, issuer],
    [sampleParties.client, clientId],
    [sampleParties.subject, subject.id],
    [sampleParties.impersonator, impersonator.id],
  ])
  const translate = (value: unknown): unknown =>
    typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, translate(member)]))
      : (parties.get(value) ?? value)
  return translate
}

type Sample = Readonly<Record<string, unknown>> & { readonly iat: number; readonly exp: number }

const compareToken = (
  about: string,
  played: Played,
  { header, claims }: Jwt,
  sample: Sample,
  type: string,
): readonly Check[] => {
  const { checks, same, like, names, scopes } = checksOf(about)
  const translate = translator(played)
  names('names in the header', sampleHeader, Object.keys(header))
  same('header typ', type, header.typ)
  same('header alg', sampleAlgorithm, header.alg)
  names('names of the claims', Object.keys(sample), Object.keys(claims))
  for (const [name, value] of Object.entries(sample)) {
    if (name === 'scope') scopes(name, String(value), claims.scope)
    else if (name === 'jti') like(name, uuid, 'a UUID', claims.jti)
    else if (!relative.has(name)) same(name, translate(value), claims[name])
  }
  const [iat, nbf, exp] = [claims.iat, claims.nbf, claims.exp].map(Number)
  same('iat is a whole number', true, Number.isInteger(claims.iat))
  same('nbf is iat', iat, nbf)
  same('exp after iat', sample.exp - sample.iat, (exp ?? 0) - (iat ?? 0))
  return checks
}

/** The subject token. */
export const compareSubjectToken = (played: Played): readonly Check[] =>
  compareToken('subject token', played, played.subjectToken, sampleSubjectToken, headerTypes.subjectToken)

/** The impersonated access token. */
export const compareAccessToken = (played: Played): readonly Check[] =>
  compareToken('access token', played, played.accessToken, sampleAccessToken, headerTypes.accessToken)

/** The ID token has no sample: it has to name the impersonator, who signed in, and never who is acted for. */
export const compareIdToken = ({ idToken, impersonator, clientId, issuer }: Played): readonly Check[] => {
  const { checks, same } = checksOf('ID token')
  same('sub is the impersonator', impersonator.id, idToken.claims.sub)
  same('aud', clientId, idToken.claims.aud)
  same('iss', issuer, idToken.claims.iss)
  same('nonce', sampleRequest.nonce, idToken.claims.nonce)
  same('no act', undefined, idToken.claims.act)
  return checks
}

/** The answer of the token endpoint. */
export const compareResponse = ({ response }: Played): readonly Check[] => {
  const { checks, same, like, order, scopes } = checksOf('token response')
  order('members and their order', Object.keys(sampleResponse), Object.keys(response))
  like('access_token', /^[\w-]+\.[\w-]+\.[\w-]+$/, 'a JWT', response.access_token)
  same('issued_token_type', sampleResponse.issued_token_type, response.issued_token_type)
  scopes('scope', sampleResponse.scope, response.scope)
  same('token_type', sampleResponse.token_type, response.token_type)
  same('expires_in', sampleResponse.expires_in, response.expires_in)
  return checks
}

/** The redirect; `iss` (RFC 9207) follows the sample's parameters (docs/compatibility.md). */
export const compareRedirect = ({ redirect, issuer }: Played): readonly Check[] => {
  const { checks, same, like, order } = checksOf('redirect')
  const [place, fragment = ''] = redirect.split('#', 2)
  const parameters = new URLSearchParams(fragment)
  same('redirect URI', sampleRequest.redirectUri, place)
  order('parameters and their order', [...sampleRedirect, 'iss'], [...parameters.keys()])
  like(
    'session_state',
    /^[0-9a-f]{64}\.[\w-]{22}$/,
    '64 hexadecimal digits, a dot, 22 characters',
    parameters.get('session_state'),
  )
  same('state', sampleRequest.state, parameters.get('state'))
  same('iss', issuer, parameters.get('iss'))
  return checks
}
