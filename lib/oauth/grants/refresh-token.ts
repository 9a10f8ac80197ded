/**
 * `refresh_token` (RFC 6749 §6, RFC 9700 §4.14): a refresh token becomes an access token and, rotated, its successor. A
 * spent one presented again ends the grant, but for a short time in which an answer may have been lost.
 */
import { record } from '../../audit.ts'
import type { Write } from '../../database/commit.ts'
import { type RefreshImpersonationNeeds, refreshImpersonation } from '../../impersonation/refresh.ts'
import { numericDate } from '../../tokens/claims.ts'
import { accessSeconds, extendGrant, refreshSeconds } from '../../tokens/grant.ts'
import { endLineage } from '../../tokens/lineage.ts'
import { issueRefreshToken, spendRefreshToken, unusedSuccessor } from '../../tokens/refresh-token.ts'
import { type FoundToken, findToken } from '../../tokens/token.ts'
import { tokenTypeOf } from '../dpop.ts'
import { OAuthError } from '../error.ts'
import { narrowedResources } from '../resource.ts'
import { parseScope } from '../scope.ts'
import type { Grant, GrantAnswer, GrantRequest } from './grant.ts'
import { invalidGrant, refusal } from './refusal.ts'
import { type UserTokenNeeds, userTokens } from './user-tokens.ts'

export interface RefreshTokenNeeds extends UserTokenNeeds {
  /** How long a rotated one may be presented again; 0 for never. */
  readonly reuseGraceMilliseconds: number
  /** Refreshing an impersonation is a decision of its own. */
  readonly impersonation: RefreshImpersonationNeeds
}

const type = 'refresh_token'

const invalid = () => invalidGrant('refresh token')

/** The scopes asked for, never more than the grant has (RFC 6749 §6). */
const narrowedScopes = ({ scopes }: FoundToken, { parameters }: GrantRequest): readonly string[] => {
  const value = parameters.get('scope')
  if (value === undefined) return scopes
  const asked = parseScope(value)
  if (asked?.length && asked.every((scope) => scopes.includes(scope))) return asked
  throw new OAuthError('invalid_scope', 'The scope is malformed or exceeds the one granted.')
}

const reused = ({ db }: UserTokenNeeds, token: FoundToken, { client, trace, now }: GrantRequest) => ({
  refused: invalid(),
  writes: [
    endLineage(db, token.lineageId, { by: 'system', reason: 'refresh-token-reused' }, now),
    record(db, now, trace, {
      event: 'refresh-token-reused',
      initiator: client.clientId,
      target: token.subjectId,
      data: { clientId: client.clientId, tokenId: token.id, ended: token.lineageId },
      outcome: 'Refused',
      actorId: token.actorId ?? undefined,
      subjectId: token.subjectId,
      applicationId: client.id,
      organizationId: token.organizationId,
      impersonationId: token.impersonationId ?? undefined,
    }),
  ],
})

/** What has to be spent so that this token may be used now; undefined when its reuse ends the grant. */
const spending = async (
  { db, reuseGraceMilliseconds }: RefreshTokenNeeds,
  token: FoundToken,
  now: Date,
): Promise<Write | undefined> => {
  if (token.spentAt === null) return spendRefreshToken(db, token, now)
  if (now.getTime() - new Date(token.spentAt).getTime() >= reuseGraceMilliseconds) return undefined
  const successor = await unusedSuccessor(db, token)
  return successor && spendRefreshToken(db, successor, now)
}

/** The successor, with all that its predecessor had, and a new end where the application wants that. */
const rotated = (
  { db, lifetimes }: UserTokenNeeds,
  token: FoundToken,
  { client, now }: GrantRequest,
  context = token.context,
) => {
  const extends_ =
    client.oidc.refreshToken.extendRenewedRefreshTokenExpiryTime && token.impersonationId === null
  const lasting = refreshSeconds(client, lifetimes) * 1000
  const expiresAt = extends_ ? new Date(now.getTime() + lasting) : token.expiresAt
  const issued = issueRefreshToken(db, { ...token, context, follows: token.id, expiresAt }, now)
  if (!extends_) return { issued, writes: [issued.write], endsAt: token.lineageEndsAt }
  const access = accessSeconds(client, lifetimes) * 1000
  const endsAt = new Date(now.getTime() + Math.max(lasting, access))
  return { issued, writes: [extendGrant(db, token.lineageId, endsAt), issued.write], endsAt }
}

