/**
 * Token exchange (RFC 8693), the delegation branch: an access token of ours becomes another one of the same subject, on
 * the same lineage, for this client. Whoever acts goes on top of the chain of actors (§4.1), which never shrinks; scopes
 * and lifetime only narrow. One that comes from an impersonation is decided anew, like the impersonation itself.
 */
import { record } from '../../audit.ts'
import type { Write } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { type Account, accountIs, findAccount, isActive } from '../../directory/accounts.ts'
import { type Application, findClient } from '../../directory/applications.ts'
import { grantedScopes, impersonationScopes } from '../../directory/permissions.ts'
import { ContributionFailed, contributedClaims } from '../../impersonation/contributed-claims.ts'
import { decide } from '../../impersonation/decide.ts'
import { earlier, plusSeconds } from '../../impersonation/impersonations.ts'
import { actorsOf, peopleAtWork } from '../../tokens/acceptance.ts'
import { mintDelegatedAccessToken, mintImpersonatedAccessToken } from '../../tokens/access-token.ts'
import { redeemApproval } from '../../tokens/approval.ts'
import { numericDate } from '../../tokens/claims.ts'
import { mintIdToken } from '../../tokens/id-token.ts'
import type { Minted } from '../../tokens/issuer.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { subjectIdentifier, subOf } from '../../tokens/subject-identifier.ts'
import { type Actor, type FoundToken, isIssuedTo, notRevoked } from '../../tokens/token.ts'
import { tokenTypeOf } from '../dpop.ts'
import { describable, OAuthError, type OAuthErrorCode } from '../error.ts'
import { readResources } from '../resource.ts'
import { parseScope } from '../scope.ts'
import { provesKey, timesRefusal, tokenType } from './exchanged-token.ts'
import { explainForeignToken } from './foreign-token.ts'
import type { GrantAnswer, GrantRequest } from './grant.ts'
import type { ImpersonationExchangeNeeds } from './impersonation-exchange.ts'

export interface DelegationExchangeNeeds extends ImpersonationExchangeNeeds {
  /** Seconds of an ID token where the application sets none. */
  readonly idTokenSeconds: number
}

/** So many may act one for another; who exchanges in a circle makes no token without end. */
const longestChain = 10

/** What the client hears, and for the audit the true reason. */
class Refused extends Error {
  override readonly name = 'Refused'
  readonly answer: OAuthError
  readonly reason: string
  readonly validator: string
  constructor(answer: OAuthError, reason: string, validator = 'token-exchange') {
    super(answer.message)
    this.answer = answer
    this.reason = reason
    this.validator = validator
  }
}

const no = (code: OAuthErrorCode, reason: string, description: string) =>
  new Refused(new OAuthError(code, describable(description)), reason)

const accessToken = tokenType('access_token')
const jwt = tokenType('jwt')
const idToken = tokenType('id_token')

interface Asked {
  readonly subjectToken: string
  readonly actorToken: string | undefined
  readonly actorIsIdToken: boolean
  readonly requested: string
  readonly scope: readonly string[] | undefined
  /** Undefined for what the subject token is for. */
  readonly audience: readonly string[] | undefined
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
): Promise<readonly string[] | undefined> => {
  const audience = parameters.get('audience')
  const resource = parameters.get('resource')
  if (audience === undefined && resource === undefined) return undefined
  let resources: readonly string[]
  try {
    resources = readResources(resource, client)
  } catch (error) {
    if (error instanceof OAuthError) throw new Refused(error, 'resource_not_authorized')
    throw error
  }
  if (audience === undefined) return resources
  const registered =
    client.resources.has(audience) ||
    (/^[\x20-\x7e]{1,255}$/.test(audience) && (await findClient(db, revision, audience))?.active === true)
  // a row keeps its audience separated by spaces
  if (!registered || audience.includes(' ')) {
    throw no('invalid_target', 'audience_not_registered', `Invalid audience value provided : ${audience}`)
  }
  return [...new Set([audience, ...resources])]
}

