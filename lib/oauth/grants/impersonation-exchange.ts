/**
 * Token exchange (RFC 8693), the impersonation branch: a subject token of ours and the actor's ID token of the same
 * sign-in become the impersonated access token, once (facts/impersonation.md §4, stricter where design.md §7 says so).
 */
import type { Db } from '../../database/connect.ts'
import {
  type ClaimsContributor,
  ContributionFailed,
  contributedClaims,
} from '../../impersonation/contributed-claims.ts'
import { type Asked, type DecideNeeds, decide, type Refused } from '../../impersonation/decide.ts'
import { type ImpersonationNeeds, startImpersonation } from '../../impersonation/impersonations.ts'
import { recordRefusal } from '../../impersonation/refusal.ts'
import { numericDate } from '../../tokens/claims.ts'
import { type FoundToken, isIssuedTo } from '../../tokens/token.ts'
import { tokenTypeOf } from '../dpop.ts'
import { describable, OAuthError } from '../error.ts'
import { answersChallenge } from '../pkce.ts'
import { parseScope } from '../scope.ts'
import { invalid, provesKey, timesRefusal, tokenType } from './exchanged-token.ts'
import { explainForeignToken } from './foreign-token.ts'
import type { GrantAnswer, GrantRequest } from './grant.ts'

export interface ImpersonationExchangeNeeds extends DecideNeeds, ImpersonationNeeds {
  readonly db: Db
  /** Further claims of the access token. */
  readonly claims: readonly ClaimsContributor[]
  /** Told when one of them fails; the client hears of a refusal. */
  contributionFailed(error: ContributionFailed): void
  /** A token issued longer ago than this many seconds is refused. */
  readonly iatValiditySeconds: number
}

/** One answer, whether a rule refuses or what it would refuse has ended the impersonation (design.md §7, invariant 8). */
const refusal = () => invalid('The impersonation was refused.')

interface Presented {
  readonly subjectToken: string
  readonly actorToken: string
  readonly issuedTokenType: string
  readonly scope: readonly string[] | undefined
  readonly verifier: string | undefined
}

const required = ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'] as const

/** The request's parameters. One that is missing never selects a weaker mode. */
const read = (parameters: ReadonlyMap<string, string>): Presented => {
  const missing = required.filter((name) => !parameters.has(name))
  if (missing.length > 0) throw invalid(`Missing parameters: ${missing.join(', ')}`)
  const [subjectToken = '', subjectType = '', actorToken = '', actorType = ''] = required.map((name) =>
    parameters.get(name),
  )
  const requested = parameters.get('requested_token_type')
  if (subjectType !== tokenType('jwt')) {
    throw invalid(describable(`Unsupported subject token type : ${subjectType} provided`))
  }
  if (actorType !== tokenType('id_token') && actorType !== tokenType('jwt')) {
    throw invalid(describable(`Unsupported actor token type : ${actorType} provided`))
  }
  if (requested !== undefined && requested !== tokenType('access_token') && requested !== tokenType('jwt')) {
    throw invalid(describable(`Unsupported requested token type : ${requested} provided`))
  }
  for (const name of ['audience', 'resource']) {
    if (parameters.has(name)) {
      throw new OAuthError('invalid_target', `The ${name} parameter is not supported for an impersonation.`)
    }
  }
  const scope = parameters.has('scope') ? parseScope(parameters.get('scope')) : undefined
  if (parameters.has('scope') && scope === undefined) throw new OAuthError('invalid_scope', 'Invalid Scope!')
  return {
    subjectToken,
    actorToken,
    issuedTokenType: requested ?? tokenType('jwt'),
    scope,
    verifier: parameters.get('code_verifier'),
  }
}

type Judged = { readonly error: OAuthError; readonly code: string }

const judged = (error: OAuthError | undefined, code: string): Judged | undefined => error && { error, code }

const judgeSubject = (
  token: FoundToken,
  { client, confirmation, now }: GrantRequest,
  verifier: string | undefined,
  iatValiditySeconds: number,
): Judged | undefined => {
  const times = judged(timesRefusal(token, now, iatValiditySeconds), 'subject_token_expired')
  if (times) return times
  if (!isIssuedTo(token, client)) {
    const error = new OAuthError('invalid_target', 'Invalid audience values provided for subject token.')
    return { error, code: 'subject_token_of_another_client' }
  }
  if (token.startedAt !== null) {
    const error = invalid('Invalid Subject Token. Subject token was exchanged already.')
    return { error, code: 'subject_token_spent' }
  }
  if (!token.alive) return { error: refusal(), code: 'subject_token_ended' }
  if (!provesKey(token, confirmation)) {
    const error = invalid('The subject token is bound to a key that this request does not prove.')
    return { error, code: 'subject_token_key_unproven' }
  }
  const { codeChallenge } = token
  const proven =
    codeChallenge === null
      ? verifier === undefined && !client.oidc.publicClient
      : verifier !== undefined && answersChallenge(verifier, codeChallenge)
  if (proven) return undefined
  const error = new OAuthError('invalid_grant', 'code_verifier does not answer the code_challenge.')
  return { error, code: 'pkce_failed' }
}

