/**
 * What a delegation asks for (RFC 8693 §2.1): its tokens by their types, the target and the scopes, none of which is
 * believed yet; and how it is refused, with the true reason for the audit.
 */
import { findClient } from '../../directory/applications.ts'
import type { Clients } from '../../tokens/token.ts'
import { describable, OAuthError, type OAuthErrorCode } from '../error.ts'
import { readResources } from '../resource.ts'
import { parseScope } from '../scope.ts'
import { tokenType } from './exchanged-token.ts'
import type { GrantRequest } from './grant.ts'
import type { ImpersonationExchangeNeeds } from './impersonation-exchange.ts'

/** What the branch needs of the server. */
export interface DelegationExchangeNeeds extends ImpersonationExchangeNeeds {
  /** Seconds of an ID token where the application sets none. */
  readonly idTokenSeconds: number
}

/** What the client hears, and for the audit the true reason. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly answer: OAuthError
  readonly reason: string
  /** Undefined where the grant itself refuses. */
  readonly validator: string | undefined
  constructor(answer: OAuthError, reason: string, validator?: string) {
    super(answer.message)
    this.answer = answer
    this.reason = reason
    this.validator = validator
  }
}

/** A refusal in the words of RFC 8693 §2.2.2; `reason` is for the audit. */
export const no = (code: OAuthErrorCode, reason: string, description: string) =>
  new Refused(new OAuthError(code, describable(description)), reason)

/** The token types of RFC 8693 §3 that are taken here. */
export const accessToken = tokenType('access_token')
export const jwt = tokenType('jwt')
export const idToken = tokenType('id_token')

/** The parameters, read. */
export interface Asked {
  readonly subjectToken: string
  readonly actorToken: string | undefined
  readonly actorIsIdToken: boolean
  readonly requested: string
  readonly scope: readonly string[] | undefined
  /** Undefined for what the subject token is for. */
  readonly audience: readonly string[] | undefined
  /** The client among its audience. */
  readonly clients: Clients
}

const isJwt = (value: string) => /^[^.]+\.[^.]+\.[^.]+$/.test(value)

/** A token's type among those allowed; whoever says `jwt` brings one. */
const typed = (kind: 'subject' | 'actor', type: string, value: string, allowed: readonly string[]) => {
  if (!allowed.includes(type)) {
    throw no('invalid_request', 'unsupported_token_type', `Unsupported ${kind} token type : ${type} provided`)
  }
  if (type === jwt && !isJwt(value)) {
    throw no('invalid_request', 'unsupported_token_type', `The ${kind} token is no JWT, as its type says.`)
  }
}

/** Whom it is for: an API that the application is authorized for, or the client that goes on with it. */
const audienceOf = async (
  { db }: DelegationExchangeNeeds,
  { parameters, client, revision }: GrantRequest,
): Promise<Pick<Asked, 'audience' | 'clients'>> => {
  const audience = parameters.get('audience')
  const resource = parameters.get('resource')
  if (audience === undefined && resource === undefined) return { audience: undefined, clients: {} }
  let resources: readonly string[]
  try {
    resources = readResources(resource, client)
  } catch (error) {
    if (error instanceof OAuthError) throw new Refused(error, 'resource_not_authorized')
    throw error
  }
  if (audience === undefined) return { audience: resources, clients: {} }
  const isApi = client.resources.has(audience)
  const other =
    isApi || !/^[\x20-\x7e]{1,255}$/.test(audience) ? undefined : await findClient(db, revision, audience)
  // a row keeps its audience separated by spaces
  if (!(isApi || other?.active) || audience.includes(' ')) {
    throw no('invalid_target', 'audience_not_registered', `Invalid audience value provided : ${audience}`)
  }
  return { audience: [...new Set([audience, ...resources])], clients: other ? { [audience]: other.id } : {} }
}

/** Reads them. Throws `Refused` for what is not taken, OAuthError for a malformed `resource`. */
export const read = async (needs: DelegationExchangeNeeds, request: GrantRequest): Promise<Asked> => {
  const { parameters } = request
  const subjectToken = parameters.get('subject_token') ?? ''
  typed('subject', parameters.get('subject_token_type') ?? '', subjectToken, [accessToken, jwt])
  const actorToken = parameters.get('actor_token')
  const actorType = parameters.get('actor_token_type') ?? ''
  if (actorToken !== undefined) typed('actor', actorType, actorToken, [accessToken, jwt, idToken])
  const requested = parameters.get('requested_token_type') ?? accessToken
  if (![accessToken, jwt, idToken].some((known) => known === requested)) {
    const description = `Unsupported requested token type : ${requested} provided`
    throw no('invalid_request', 'unsupported_token_type', description)
  }
  const scope = parameters.has('scope') ? parseScope(parameters.get('scope')) : undefined
  if (parameters.has('scope') && scope === undefined)
    throw no('invalid_scope', 'malformed_scope', 'Invalid Scope!')
  const target = await audienceOf(needs, request)
  return { subjectToken, actorToken, actorIsIdToken: actorType === idToken, requested, scope, ...target }
}
