/**
 * The response types of OAuth 2.0 and OpenID Connect (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Type Encoding): any
 * of `code`, `token` and `id_token` together, and `none`. What one request gives hangs on one grant.
 */

import { type AuditEvent, record, type Trace } from '../../audit.ts'
import { revisionIs, type Write } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { type Account, accountIs, findAccount, isActive } from '../../directory/accounts.ts'
import { grantedScopes } from '../../directory/permissions.ts'
import { userClaims } from '../../directory/user-claims.ts'
import { mintUserAccessToken } from '../../tokens/access-token.ts'
import { issueCode } from '../../tokens/authorization-code.ts'
import { numericDate, wholeSecond } from '../../tokens/claims.ts'
import { accessSeconds, beginGrant, type GrantLifetimes, grantEndsAt } from '../../tokens/grant.ts'
import { mintIdToken, type SignIn } from '../../tokens/id-token.ts'
import type { Issuer, Minted } from '../../tokens/issuer.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { subjectIdentifier } from '../../tokens/subject-identifier.ts'
import type { TokenContext } from '../../tokens/token.ts'
import { passwordContext } from '../authentication-context.ts'
import { tokenTypeOf } from '../dpop.ts'
import { OAuthError } from '../error.ts'
import type { AuthorizationRequest, ResponseAnswer, ResponseType } from './response-type.ts'
import { mayUse, type StandardName } from './standard-names.ts'

export interface StandardNeeds {
  readonly db: Db
  readonly issuer: Issuer
  readonly organization: { readonly id: string; readonly name: string }
  /** Seconds of an ID token where the application sets none. */
  readonly idTokenSeconds: number
  readonly grantLifetimes: GrantLifetimes
}

/** `offline_access` lets a grant outlive the session (OpenID Connect Core §11). */
const offlineAccess = 'offline_access'

/** The scopes that the user may have here, in the order asked for. */
const grantable = async (
  { db }: StandardNeeds,
  { revision, client, scopes }: AuthorizationRequest,
  account: Account,
  givesCode: boolean,
): Promise<readonly string[]> => {
  const asked = scopes.filter((scope) => scope !== offlineAccess)
  const granted = await grantedScopes(db, revision, account, client, asked)
  // whoever comes here consented, or an administrator did for everybody; without a refresh token it means nothing
  const offline = givesCode && scopes.includes('openid') && client.oidc.grantTypes.includes('refresh_token')
  return scopes.filter((scope) => (scope === offlineAccess ? offline : granted.has(scope)))
}

/** What is told of the person, beside the ID token's own claims: by scope only where nothing else will tell it. */
const idTokenClaims = (
  { db }: StandardNeeds,
  { revision, client, claims }: AuthorizationRequest,
  account: Account,
  scopes: readonly string[],
) => userClaims(db, revision, client, account.id, scopes, claims?.id_token)

const plusSeconds = (instant: Date, seconds: number) => new Date(instant.getTime() + seconds * 1000)