const read = async (needs: DelegationExchangeNeeds, request: GrantRequest): Promise<Asked> => {
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
  const audience = await audienceOf(needs, request)
  return { subjectToken, actorToken, actorIsIdToken: actorType === idToken, requested, scope, audience }
}

type Kind = 'Subject Token' | 'Actor Token'

/** A token may be used by the client that it was issued to, and by one that its audience names. */
const isFor = (token: FoundToken, client: Application) =>
  isIssuedTo(token, client) || token.audience.includes(client.clientId)

/** The presented token's row, where it is one that this client may present now. */
const acceptable = async (
  { db, issuer, iatValiditySeconds }: DelegationExchangeNeeds,
  { client, revision, confirmation, now }: GrantRequest,
  kind: Kind,
  value: string,
  token: FoundToken | undefined,
  wanted: FoundToken['class'],
): Promise<FoundToken> => {
  const name = kind.toLowerCase()
  const reason = (rest: string) => `${name.replace(' ', '_')}_${rest}`
  if (token?.class !== wanted) {
    const answer = explainForeignToken(kind, value, issuer.issuer, client.clientId, 'without may_act')
    throw new Refused(answer, reason('unknown'))
  }
  if (!isFor(token, client)) {
    throw no('invalid_target', reason('of_another_client'), `Invalid audience values provided for ${name}.`)
  }
  const late = timesRefusal(token, now, iatValiditySeconds)
  if (late) throw new Refused(late, reason('expired'))
  const issuedTo =
    token.clientId === client.clientId ? client : await findClient(db, revision, token.clientId)
  if (!token.alive || !issuedTo?.active || !isIssuedTo(token, issuedTo)) {
    throw no('invalid_request', reason('ended'), `Invalid ${kind}. ${kind[0]}${name.slice(1)} is not ACTIVE.`)
  }
  if (!provesKey(token, confirmation)) {
    const description = `The ${name} is bound to a key that this request does not prove.`
    throw no('invalid_request', reason('key_unproven'), description)
  }
  return token
}

/**
 * Whoever has a token of a client that proves nothing can say that client's id: by that alone he gets less of the same,
 * never a token for somebody else or an ID token (RFC 8693 §5, RFC 9700 §2.3). A proven key tells him from others.
 */
const requireProof = (
  { client }: GrantRequest,
  { audience, requested }: Asked,
  subject: FoundToken,
): void => {
  if (!client.oidc.publicClient || subject.confirmation !== null) return
  const same = isIssuedTo(subject, client) && (audience ?? []).every((uri) => subject.audience.includes(uri))
  if (same && requested !== idToken) return
  const description = 'A client that does not authenticate exchanges a token for the same audience only.'
  throw no('invalid_target', 'public_client_unproven', description)
}

/** A client that has a token for itself is its own subject. */
const isOfClient = (token: FoundToken) => token.subjectId === token.clientId

/** Who comes to act by his token, guarded to be still signed in. */
const actingNow = (
  { db }: DelegationExchangeNeeds,
  { now }: GrantRequest,
  value: string,
  token: FoundToken,
  subject: FoundToken,
): { readonly id: string; readonly guards: readonly Write[] } => {
  if (token.actor !== null || token.actorId !== null) {
    const description = 'A token in which somebody acts cannot be an actor token.'
    throw no('invalid_request', 'actor_token_delegated', description)
  }
  if (token.subjectId === subject.subjectId) {
    throw no('invalid_request', 'actor_is_subject', 'Actor token and subject token are of the same subject.')
  }
  const { sessionId, lineageId } = token
  const session = sessionId === lineageId ? null : sessionId
  const alive = lineageAlive(db, { id: lineageId, sessionId: session }, now)
  return { id: token.subjectId, guards: [notRevoked(db, value, token), ...alive] }
}

