/** The tokens that a grant of a user begins with: what his code, or his decision about a device, is worth once. */
import { record } from '../../audit.ts'
import type { Write } from '../../database/commit.ts'
import { accessSeconds, extendGrant, refreshSeconds } from '../../tokens/grant.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { issueRefreshToken } from '../../tokens/refresh-token.ts'
import type { TokenContext } from '../../tokens/token.ts'
import type { GrantAnswer, GrantRequest } from './grant.ts'
import { invalidGrant, refusal } from './refusal.ts'
import { type UserTokenNeeds, userTokens } from './user-tokens.ts'

export interface Approved {
  /** What was presented, in words for the client. */
  readonly what: string
  readonly type: string
  readonly accountId: string
  /** The session in which it was approved, which has to last still. */
  readonly sessionId: string
  /** Null where the grant outlives that session. */
  readonly boundSessionId: string | null
  readonly lineageId: string
  readonly lineageEndsAt: Date
  readonly scopes: readonly string[]
  /** Of the access token. */
  readonly audience: readonly string[]
  /** What a refresh token keeps: `scopes` may be more than there are at the moment. */
  readonly kept: { readonly scopes?: readonly string[]; readonly audience: readonly string[] }
  readonly context: TokenContext
  readonly nonce?: string | undefined
  /** When the grant began, where its context does not say when the user signed in. */
  readonly issuedAt: Date
  /** Of two commits with it one happens. */
  readonly spending: Write
  /** What the audit row says of it. */
  readonly told: Readonly<Record<string, unknown>>
}

const afterSeconds = (now: Date, seconds: number) => new Date(now.getTime() + seconds * 1000)

const latest = (...dates: readonly Date[]) => new Date(Math.max(...dates.map((date) => date.getTime())))

/** Mints them, with a refresh token where the application has that grant; a refusal when the account is not active. */
export const firstTokens = async (
  needs: UserTokenNeeds,
  request: GrantRequest,
  approved: Approved,
): Promise<GrantAnswer> => {
  const { db, lifetimes } = needs
  const { client, revision, confirmation, trace, now } = request
  const { type, accountId, sessionId, boundSessionId, lineageId, lineageEndsAt, kept } = approved
  const withRefresh = client.oidc.grantTypes.includes('refresh_token')
  const refreshEnds = afterSeconds(now, refreshSeconds(client, lifetimes))
  const endsAt = latest(
    lineageEndsAt,
    afterSeconds(now, accessSeconds(client, lifetimes)),
    ...(withRefresh ? [refreshEnds] : []),
  )
  // a grant that outlives its session says in which it began
  const context = boundSessionId === null ? { ...approved.context, sid: sessionId } : approved.context
  const given = {
    lineageId,
    endsAt,
    sessionId: boundSessionId,
    accountId,
    scopes: approved.scopes,
    audience: approved.audience,
    confirmation,
    context,
    issuedAt: approved.issuedAt,
  }
  const tokens = await userTokens(needs, client, revision, given, approved.nonce, now)
  if (!tokens) {
    return refusal(db, request, type, accountId, invalidGrant(approved.what), 'account_inactive')
  }
  const refreshToken = withRefresh
    ? issueRefreshToken(
        db,
        {
          lineageId,
          applicationId: client.id,
          clientId: client.clientId,
          organizationId: client.organizationId,
          subjectId: accountId,
          actorId: null,
          impersonationId: null,
          sessionId: boundSessionId,
          // a permission that its user gains later is none of this grant's (RFC 6749 §6)
          scopes: kept.scopes ?? tokens.scopes,
          actor: null,
          audience: kept.audience,
          // a confidential client proves itself each time, a public one by its key alone (RFC 9449 §5)
          confirmation: client.oidc.publicClient ? confirmation : null,
          context: { ...context, sub: tokens.sub },
          expiresAt: refreshEnds,
        },
        now,
      )
    : undefined
  return {
    response: { ...tokens.response, ...(refreshToken ? { refresh_token: refreshToken.value } : {}) },
    writes: [
      tokens.account,
      approved.spending,
      // the sign-in itself must last, also where the grant will outlive it
      ...lineageAlive(db, { id: lineageId, sessionId }, now),
      ...tokens.writes,
      ...(endsAt > lineageEndsAt ? [extendGrant(db, lineageId, endsAt)] : []),
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
          ...approved.told,
          ...(refreshToken ? { refreshTokenId: refreshToken.id } : {}),
        },
        outcome: 'Success',
        subjectId: accountId,
        applicationId: client.id,
        organizationId: client.organizationId,
      }),
    ],
  }
}
