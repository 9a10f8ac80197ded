/**
 * Whom a request is about: `id_token_hint` and the `sub` that its `claims` ask for (OpenID Connect Core §3.1.2.1,
 * §5.5.1). Nobody else is answered for.
 */
import { createLocalJWKSet, decodeJwt, type JWK, jwtVerify } from 'jose'
import type { Db } from '../database/connect.ts'
import { subjectIdentifier } from '../tokens/subject-identifier.ts'
import { findToken } from '../tokens/token.ts'
import { wishOf } from './claims-parameter.ts'
import { OAuthError } from './error.ts'
import type { AuthorizationRequest } from './response-types/response-type.ts'

export interface EndUserNeeds {
  readonly db: Db
  readonly issuer: string
  /** The keys that this server's tokens are verified with. */
  jwks(): { readonly keys: readonly JWK[] }
}

/** The user's account as our row knows it, or the name that the client knows the user by. */
type Hint = { readonly accountId: string } | { readonly sub: string }

/** Longer than any ID token. */
const longestHint = 8_192

const refusedHint = (cause?: unknown) =>
  new OAuthError('invalid_request', 'The id_token_hint is not an ID token of this server for this client.', {
    cause,
  })

/** An ID token whose row is gone is known by its signature; that it has expired says nothing about whom it names. */
const verifiedHint = async (needs: EndUserNeeds, clientId: string, hint: string): Promise<Hint> => {
  try {
    const keys = createLocalJWKSet({ keys: [...needs.jwks().keys] })
    const algorithms = [...new Set(needs.jwks().keys.flatMap(({ alg }) => alg ?? []))]
    const issuedAt = decodeJwt(hint).iat ?? 0
    const { payload, protectedHeader } = await jwtVerify(hint, keys, {
      issuer: needs.issuer,
      audience: clientId,
      algorithms,
      currentDate: new Date(issuedAt * 1000),
    })
    // tokens of every other class have a typ of their own
    if (protectedHeader.typ !== undefined || payload.sub === undefined) throw new Error('no ID token')
    return { sub: payload.sub }
  } catch (cause) {
    throw refusedHint(cause)
  }
}

const readHint = async (
  needs: EndUserNeeds,
  clientId: string,
  hint: string | undefined,
  now: Date,
): Promise<Hint | undefined> => {
  if (hint === undefined) return undefined
  if (hint.length > longestHint) throw refusedHint()
  const row = await findToken(needs.db, hint, now)
  if (!row) return verifiedHint(needs, clientId, hint)
  if (row.class !== 'id' || row.clientId !== clientId) throw refusedHint()
  return { accountId: row.subjectId }
}

/** Tells of an account whether the request may be answered for it. Throws OAuthError for a hint that is not ours. */
export const expectedUser = async (
  needs: EndUserNeeds,
  { client, revision, parameters, claims }: AuthorizationRequest,
  now: Date,
): Promise<(accountId: string) => Promise<boolean>> => {
  const hint = await readHint(needs, client.clientId, parameters.get('id_token_hint'), now)
  const names = [
    ...(hint && 'sub' in hint ? [[hint.sub]] : []),
    ...[wishOf(claims, 'sub')?.values ?? []].filter((values) => values.length > 0),
  ]
  return async (accountId) => {
    if (hint && 'accountId' in hint && hint.accountId !== accountId) return false
    if (names.length === 0) return true
    const sub = await subjectIdentifier(needs.db, revision, client, accountId)
    return names.every((wanted) => wanted.includes(sub))
  }
}