/** The guards that everybody of the chain, put on top or long below, is still at work. */
const allAtWork = async (db: Db, revision: number, chain: Actor | null): Promise<readonly Write[]> => {
  const people = await peopleAtWork(db, revision, actorsOf(chain))
  if (!people) throw no('access_denied', 'actor_inactive', 'Actor account is inactive.')
  return people.map((account) => accountIs(db, account))
}

/** Everybody who acts, the current one outermost; a row of before has the impersonator's id alone. */
const chainOf = (token: FoundToken): Actor | null =>
  token.actor ?? (token.actorId === null ? null : { sub: token.actorId })

const lengthOf = (chain: Actor | null | undefined): number => (chain ? 1 + lengthOf(chain.act) : 0)

const extended = (chain: Actor | null, actorId: string | undefined): Actor | null => {
  if (actorId === undefined || chain?.sub === actorId) return chain
  if (lengthOf(chain) >= longestChain) {
    throw no('invalid_request', 'actor_chain_too_long', 'Too many act one for another already.')
  }
  return chain === null ? { sub: actorId } : { sub: actorId, act: chain }
}

/** What is left of the subject token's scopes. Asking for none that it has is an error, asking for more is not. */
const narrowed = (scopes: readonly string[], asked: readonly string[] | undefined): readonly string[] => {
  if (asked === undefined) return scopes
  const kept = scopes.filter((scope) => asked.includes(scope))
  if (asked.length > 0 && kept.length === 0) {
    throw no(
      'invalid_scope',
      'scope_not_in_subject_token',
      'The subject token has none of the requested scopes.',
    )
  }
  return kept
}

interface Decided {
  readonly needs: DelegationExchangeNeeds
  readonly request: GrantRequest
  readonly asked: Asked
  readonly subject: FoundToken
  readonly chain: Actor | null
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  readonly endsAt: Date
}

interface Given {
  readonly token: Minted
  readonly scopes: readonly string[]
  readonly guards: readonly Write[]
}

/** From an impersonated token: whoever acts on top, the impersonator must still be allowed to, in this application. */
const impersonated = async (
  given: Decided,
  impersonationId: string,
  impersonatorId: string,
): Promise<Given> => {
  const { needs, request, asked, subject, chain, endsAt } = given
  const { db } = needs
  const decision = await decide(
    needs,
    {
      phase: 'exchange',
      revision: request.revision,
      impersonatorId,
      subjectId: subject.subjectId,
      clientId: request.client.clientId,
      requestedScopes: given.scopes,
      sessionId: subject.sessionId ?? '',
      reason: request.parameters.get('reason'),
    },
    request.now,
  )
  if (!decision.approved) {
    const { error, code, validator } = decision.refused
    const answer =
      error === 'unauthorized_client'
        ? new OAuthError(
            error,
            'The authenticated client is not authorized to use this authorization grant type',
          )
        : new OAuthError('invalid_request', 'The impersonation was refused.')
    throw new Refused(answer, code, validator)
  }
  const contributed = await contributedClaims(db, needs.claims, decision.approved, request.now).catch(
    (error: unknown) => {
      if (!(error instanceof ContributionFailed)) throw error
      needs.contributionFailed(error)
      const answer = new OAuthError('invalid_request', 'The impersonation was refused.')
      throw new Refused(answer, 'fault', error.contributor)
    },
  )
  const approval = redeemApproval(decision.approved, 'exchange')
  const token = await mintImpersonatedAccessToken(
    db,
    needs.issuer,
    approval,
    {
      id: impersonationId,
      lineageId: subject.lineageId,
      confirmation: request.confirmation,
      actor: chain ?? undefined,
      audience: given.audience,
      jwt: asked.requested === jwt,
      follows: subject.id,
    },
    contributed,
    endsAt,
    request.now,
  )
  return { token, scopes: approval.scopes, guards: approval.guards }
}

