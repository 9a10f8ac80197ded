/**
 * Token exchange (RFC 8693), the delegation branch: an access token of ours becomes another one of the same subject, on
 * the same lineage, for this client. Whoever acts goes on top of the chain of actors (§4.1), which never shrinks; scopes
 * and lifetime only narrow. One that comes from an impersonation is decided anew, like the impersonation itself.
 */
import { record } from '../../audit.ts'
import { earlier, plusSeconds } from '../../impersonation/impersonations.ts'
import { actorsOf, clientsOf } from '../../tokens/acceptance.ts'
import { numericDate } from '../../tokens/claims.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { type Actor, type Clients, type FoundToken, notRevoked } from '../../tokens/token.ts'
import { tokenTypeOf } from '../dpop.ts'
import { give, narrowed } from './delegated-token.ts'
import {
  acceptable,
  actingNow,
  allAtWork,
  chainOf,
  extended,
  isOfClient,
  requireProof,
} from './delegation-parties.ts'
import { type DelegationExchangeNeeds, idToken, Refused, read } from './delegation-request.ts'
import type { GrantAnswer, GrantRequest } from './grant.ts'

const entryOf = (request: GrantRequest, subject: FoundToken | undefined, actor: Actor | null) => ({
  initiator: actor?.sub ?? request.client.clientId,
  target: subject?.subjectId ?? request.client.clientId,
  actorId: actor?.sub,
  subjectId: subject?.subjectId,
  applicationId: request.client.id,
  organizationId: request.client.organizationId,
  impersonationId: subject?.impersonationId ?? undefined,
})

const among = (named: readonly string[], clients: Clients): Clients =>
  Object.fromEntries(Object.entries(clients).filter(([clientId]) => named.includes(clientId)))

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
  const before = clientsOf(subject)
  // who acts already is the client that it was then, whatever a newcomer of the same id brings
  const actors = { ...acting?.clients, ...among(actorsOf(chainOf(subject)), before) }
  const atWork = await allAtWork(needs.db, request.revision, chain, actors)
  const audience = asked.audience ?? (subject.clientId === client.clientId ? subject.audience : [])
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
    audience,
    clients: { ...among(audience, { ...before, ...asked.clients }), ...actors },
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
