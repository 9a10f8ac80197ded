/**
 * Whom a request is about: `id_token_hint` and the `sub` that its `claims` ask for (OpenID Connect Core §3.1.2.1,
 * §5.5.1). Nobody else is answered for.
 */
import type { JWK } from 'jose'
import type { Db } from '../database/connect.ts'
import { subjectIdentifier } from '../tokens/subject-identifier.ts'
import { wishOf } from './claims-parameter.ts'
import { OAuthError } from './error.ts'
import { readIdTokenHint } from './id-token-hint.ts'
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

const refusedHint = () =>
  new OAuthError('invalid_request', 'The id_token_hint is not an ID token of this server for this client.')

const readHint = async (
  needs: EndUserNeeds,
  clientId: string,
  hint: string | undefined,
  now: Date,
): Promise<Hint | undefined> => {
  if (hint === undefined) return undefined
  if (hint.length > longestHint) throw refusedHint()
  const read = await readIdTokenHint({ ...needs, keys: needs }, hint, now)
  if (read?.clientId !== clientId) throw refusedHint()
  if (read.accountId !== undefined) return { accountId: read.accountId }
  if (read.subject !== undefined) return { sub: read.subject }
  throw refusedHint()
}

/** Tells of an account whether the request may be answered for it. Throws OAuthError for a hint that is not ours. */
export const expectedUser = async (
  needs: EndUserNeeds,
  { client, parameters, claims }: AuthorizationRequest,
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
    const sub = await subjectIdentifier(needs.db, client, accountId)
    return names.every((wanted) => wanted.includes(sub))
  }
}