/** An ID token says who signed in; it has no place for whoever acts, and is for the client of the sign-in alone. */
const identity = async (
  { needs, request, asked, subject, chain, scopes, endsAt }: Decided,
  account: Account,
): Promise<Minted> => {
  const { client, now } = request
  const { sessionId, context } = subject
  const sensible =
    chain === null &&
    subject.clientId === client.clientId &&
    asked.audience === undefined &&
    scopes.includes('openid') &&
    sessionId !== null &&
    context.authTime !== undefined
  if (!sensible) {
    const description = `Unsupported requested token type : ${idToken} for this subject token`
    throw no('invalid_request', 'unsupported_token_type', description)
  }
  const signIn = {
    accountId: account.id,
    sessionId,
    authenticatedAt: new Date(context.authTime * 1000),
    sub: await subOf(needs.db, client, subject),
    lineageId: subject.lineageId,
  }
  return mintIdToken(
    needs.db,
    needs.issuer,
    client,
    needs.organization,
    signIn,
    { acr: context.acr, endsAt },
    needs.idTokenSeconds,
    now,
  )
}

/** From a user's token: what his roles give him in this application. */
const ofUser = async (given: Decided): Promise<Given> => {
  const { needs, request, asked, subject, chain, audience, endsAt } = given
  const { client, revision, now } = request
  const { db } = needs
  const account = await findAccount(db, subject.subjectId)
  if (!account || !isActive(account)) {
    throw no('invalid_request', 'subject_inactive', 'Invalid Subject Token. Subject token is not ACTIVE.')
  }
  const granted = await grantedScopes(db, revision, account, client, given.scopes)
  // nobody hands on the power to impersonate
  const scopes = given.scopes.filter((scope) => granted.has(scope) && !impersonationScopes.has(scope))
  const guards = [accountIs(db, account)]
  if (asked.requested === idToken)
    return { token: await identity({ ...given, scopes }, account), scopes, guards }
  const own = subject.clientId === client.clientId
  const sub = await (own ? subOf(db, client, subject) : subjectIdentifier(db, client, account.id))
  const { nonce: _, ...context } = subject.context
  const { authTime, acr } = context
  const token = await mintDelegatedAccessToken(
    db,
    needs.issuer,
    {
      application: client,
      organization: needs.organization,
      subjectId: account.id,
      sub,
      aut: 'APPLICATION_USER',
      actor: chain,
      lineageId: subject.lineageId,
      sessionId: subject.sessionId,
      scopes,
      audience,
      confirmation: request.confirmation,
      context: own ? { ...context, sub } : { authTime, acr, sub },
      jwt: asked.requested === jwt,
      follows: subject.id,
    },
    endsAt,
    now,
  )
  return { token, scopes, guards }
}

/** From a client's own token, by that client: less of the same. */
const ofClient = async (given: Decided): Promise<Given> => {
  const { needs, request, asked, subject, chain, audience, endsAt } = given
  const { client, now } = request
  if (subject.clientId !== client.clientId || asked.requested === idToken) {
    const description = 'What a client has for itself is exchanged by that client for an access token only.'
    throw no('invalid_request', 'subject_token_of_a_client', description)
  }
  const scopes = given.scopes.filter((scope) => client.scopes.has(scope))
  const token = await mintDelegatedAccessToken(
    needs.db,
    needs.issuer,
    {
      application: client,
      organization: needs.organization,
      subjectId: client.clientId,
      sub: client.clientId,
      aut: 'APPLICATION',
      actor: chain,
      lineageId: subject.lineageId,
      sessionId: subject.sessionId,
      scopes,
      audience,
      confirmation: request.confirmation,
      context: {},
      jwt: asked.requested === jwt,
      follows: subject.id,
    },
    endsAt,
    now,
  )
  return { token, scopes, guards: [] }
}

const give = (given: Decided): Promise<Given> => {
  const { subject, asked } = given
  if (subject.impersonationId !== null && subject.actorId !== null) {
    if (asked.requested === idToken) {
      const description = `Unsupported requested token type : ${idToken} for this subject token`
      throw no('invalid_request', 'unsupported_token_type', description)
    }
    return impersonated(given, subject.impersonationId, subject.actorId)
  }
  return isOfClient(subject) ? ofClient(given) : ofUser(given)
}