export const standardResponseType = (name: StandardName, needs: StandardNeeds): ResponseType => {
  const { db, issuer, organization } = needs
  const words = new Set(name.split(' '))
  const gives = { code: words.has('code'), token: words.has('token'), idToken: words.has('id_token') }

  const auditOf = (
    event: AuditEvent,
    outcome: string,
    { client }: AuthorizationRequest,
    { accountId, sessionId }: SignIn,
    more: Readonly<Record<string, unknown>>,
    trace: Trace,
    now: Date,
  ): Write =>
    record(db, now, trace, {
      event,
      initiator: accountId,
      target: client.clientId,
      data: { clientId: client.clientId, responseType: name, session: sessionId, ...more },
      outcome,
      applicationId: client.id,
      organizationId: organization.id,
    })

  const answer = async (
    request: AuthorizationRequest,
    signIn: SignIn,
    trace: Trace,
    now: Date,
  ): Promise<ResponseAnswer> => {
    const { client, revision, parameters, confirmation, resources: audience, claims } = request
    const account = await findAccount(db, signIn.accountId)
    if (!account || !isActive(account)) {
      const more = { reason: 'inactive' }
      return {
        refused: new OAuthError('access_denied', 'The request was refused.'),
        writes: [auditOf('token-refused', 'Refused', request, signIn, more, trace, now)],
      }
    }
    const guards = [
      revisionIs(revision),
      accountIs(db, account),
      ...lineageAlive(db, { id: signIn.sessionId, sessionId: null }, now),
    ]
    if (name === 'none') return { parameters: [], writes: guards }
    const [scopes, sub] = await Promise.all([
      grantable(needs, request, account, gives.code),
      subjectIdentifier(db, client, account.id),
    ])
    const context: TokenContext = {
      authTime: numericDate(signIn.authenticatedAt),
      acr: passwordContext,
      nonce: parameters.get('nonce'),
      ...(claims === undefined ? {} : { claims }),
      sub,
    }
    const issuedAt = wholeSecond(now)
    const endsAt = plusSeconds(issuedAt, accessSeconds(client, needs.grantLifetimes))
    const sessionId = scopes.includes(offlineAccess) ? null : signIn.sessionId
    const grant = beginGrant(db, {
      accountId: account.id,
      applicationId: client.id,
      sessionId,
      endsAt: gives.code ? grantEndsAt(client, needs.grantLifetimes, now) : endsAt,
    })
    const given = {
      lineageId: grant.lineageId,
      application: client,
      organization,
      accountId: account.id,
      scopes,
      audience,
      confirmation,
      context,
    }
    const code = gives.code
      ? issueCode(
          db,
          {
            ...given,
            sessionId: signIn.sessionId,
            redirectUri: request.namesRedirectUri ? request.redirectUri : null,
            codeChallenge: request.codeChallenge,
          },
          needs.grantLifetimes.authorizationCodeSeconds,
          now,
        )
      : undefined
    const token: Minted | undefined = gives.token
      ? await mintUserAccessToken(db, issuer, { ...given, sub, sessionId }, {}, endsAt, now)
      : undefined
    const idToken: Minted | undefined = gives.idToken
      ? await mintIdToken(
          db,
          issuer,
          client,
          organization,
          { ...signIn, sub },
          {
            nonce: context.nonce,
            state: parameters.get('state'),
            acr: passwordContext,
            claims: await idTokenClaims(needs, request, account, name === 'id_token' ? scopes : []),
            ...(token ? { accessToken: token.value } : {}),
            ...(code ? { code: code.value } : {}),
          },
          needs.idTokenSeconds,
          now,
        )
      : undefined
    const scope = scopes.join(' ')
    return {
      parameters: [
        ...(code ? [['code', code.value] as const] : []),
        ...(token
          ? ([
              ['access_token', token.value],
              ['token_type', tokenTypeOf(confirmation)],
              ['expires_in', String(numericDate(token.expiresAt) - numericDate(issuedAt))],
              ...(scope === '' ? [] : [['scope', scope] as const]),
            ] as const)
          : []),
        ...(idToken ? [['id_token', idToken.value] as const] : []),
      ],
      writes: [
        ...guards,
        ...(code || token ? [grant.write] : []),
        ...(code?.writes ?? []),
        ...(token?.writes ?? []),
        ...(idToken?.writes ?? []),
        auditOf(
          code ? 'authorization-code-issued' : 'token-issued',
          'Success',
          request,
          signIn,
          { scope, ...(audience.length > 0 ? { resource: audience.join(' ') } : {}) },
          trace,
          now,
        ),
      ],
    }
  }

  return {
    name,
    consentIsKept: true,
    mayBeUsedBy: (client) => mayUse(client, name),
    check(parameters) {
      const scopes = (parameters.get('scope') ?? '').split(/\s+/)
      if (gives.idToken && !scopes.includes('openid')) {
        throw new OAuthError('invalid_request', 'An ID token is given with the scope openid only.')
      }
    },
    answer,
    deny(request, signIn, trace, now) {
      const more = { scope: request.scopes.join(' ') }
      return {
        refused: new OAuthError('access_denied', 'User denied the consent'),
        writes: [auditOf('consent-denied', 'Refused', request, signIn, more, trace, now)],
      }
    },
  }
}