export const refreshToken = (needs: RefreshTokenNeeds): Grant => ({
  type,
  async decide(request): Promise<GrantAnswer> {
    const { db } = needs
    const { parameters, client, revision, confirmation, trace, now } = request
    const value = parameters.get('refresh_token')
    if (value === undefined) throw new OAuthError('invalid_request', 'Missing parameters: refresh_token')
    const token = await findToken(db, value, now)
    if (token?.class !== 'refresh') throw invalidGrant('refresh token', 'unknown')
    const refuse = (reason: string) => refusal(db, request, type, token.subjectId, invalid(), reason)
    if (token.applicationId !== client.id) return refuse('another_client')
    if (token.confirmation !== null && !Bun.deepEquals(token.confirmation, confirmation)) {
      return refuse('another_key')
    }
    // a family that has ended needs no alarm; one that lives does, even by a token whose own time is over
    const onlyExpired = token.expired && token.lineageEndedAt === null
    if (!token.alive && !(token.spentAt !== null && onlyExpired)) {
      return refuse(token.expired ? 'expired' : 'ended')
    }
    const { oidc } = client
    // what nobody has to prove anything for is used once (RFC 9700 §4.14.2)
    const renews = oidc.refreshToken.renewRefreshToken || (oidc.publicClient && token.confirmation === null)
    const spent = renews || token.spentAt !== null ? await spending(needs, token, now) : undefined
    if (token.spentAt !== null && spent === undefined) return reused(needs, token, request)
    if (!token.alive) return refuse('expired')
    const scopes = narrowedScopes(token, request)
    const audience = narrowedResources(token.audience, parameters.get('resource'), client)
    const next = spent === undefined ? undefined : rotated(needs, token, request)
    const spend = spent === undefined ? [] : [spent]
    const successor = next?.writes ?? []
    const refresh_token = next?.issued.value ?? value
    if (token.impersonationId !== null) {
      const refreshed = await refreshImpersonation(
        needs.impersonation,
        { refreshToken: token, revision, scopes, confirmation },
        trace,
        now,
      )
      if (!refreshed.accessToken) return { refused: invalid(), writes: refreshed.writes }
      const { accessToken } = refreshed
      return {
        response: {
          access_token: accessToken.value,
          token_type: tokenTypeOf(confirmation),
          expires_in: numericDate(accessToken.expiresAt) - numericDate(now),
          scope: refreshed.scopes.join(' '),
          refresh_token,
        },
        writes: [...refreshed.writes, ...spend, ...successor],
      }
    }
    const { lineageId, sessionId, subjectId: accountId, context, issuedAt } = token
    const endsAt = next?.endsAt ?? token.lineageEndsAt
    const given = {
      lineageId,
      endsAt,
      sessionId,
      accountId,
      scopes,
      audience,
      confirmation,
      context,
      issuedAt,
    }
    const tokens = await userTokens(needs, client, revision, given, undefined, now)
    if (!tokens) return refuse('account_inactive')
    return {
      response: { ...tokens.response, refresh_token },
      writes: [
        tokens.account,
        // before the lineage: of two who bring the same one the second holds nothing that the first wants
        ...spend,
        ...tokens.writes,
        ...successor,
        record(db, now, trace, {
          event: 'token-refreshed',
          initiator: client.clientId,
          target: accountId,
          data: {
            clientId: client.clientId,
            scope: tokens.scopes.join(' '),
            tokenId: tokens.accessToken.id,
            refreshTokenId: next?.issued.id ?? token.id,
          },
          outcome: 'Success',
          subjectId: accountId,
          applicationId: client.id,
          organizationId: token.organizationId,
        }),
      ],
    }
  },
})
