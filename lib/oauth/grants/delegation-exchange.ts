/**
 * Token exchange (RFC 8693), the delegation branch: an access token of ours is handed on, and whoever acts by an actor
 * token goes on top of its chain of actors (§4.1).
 */
import { numericDate } from '../../tokens/claims.ts'
import type { FoundToken } from '../../tokens/token.ts'
import { tokenTypeOf } from '../dpop.ts'
import { acceptable, actingNow } from './delegation-parties.ts'
import { type DelegationExchangeNeeds, idToken, Refused, read } from './delegation-request.ts'
import type { GrantAnswer, GrantRequest } from './grant.ts'
import { handOn, refused } from './handed-on.ts'

const issue = async (
  needs: DelegationExchangeNeeds,
  request: GrantRequest,
  tokens: ReadonlyMap<string, FoundToken>,
): Promise<GrantAnswer> => {
  const asked = await read(needs, request)
  const { subjectToken, actorToken } = asked
  const presented = tokens.get(subjectToken)
  const subject = await acceptable(needs, request, 'Subject Token', subjectToken, presented, 'access')
  let acting: ReturnType<typeof actingNow> | undefined
  if (actorToken !== undefined) {
    const wanted = asked.actorIsIdToken ? 'id' : 'access'
    const actor = await acceptable(needs, request, 'Actor Token', actorToken, tokens.get(actorToken), wanted)
    acting = actingNow(needs, request, actorToken, actor, subject)
  }
  const { token, scopes, writes } = await handOn(needs, request, asked, subject, acting)
  return {
    response: {
      access_token: token.value,
      issued_token_type: asked.requested,
      scope: scopes.join(' '),
      // RFC 8693 §2.2.1: an ID token opens nothing
      token_type: asked.requested === idToken ? 'N_A' : tokenTypeOf(request.confirmation),
      expires_in: numericDate(token.expiresAt) - numericDate(request.now),
    },
    writes,
  }
}

/** Decides an exchange whose subject token is none of an impersonation; each refusal leaves one audit row. */
export const delegationExchange = async (
  needs: DelegationExchangeNeeds,
  request: GrantRequest,
  tokens: ReadonlyMap<string, FoundToken>,
): Promise<GrantAnswer> => {
  try {
    return await issue(needs, request, tokens)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const subject = tokens.get(request.parameters.get('subject_token') ?? '')
    return refused(needs, request, subject, 'token-exchange', error)
  }
}
