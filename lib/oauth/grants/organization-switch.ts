/**
 * Switching an access token to an organization (`grant_type=organization_switch`, facts/impersonation.md §5): the same
 * subject, the same actors, the same lineage, and scopes by RBAC anew. The only organization that there is so far is the
 * root; whoever names another one is told that there is none.
 */
import { numericDate } from '../../tokens/claims.ts'
import { type FoundToken, findToken, isIssuedTo } from '../../tokens/token.ts'
import { tokenTypeOf } from '../dpop.ts'
import { OAuthError } from '../error.ts'
import { parseScope } from '../scope.ts'
import { acceptable } from './delegation-parties.ts'
import { type Asked, accessToken, type DelegationExchangeNeeds, no, Refused } from './delegation-request.ts'
import { invalid } from './exchanged-token.ts'
import type { Grant, GrantAnswer, GrantRequest } from './grant.ts'
import { handOn, refused } from './handed-on.ts'

const required = ['token', 'switching_organization'] as const

/** What is presented may be as old as it lives. */
const anyAge = Number.POSITIVE_INFINITY

/** The parameters, read. Throws `Refused` for what is not taken. */
const read = (needs: DelegationExchangeNeeds, { parameters }: GrantRequest): Asked => {
  const organization = parameters.get('switching_organization') ?? ''
  if (organization !== needs.organization.id) {
    throw no('invalid_request', 'organization_unknown', `Invalid organization id: ${organization}`)
  }
  const scope = parameters.has('scope') ? parseScope(parameters.get('scope')) : undefined
  if (parameters.has('scope') && scope === undefined)
    throw no('invalid_scope', 'malformed_scope', 'Invalid Scope!')
  return {
    subjectToken: parameters.get('token') ?? '',
    actorToken: undefined,
    actorIsIdToken: false,
    requested: accessToken,
    scope,
    audience: undefined,
    clients: {},
  }
}

/**
 * The token's row, where it was issued to this client and may be presented now; the client hears one answer for every
 * reason why not. One that is for this client and was issued to another is exchanged (RFC 8693), where that is on.
 */
const presentable = async (
  needs: DelegationExchangeNeeds,
  request: GrantRequest,
  value: string,
  token: FoundToken | undefined,
): Promise<FoundToken> => {
  try {
    const ageless = { ...needs, iatValiditySeconds: anyAge }
    const subject = await acceptable(ageless, request, 'Subject Token', value, token, 'access')
    if (isIssuedTo(subject, request.client)) return subject
    throw no('invalid_target', 'subject_token_of_another_client', 'It was issued to another client.')
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const answer = new OAuthError('invalid_grant', 'Invalid token received.')
    throw new Refused(answer, error.reason)
  }
}

export const organizationSwitch = (needs: DelegationExchangeNeeds): Grant => ({
  type: 'organization_switch',
  async decide(request): Promise<GrantAnswer> {
    const { parameters, now } = request
    const missing = required.filter((name) => !parameters.has(name))
    if (missing.length > 0) throw invalid(`Missing parameters: ${missing.join(', ')}`)
    const presented = await findToken(needs.db, parameters.get('token') ?? '', now)
    try {
      const asked = read(needs, request)
      const subject = await presentable(needs, request, asked.subjectToken, presented)
      const organization = { organization: needs.organization.id }
      const { token, scopes, writes } = await handOn(needs, request, asked, subject, undefined, organization)
      return {
        response: {
          access_token: token.value,
          scope: scopes.join(' '),
          token_type: tokenTypeOf(request.confirmation),
          expires_in: numericDate(token.expiresAt) - numericDate(now),
        },
        writes,
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return refused(needs, request, presented, 'organization-switch', error)
    }
  },
})
