/**
 * The tokens of a user who signed in himself, by whatever grant: an access token, with `openid` an ID token, and what
 * has to be true still when they are committed. Permissions are those of the moment, never those of the first request.
 */

import type { Write } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { type Account, accountIs, findAccount, isActive } from '../../directory/accounts.ts'
import type { Application } from '../../directory/applications.ts'
import { grantedScopes } from '../../directory/permissions.ts'
import { userClaims } from '../../directory/user-claims.ts'
import { mintUserAccessToken } from '../../tokens/access-token.ts'
import { numericDate } from '../../tokens/claims.ts'
import { accessSeconds, type GrantLifetimes } from '../../tokens/grant.ts'
import { mintIdToken } from '../../tokens/id-token.ts'
import type { Issuer, Minted } from '../../tokens/issuer.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { subjectIdentifier } from '../../tokens/subject-identifier.ts'
import type { Confirmation, TokenContext } from '../../tokens/token.ts'
import { tokenTypeOf } from '../dpop.ts'

export interface UserTokenNeeds {
  readonly db: Db
  readonly issuer: Issuer
  readonly organization: { readonly id: string; readonly name: string }
  readonly lifetimes: GrantLifetimes & { readonly idTokenSeconds: number }
}

/** What the user let the client have, as the code or the refresh token says it. */
export interface GivenGrant {
  readonly lineageId: string
  /** Nothing of the grant lasts longer. */
  readonly endsAt: Date
  /** The session that ends the grant; null where the grant outlives it. */
  readonly sessionId: string | null
  readonly accountId: string
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  readonly confirmation: Confirmation | null
  readonly context: TokenContext
  /** When the grant began, where its context does not say when the user signed in. */
  readonly issuedAt: Date
}

export interface UserTokens {
  readonly accessToken: Minted
  readonly scopes: readonly string[]
  /** The user's name at this client, which further tokens of the grant keep. */
  readonly sub: string
  /** RFC 6749 §5.1, OpenID Connect Core §3.1.3.3; without a refresh token. */
  readonly response: Readonly<Record<string, unknown>>
  /**
   * The guard that the account is still so. It is the first of all: whoever locks, changes or withdraws takes the account
   * first, too, and then the grants, or each would wait for the other.
   */
  readonly account: Write
  /** Guards first. */
  readonly writes: readonly Write[]
}

/** The scopes that are left at this revision; `offline_access` is a wish of the user's and no permission. */
const scopesLeft = async (
  db: Db,
  revision: number,
  account: Account,
  application: Application,
  scopes: readonly string[],
): Promise<readonly string[]> => {
  const granted = await grantedScopes(db, revision, account, application, scopes)
  return scopes.filter((scope) => granted.has(scope) || scope === 'offline_access')
}

/** Mints them, or undefined when the account is not active. `nonce` is told to the first ID token of a grant alone. */
export const userTokens = async (
  { db, issuer, organization, lifetimes }: UserTokenNeeds,
  application: Application,
  revision: number,
  given: GivenGrant,
  nonce: string | undefined,
  now: Date,
): Promise<UserTokens | undefined> => {
  const { accountId, lineageId, sessionId, audience, confirmation, context } = given
  const account = await findAccount(db, accountId)
  if (!account || !isActive(account)) return undefined
  const [scopes, sub] = await Promise.all([
    scopesLeft(db, revision, account, application, given.scopes),
    context.sub ?? subjectIdentifier(db, application, accountId),
  ])
  const latest = new Date(now.getTime() + accessSeconds(application, lifetimes) * 1000)
  const endsAt = latest < given.endsAt ? latest : given.endsAt
  const grant = {
    application,
    organization,
    accountId,
    sub,
    lineageId,
    sessionId,
    scopes,
    audience,
    confirmation,
    context: { ...context, nonce: undefined, sub },
  }
  const accessToken = await mintUserAccessToken(db, issuer, grant, {}, endsAt, now)
  const sid = sessionId ?? context.sid
  const idToken =
    scopes.includes('openid') && sid !== undefined
      ? await mintIdToken(
          db,
          issuer,
          application,
          organization,
          {
            accountId,
            sessionId: sid,
            lineageId,
            authenticatedAt:
              context.authTime === undefined ? given.issuedAt : new Date(context.authTime * 1000),
            sub,
          },
          {
            nonce,
            accessToken: accessToken.value,
            acr: context.acr,
            // what `claims` asks of the ID token; the claims of scopes are userinfo's (OpenID Connect Core §5.4)
            claims: await userClaims(
              db,
              revision,
              application,
              accountId,
              [],
              context.claims?.id_token ?? {},
            ),
            endsAt: given.endsAt,
          },
          lifetimes.idTokenSeconds,
          now,
        )
      : undefined
  return {
    accessToken,
    scopes,
    sub,
    response: {
      access_token: accessToken.value,
      token_type: tokenTypeOf(confirmation),
      expires_in: numericDate(accessToken.expiresAt) - numericDate(now),
      scope: scopes.join(' '),
      ...(idToken ? { id_token: idToken.value } : {}),
    },
    account: accountIs(db, account),
    writes: [
      ...lineageAlive(db, { id: lineageId, sessionId }, now),
      ...accessToken.writes,
      ...(idToken?.writes ?? []),
    ],
  }
}
