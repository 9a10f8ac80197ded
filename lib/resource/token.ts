/**
 * What a resource server reads of an access token of mayact: a JWT (RFC 9068) verified with the published keys, or any
 * token by introspection (RFC 7662), or both. Nothing here is of Bun or Node alone.
 */
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose'
import { Refused } from './refused.ts'

export interface Introspection {
  /** The server's `introspection_endpoint`. */
  readonly endpoint: string
  /** A client that is named in the tokens' audience, and its secret. */
  readonly clientId: string
  readonly clientSecret: string
  /** For how many seconds an answer may be used again, 1 unless said; an ended impersonation is refused after it. */
  readonly cacheSeconds?: number | undefined
}

export interface TokenRules {
  /** As in the tokens' `iss`, such as `https://login.example.com/oauth2/token`. */
  readonly issuer: string
  /** What this resource server is called in `aud`. */
  readonly audience: string
  /** Where the keys are; found by the issuer's metadata unless said. */
  readonly jwksUri?: string | undefined
  /** Asked about each token, so that one whose impersonation was ended is refused; opaque tokens need it. */
  readonly introspection?: Introspection | undefined
  /** Seconds that the clocks may differ, 5 unless said. */
  readonly clockTolerance?: number | undefined
  /** Fetches in place of the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
}

export type TokenClaims = JWTPayload & Readonly<Record<string, unknown>>

/** Signatures of mayact; never `none`, never a shared secret. */
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']
const patience = 5_000
const mostRemembered = 10_000

const isJwt = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)

const fingerprint = async (token: string): Promise<string> => {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

const names = (audience: unknown, wanted: string): boolean =>
  audience === wanted || (Array.isArray(audience) && audience.includes(wanted))

/** Reads tokens by the rules; throws `Refused` for one that is not good here, and what `fetch` throws. */
export const tokenReader = (rules: TokenRules): ((token: string) => Promise<TokenClaims>) => {
  const { issuer, audience, introspection, clockTolerance = 5, fetch: get = fetch } = rules
  let keys: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined

  const keysAt = (url: string) => createRemoteJWKSet(new URL(url), { [customFetch]: get })

  const findKeys = async () => {
    if (rules.jwksUri !== undefined) return keysAt(rules.jwksUri)
    const place = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const response = await get(place, { signal: AbortSignal.timeout(patience) })
    if (!response.ok) throw new Error(`${place} answered ${response.status}`)
    const metadata = (await response.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown }
    if (metadata.issuer !== issuer || typeof metadata.jwks_uri !== 'string')
      throw new Error(`${place} is of another issuer`)
    return keysAt(metadata.jwks_uri)
  }

  const verifyJwt = async (token: string): Promise<TokenClaims> => {
    keys ??= findKeys()
    keys.catch(() => {
      keys = undefined
    })
    try {
      const { payload } = await jwtVerify(token, await keys, {
        issuer,
        audience,
        algorithms,
        typ: 'at+jwt',
        clockTolerance,
        requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
      })
      return payload
    } catch (cause) {
      if (cause instanceof errors.JOSEError && !(cause instanceof errors.JWKSTimeout))
        throw new Refused('invalid_token', cause.message)
      throw cause
    }
  }

  const answers = new Map<string, { readonly claims: TokenClaims; readonly until: number }>()

  const ask = async (
    token: string,
    { endpoint, clientId, clientSecret, cacheSeconds = 1 }: Introspection,
  ) => {
    const key = await fingerprint(token)
    const known = answers.get(key)
    if (known && known.until > Date.now()) return known.claims
    const asked = Date.now()
    const credentials = [clientId, clientSecret].map(encodeURIComponent).join(':')
    const response = await get(endpoint, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${btoa(credentials)}`,
        'Content-Type': 'application/x-www-form-urlencoded',
        Accept: 'application/json',
      },
      body: new URLSearchParams({ token }),
      signal: AbortSignal.timeout(patience),
    })
    if (!response.ok) throw new Error(`${endpoint} answered ${response.status}`)
    const claims = (await response.json()) as TokenClaims & { readonly active?: unknown }
    const ends = typeof claims.exp === 'number' ? claims.exp * 1000 : 0
    if (
      claims.active !== true ||
      claims.iss !== issuer ||
      !names(claims.aud, audience) ||
      typeof claims.sub !== 'string' ||
      !['Bearer', 'DPoP', 'JWT'].includes(String(claims.token_type)) ||
      ends <= Date.now() - clockTolerance * 1000
    )
      throw new Refused('invalid_token', 'the token is not active here')
    if (answers.size >= mostRemembered) answers.clear()
    // from when it was asked, since the answer may have been on its way for a while
    if (cacheSeconds > 0) answers.set(key, { claims, until: Math.min(asked + cacheSeconds * 1000, ends) })
    return claims
  }

  return async (token) => {
    if (isJwt(token)) {
      const claims = await verifyJwt(token)
      return introspection ? { ...claims, ...(await ask(token, introspection)) } : claims
    }
    if (!introspection) throw new Refused('invalid_token', 'an opaque token needs introspection')
    return ask(token, introspection)
  }
}
