/** The token that a delegation gives, by what it comes from: an impersonation, a user, or the client itself. */
import type { Write } from '../../database/commit.ts'
import { type Account, accountIs, findAccount, isActive } from '../../directory/accounts.ts'
import { grantedScopes, impersonationScopes } from '../../directory/permissions.ts'
import { ContributionFailed, contributedClaims } from '../../impersonation/contributed-claims.ts'
import { decide } from '../../impersonation/decide.ts'
import { mintDelegatedAccessToken, mintImpersonatedAccessToken } from '../../tokens/access-token.ts'
import { redeemApproval } from '../../tokens/approval.ts'
import { mintIdToken } from '../../tokens/id-token.ts'
import type { Minted } from '../../tokens/issuer.ts'
import { subjectIdentifier, subOf } from '../../tokens/subject-identifier.ts'
import type { Actor, Clients, FoundToken } from '../../tokens/token.ts'
import { OAuthError } from '../error.ts'
import { isOfClient } from './delegation-parties.ts'
import { type Asked, type DelegationExchangeNeeds, idToken, jwt, no, Refused } from './delegation-request.ts'
import type { GrantRequest } from './grant.ts'

/** What is left of the subject token's scopes. Asking for none that it has is an error, asking for more is not. */
export const narrowed = (
  scopes: readonly string[],
  asked: readonly string[] | undefined,
): readonly string[] => {
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

/** An exchange that may happen, before its scopes are judged. */
export interface Decided {
  readonly needs: DelegationExchangeNeeds
  readonly request: GrantRequest
  readonly asked: Asked
  readonly subject: FoundToken
  readonly chain: Actor | null
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  /** Those that chain and audience name. */
  readonly clients: Clients
  readonly endsAt: Date
}

/** What is given, and what must still hold when it is committed. */
export interface Given {
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
      ...subject.said,
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
      clients: given.clients,
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
  const { needs, request, asked, subject, chain, audience, clients, endsAt } = given
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
      context: own ? { ...context, sub, clients } : { authTime, acr, sub, clients },
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
  const { needs, request, asked, subject, chain, audience, clients, endsAt } = given
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
      context: { clients },
      jwt: asked.requested === jwt,
      follows: subject.id,
    },
    endsAt,
    now,
  )
  return { token, scopes, guards: [] }
}

/** Mints it, unreleased. Throws `Refused`. */
export const give = (given: Decided): Promise<Given> => {
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