const entryOf = (request: GrantRequest, subject: FoundToken | undefined, actor: Actor | null) => ({
  initiator: actor?.sub ?? request.client.clientId,
  target: subject?.subjectId ?? request.client.clientId,
  actorId: actor?.sub,
  subjectId: subject?.subjectId,
  applicationId: request.client.id,
  organizationId: request.client.organizationId,
  impersonationId: subject?.impersonationId ?? undefined,
})

const issue = async (
  needs: DelegationExchangeNeeds,
  request: GrantRequest,
  tokens: ReadonlyMap<string, FoundToken>,
): Promise<GrantAnswer> => {
  const { client, now, trace } = request
  const asked = await read(needs, request)
  const presentedSubject = tokens.get(asked.subjectToken)
  const subject = await acceptable(
    needs,
    request,
    'Subject Token',
    asked.subjectToken,
    presentedSubject,
    'access',
  )
  requireProof(request, asked, subject)
  let acting: ReturnType<typeof actingNow> | undefined
  if (asked.actorToken !== undefined) {
    const wanted = asked.actorIsIdToken ? 'id' : 'access'
    const presented = tokens.get(asked.actorToken)
    const token = await acceptable(needs, request, 'Actor Token', asked.actorToken, presented, wanted)
    acting = actingNow(needs, request, asked.actorToken, token, subject)
  }
  const chain = extended(chainOf(subject), acting?.id)
  const atWork = await allAtWork(needs.db, request.revision, chain)
  const seconds =
    (isOfClient(subject)
      ? client.oidc.accessToken.applicationAccessTokenExpiryInSeconds
      : client.oidc.accessToken.userAccessTokenExpiryInSeconds) || needs.lifetimes.userAccessTokenSeconds
  const parent = earlier(subject.expiresAt, subject.lineageEndsAt)
  const { token, scopes, guards } = await give({
    needs,
    request,
    asked,
    subject,
    chain,
    scopes: narrowed(subject.scopes, asked.scope),
    audience: asked.audience ?? (subject.clientId === client.clientId ? subject.audience : []),
    endsAt: earlier(plusSeconds(now, seconds), parent),
  })
  const isIdToken = asked.requested === idToken
  return {
    response: {
      access_token: token.value,
      issued_token_type: asked.requested,
      scope: scopes.join(' '),
      // RFC 8693 §2.2.1: an ID token opens nothing
      token_type: isIdToken ? 'N_A' : tokenTypeOf(request.confirmation),
      expires_in: numericDate(token.expiresAt) - numericDate(now),
    },
    writes: [
      ...guards,
      ...atWork,
      ...(acting?.guards ?? []),
      notRevoked(needs.db, asked.subjectToken, subject),
      ...lineageAlive(needs.db, { id: subject.lineageId, sessionId: subject.sessionId }, now),
      ...token.writes,
      record(needs.db, now, trace, {
        ...entryOf(request, subject, chain),
        event: 'delegated-token-issued',
        data: {
          clientId: client.clientId,
          subject: subject.subjectId,
          ...(chain === null ? {} : { act: chain }),
          scope: scopes.join(' '),
          ...(asked.audience === undefined ? {} : { audience: asked.audience.join(' ') }),
          tokenType: asked.requested,
          from: subject.id,
          tokenId: token.id,
        },
        outcome: 'Success',
      }),
    ],
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
    const { client, parameters, now, trace } = request
    const subject = tokens.get(parameters.get('subject_token') ?? '')
    const chain = subject ? chainOf(subject) : null
    const row = record(needs.db, now, trace, {
      ...entryOf(request, subject, chain),
      event: 'token-refused',
      initiator: client.clientId,
      data: {
        clientId: client.clientId,
        grantType: parameters.get('grant_type'),
        validator: error.validator,
        reason: error.reason,
      },
      outcome: 'Refused',
    })
    return { refused: error.answer, writes: [row] }
  }
}