const judgeActor = (
  token: FoundToken | undefined,
  value: string,
  subject: FoundToken,
  { client, now }: GrantRequest,
  { issuer, iatValiditySeconds }: ImpersonationExchangeNeeds,
): Judged | undefined => {
  if (token?.class !== 'id') {
    const error = explainForeignToken('Actor Token', value, issuer.issuer, client.clientId)
    return { error, code: 'actor_token_unknown' }
  }
  if (token.subjectId !== subject.actorId) {
    return { error: invalid('Subject of actor token and subject are different.'), code: 'actor_differs' }
  }
  const times = judged(timesRefusal(token, now, iatValiditySeconds), 'actor_token_expired')
  if (times) return times
  if (!isIssuedTo(token, client)) {
    const error = new OAuthError('invalid_target', 'Invalid audience values provided for actor token.')
    return { error, code: 'actor_token_of_another_client' }
  }
  if (token.actorId !== null) {
    return {
      error: invalid('An impersonated token cannot be an actor token.'),
      code: 'actor_token_impersonated',
    }
  }
  if (token.sessionId !== subject.sessionId) {
    const error = invalid('Actor token and subject token are not of one sign-in session.')
    return { error, code: 'actor_token_of_another_session' }
  }
  if (!token.alive)
    return { error: invalid('Invalid Actor Token. Actor token is not ACTIVE.'), code: 'actor_token_ended' }
  return undefined
}

/** `scope` may narrow what the subject token carries; extras are dropped, never an error. */
const narrowed = (scopes: readonly string[], asked: readonly string[] | undefined) =>
  asked === undefined ? scopes : scopes.filter((scope) => asked.includes(scope))

/** Decides an exchange that has a subject token, or the form of an exchange of one. */
export const impersonationExchange = async (
  needs: ImpersonationExchangeNeeds,
  request: GrantRequest,
  tokens: ReadonlyMap<string, FoundToken>,
): Promise<GrantAnswer> => {
  const { client, now, trace } = request
  const { db } = needs
  const presented = read(request.parameters)
  const subject = tokens.get(presented.subjectToken)
  if (subject?.class !== 'subject' || subject.actorId === null || subject.impersonationId === null) {
    throw explainForeignToken('Subject Token', presented.subjectToken, needs.issuer.issuer, client.clientId)
  }
  const { actorId, impersonationId } = subject
  const asked: Asked = {
    phase: 'exchange',
    revision: request.revision,
    impersonatorId: actorId,
    subjectId: subject.subjectId,
    clientId: client.clientId,
    requestedScopes: narrowed(subject.scopes, presented.scope),
    sessionId: subject.sessionId ?? '',
    ...subject.said,
  }
  const place = { applicationId: client.id, organizationId: subject.organizationId, impersonationId }
  const refuse = async (error: OAuthError, why: Omit<Refused, 'error'>): Promise<GrantAnswer> => ({
    refused: error,
    writes: await recordRefusal(db, asked, why, place, trace, now),
  })
  const bad =
    judgeSubject(subject, request, presented.verifier, needs.iatValiditySeconds) ??
    judgeActor(tokens.get(presented.actorToken), presented.actorToken, subject, request, needs)
  if (bad)
    return refuse(bad.error, { validator: 'token-exchange', code: bad.code, message: bad.error.message })
  const decision = await decide(needs, asked, now)
  if (!decision.approved) {
    const error =
      decision.refused.error === 'unauthorized_client'
        ? new OAuthError(
            'unauthorized_client',
            'The authenticated client is not authorized to use this authorization grant type',
          )
        : refusal()
    return refuse(error, decision.refused)
  }
  const contributed = await contributedClaims(db, needs.claims, decision.approved, now).catch(
    (error: unknown) => {
      if (error instanceof ContributionFailed) return error
      throw error
    },
  )
  if (contributed instanceof ContributionFailed) {
    needs.contributionFailed(contributed)
    const { contributor: validator, message } = contributed
    return refuse(refusal(), { validator, code: 'fault', message })
  }
  const started = await startImpersonation(
    needs,
    decision.approved,
    { ...subject, impersonationId },
    trace,
    now,
    contributed,
    request.confirmation,
  )
  return {
    response: {
      access_token: started.accessToken.value,
      issued_token_type: presented.issuedTokenType,
      ...(started.refreshToken === undefined ? {} : { refresh_token: started.refreshToken }),
      scope: started.scopes.join(' '),
      token_type: tokenTypeOf(request.confirmation),
      expires_in: numericDate(started.accessToken.expiresAt) - numericDate(now),
    },
    writes: started.writes,
  }
}
