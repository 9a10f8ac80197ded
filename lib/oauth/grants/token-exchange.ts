/**
 * Token exchange (RFC 8693): chooses the branch. A subject token of ours is an impersonation and nothing else, whatever
 * comes with it or is missing; an access token of ours is a delegation.
 */
import { tokenExchangeGrant } from '../../directory/applications.ts'
import { findTokens } from '../../tokens/token.ts'
import { delegationExchange } from './delegation-exchange.ts'
import type { DelegationExchangeNeeds } from './delegation-request.ts'
import { invalid, tokenType } from './exchanged-token.ts'
import type { Grant, GrantAnswer } from './grant.ts'
import { type ImpersonationExchangeNeeds, impersonationExchange } from './impersonation-exchange.ts'

export interface TokenExchangeNeeds extends ImpersonationExchangeNeeds, DelegationExchangeNeeds {
  /** Whether access tokens are exchanged at all, or subject tokens only. */
  readonly delegation: boolean
}

/** What RFC 8693 §2.1 requires: an actor token and its type come together or not at all. */
const missing = (parameters: ReadonlyMap<string, string>): readonly string[] => {
  const acts = parameters.has('actor_token') || parameters.has('actor_token_type')
  const required = [
    'subject_token',
    'subject_token_type',
    ...(acts ? ['actor_token', 'actor_token_type'] : []),
  ]
  return required.filter((name) => !parameters.has(name))
}

/** The grant; registered only while the feature is on. */
export const tokenExchange = (needs: TokenExchangeNeeds): Grant => ({
  type: tokenExchangeGrant,
  async decide(request): Promise<GrantAnswer> {
    const { parameters, now } = request
    const absent = missing(parameters)
    if (absent.length > 0) throw invalid(`Missing parameters: ${absent.join(', ')}`)
    const subjectToken = parameters.get('subject_token') ?? ''
    const actorToken = parameters.get('actor_token')
    const presented =
      actorToken === undefined ? ([subjectToken] as const) : ([subjectToken, actorToken] as const)
    const tokens = await findTokens(needs.db, presented, now)
    // a JWT with an ID token is the form of an impersonation, also when the JWT turns out to be something else
    const formOfImpersonation =
      parameters.get('subject_token_type') === tokenType('jwt') &&
      parameters.get('actor_token_type') === tokenType('id_token')
    const impersonation = tokens.get(subjectToken)?.class === 'subject' || formOfImpersonation
    return impersonation || !needs.delegation
      ? impersonationExchange(needs, request, tokens)
      : delegationExchange(needs, request, tokens)
  },
})
