/**
 * `authorization_code` (RFC 6749 §4.1.3, RFC 7636, OpenID Connect Core §3.1.3): a code becomes its tokens once, for the
 * client it was given to, with its redirect URI, its verifier and its key. A second time ends everything it gave.
 */
import { record } from '../../audit.ts'
import { type FoundCode, findCode, spendCode } from '../../tokens/authorization-code.ts'
import { accessSeconds, extendGrant, refreshSeconds } from '../../tokens/grant.ts'
import { endLineage, lineageAlive } from '../../tokens/lineage.ts'
import { issueRefreshToken } from '../../tokens/refresh-token.ts'
import { OAuthError } from '../error.ts'
import { answersChallenge } from '../pkce.ts'
import { narrowedResources } from '../resource.ts'
import type { Grant, GrantAnswer, GrantRequest } from './grant.ts'
import { invalidGrant, refusal } from './refusal.ts'
import { type UserTokenNeeds, userTokens } from './user-tokens.ts'

const type = 'authorization_code'

const invalid = () => invalidGrant('authorization code')

const later = (a: Date, b: Date) => (a > b ? a : b)

/** Why this request does not redeem the code; undefined when it does. */
const problemOf = (code: FoundCode, { parameters, client, confirmation }: GrantRequest) => {
  if (code.expired) return 'expired'
  if (!code.alive) return 'ended'
  if ((parameters.get('redirect_uri') ?? null) !== code.redirectUri) return 'redirect_uri_differs'
  const verifier = parameters.get('code_verifier')
  // without a challenge a verifier means that somebody took the challenge away (RFC 9700 §4.8.2)
  const proven =
    code.codeChallenge === null
      ? verifier === undefined && !client.oidc.publicClient
      : verifier !== undefined && answersChallenge(verifier, code.codeChallenge)
  if (!proven) return 'pkce_failed'
  if (code.confirmation !== null && !Bun.deepEquals(code.confirmation, confirmation)) return 'another_key'
  return undefined
}

const replayed = (
  { db }: UserTokenNeeds,
  code: FoundCode,
  { client, trace, now }: GrantRequest,
): GrantAnswer => ({
  refused: invalid(),
  writes: [
    endLineage(db, code.lineageId, 'authorization-code-replayed', now),
    record(db, now, trace, {
      event: 'authorization-code-replayed',
      initiator: client.clientId,
      target: code.accountId,
      data: { clientId: client.clientId, codeId: code.id, ended: code.lineageId },
      outcome: 'Refused',
      subjectId: code.accountId,
      applicationId: client.id,
      organizationId: code.organizationId,
    }),
  ],
})

export const authorizationCode = (needs: UserTokenNeeds): Grant => ({
  type,
  async decide(request): Promise<GrantAnswer> {
    const { db, lifetimes } = needs
    const { parameters, client, revision, confirmation, trace, now } = request
    const value = parameters.get('code')
    if (value === undefined) throw new OAuthError('invalid_request', 'Missing parameters: code')
    const code = await findCode(db, value, now)
    if (!code) throw invalid()
    const refuse = (error: OAuthError, reason: string) =>
      refusal(db, request, type, code.accountId, error, reason)
    // whoever else found the code must not be able to end the grant with it
    if (code.applicationId !== client.id) return refuse(invalid(), 'another_client')
    if (code.spent) return replayed(needs, code, request)
    const problem = problemOf(code, request)
    if (problem !== undefined) return refuse(invalid(), problem)
    const audience = narrowedResources(code.audience, parameters.get('resource'), client)
    const { accountId, lineageId, boundSessionId: sessionId, scopes, issuedAt } = code
    const withRefresh = client.oidc.grantTypes.includes('refresh_token')
    const refreshEnds = new Date(now.getTime() + refreshSeconds(client, lifetimes) * 1000)
    const accessEnds = new Date(now.getTime() + accessSeconds(client, lifetimes) * 1000)
    const endsAt = withRefresh ? later(refreshEnds, accessEnds) : accessEnds
    const { nonce, ...context } = code.context
    const given = {
      lineageId,
      endsAt: later(endsAt, code.lineageEndsAt),
      sessionId,
      accountId,
      scopes,
      audience,
      confirmation,
      // a grant that outlives its session says in which it began
      context: sessionId === null ? { ...context, sid: code.sessionId } : context,
      issuedAt,
    }
    const tokens = await userTokens(needs, client, revision, given, nonce, now)
    if (!tokens) return refuse(invalid(), 'account_inactive')
    const refreshToken = withRefresh
      ? issueRefreshToken(
          db,
          {
            lineageId,
            applicationId: client.id,
            clientId: client.clientId,
            organizationId: code.organizationId,
            subjectId: accountId,
            actorId: null,
            impersonationId: null,
            sessionId,
            scopes,
            actor: null,
            audience: code.audience,
            // a confidential client proves itself each time, a public one by its key alone (RFC 9449 §5)
            confirmation: client.oidc.publicClient ? confirmation : null,
            context: { ...given.context, sub: tokens.sub },
            expiresAt: refreshEnds,
          },
          now,
        )
      : undefined
    return {
      response: {
        ...tokens.response,
        ...(refreshToken ? { refresh_token: refreshToken.value } : {}),
      },
      writes: [
        // the sign-in itself must last, also where the grant will outlive it
        ...lineageAlive(db, { id: lineageId, sessionId: code.sessionId }, now),
        spendCode(db, code, now),
        ...tokens.writes,
        ...(endsAt > code.lineageEndsAt ? [extendGrant(db, lineageId, endsAt)] : []),
        ...(refreshToken ? [refreshToken.write] : []),
        record(db, now, trace, {
          event: 'token-issued',
          initiator: client.clientId,
          target: accountId,
          data: {
            clientId: client.clientId,
            grantType: type,
            scope: tokens.scopes.join(' '),
            tokenId: tokens.accessToken.id,
            codeId: code.id,
            ...(refreshToken ? { refreshTokenId: refreshToken.id } : {}),
          },
          outcome: 'Success',
          subjectId: accountId,
          applicationId: client.id,
          organizationId: code.organizationId,
        }),
      ],
    }
  },
})
