/**
 * Refreshing an impersonation: decided anew like its exchange, with the same actors, never beyond its own end. Only
 * where `[oauth.grant_type.token_exchange] allow_refresh_tokens` and the application say so is there anything to refresh.
 */
import { record, type Trace } from '../audit.ts'
import type { Write } from '../database/commit.ts'
import { mintImpersonatedAccessToken } from '../tokens/access-token.ts'
import { redeemApproval } from '../tokens/approval.ts'
import type { Minted } from '../tokens/issuer.ts'
import { lineageAlive } from '../tokens/lineage.ts'
import type { Confirmation, FoundToken } from '../tokens/token.ts'
import { type ClaimsContributor, ContributionFailed, contributedClaims } from './contributed-claims.ts'
import { type DecideNeeds, decide, type Refused } from './decide.ts'
import { accessSeconds, earlier, type ImpersonationNeeds, plusSeconds } from './impersonations.ts'
import { recordRefusal } from './refusal.ts'

export interface RefreshImpersonationNeeds extends DecideNeeds, ImpersonationNeeds {
  /** Further claims of the access token. */
  readonly claims: readonly ClaimsContributor[]
  /** `[oauth.grant_type.token_exchange] allow_refresh_tokens`: when it is switched off, what was issued is dead. */
  readonly allowRefreshTokens: boolean
  contributionFailed(error: ContributionFailed): void
}

/** What the refresh grant knows: the token is alive, unspent, of this client, and its key was proved. */
export interface ImpersonationRefresh {
  readonly refreshToken: FoundToken
  /** The revision that the client was authenticated at. */
  readonly revision: number
  /** The scopes asked for, or all of the refresh token's; what is not among those is dropped. */
  readonly scopes: readonly string[]
  /** The key that the request proved. */
  readonly confirmation: Confirmation | null
}

export type RefreshedImpersonation =
  /** The access token and what was granted; `writes` hold every guard and the one audit row, not the rotation. */
  | { readonly accessToken: Minted; readonly scopes: readonly string[]; readonly writes: readonly Write[] }
  /** The client hears `invalid_grant`; `writes` are the one audit row with the true reason. */
  | { readonly accessToken: undefined; readonly refused: Refused; readonly writes: readonly Write[] }

/** Decides and mints; the refresh grant rotates the refresh token in the same commit. There is no second e-mail. */
export const refreshImpersonation = async (
  needs: RefreshImpersonationNeeds,
  { refreshToken, revision, scopes, confirmation }: ImpersonationRefresh,
  trace: Trace,
  now: Date,
): Promise<RefreshedImpersonation> => {
  const { db } = needs
  const { actorId, impersonationId, lineageId } = refreshToken
  if (actorId === null || impersonationId === null)
    throw new Error('this refresh token is of no impersonation')
  const asked = {
    phase: 'exchange',
    revision,
    impersonatorId: actorId,
    subjectId: refreshToken.subjectId,
    clientId: refreshToken.clientId,
    requestedScopes: refreshToken.scopes.filter((scope) => scopes.includes(scope)),
    sessionId: refreshToken.sessionId ?? '',
    ...refreshToken.said,
  } as const
  const place = {
    applicationId: refreshToken.applicationId,
    organizationId: refreshToken.organizationId,
    impersonationId,
  }
  const refuse = async (refused: Refused): Promise<RefreshedImpersonation> => ({
    accessToken: undefined,
    refused,
    writes: await recordRefusal(db, asked, refused, place, trace, now),
  })
  if (!needs.allowRefreshTokens) {
    const message = 'impersonations are not refreshed'
    return refuse({ error: 'access_denied', validator: 'refresh', code: 'refresh_not_allowed', message })
  }
  const decision = await decide(needs, asked, now)
  if (!decision.approved) return refuse(decision.refused)
  const { approved } = decision
  const contributed = await contributedClaims(db, needs.claims, approved, now).catch((error: unknown) => {
    if (error instanceof ContributionFailed) return error
    throw error
  })
  if (contributed instanceof ContributionFailed) {
    needs.contributionFailed(contributed)
    const { contributor: validator, message } = contributed
    return refuse({ error: 'access_denied', validator, code: 'fault', message })
  }
  const approval = redeemApproval(approved, 'exchange')
  const endsAt = earlier(
    plusSeconds(now, accessSeconds(approval, needs.lifetimes)),
    refreshToken.lineageEndsAt,
  )
  const accessToken = await mintImpersonatedAccessToken(
    db,
    needs.issuer,
    approval,
    {
      id: impersonationId,
      lineageId,
      confirmation,
      actor: refreshToken.actor ?? undefined,
      audience: refreshToken.audience,
    },
    contributed,
    endsAt,
    now,
  )
  return {
    accessToken,
    scopes: approval.scopes,
    writes: [
      ...approval.guards,
      ...lineageAlive(db, { id: lineageId, sessionId: refreshToken.sessionId }, now),
      ...accessToken.writes,
      record(db, now, trace, {
        event: 'token-refreshed',
        initiator: actorId,
        target: refreshToken.subjectId,
        data: {
          clientId: refreshToken.clientId,
          subject: refreshToken.subjectId,
          impersonator: actorId,
          scope: approval.scopes.join(' '),
          impersonation: impersonationId,
          tokenId: accessToken.id,
        },
        outcome: 'Success',
        actorId,
        subjectId: refreshToken.subjectId,
        ...place,
      }),
    ],
  }
}
