/**
 * An access token of ours that is handed on, by exchange or by a switch of organizations: it becomes another one of the
 * same subject, on the same lineage, for this client. The chain of actors never shrinks (RFC 8693 §4.1), scopes and
 * lifetime only narrow. One that comes from an impersonation is decided anew, like the impersonation itself.
 */
import { record } from '../../audit.ts'
import type { Write } from '../../database/commit.ts'
import { earlier, plusSeconds } from '../../impersonation/impersonations.ts'
import { actorsOf, clientsOf } from '../../tokens/acceptance.ts'
import type { Minted } from '../../tokens/issuer.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { type Actor, type Clients, type FoundToken, notRevoked } from '../../tokens/token.ts'
import { give, narrowed } from './delegated-token.ts'
import {
  type actingNow,
  allAtWork,
  chainOf,
  extended,
  isOfClient,
  requireProof,
} from './delegation-parties.ts'
import type { Asked, DelegationExchangeNeeds, Refused } from './delegation-request.ts'
import type { GrantAnswer, GrantRequest } from './grant.ts'

/** What is given; `writes` hold every guard and the one audit row. */
export interface HandedOn {
  readonly token: Minted
  readonly scopes: readonly string[]
  readonly writes: readonly Write[]
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

const among = (named: readonly string[], clients: Clients): Clients =>
  Object.fromEntries(Object.entries(clients).filter(([clientId]) => named.includes(clientId)))

/** Mints it, unreleased; `details` go into its audit row. Throws `Refused`. */
export const handOn = async (
  needs: DelegationExchangeNeeds,
  request: GrantRequest,
  asked: Asked,
  subject: FoundToken,
  acting?: ReturnType<typeof actingNow>,
  details: Readonly<Record<string, string>> = {},
): Promise<HandedOn> => {
  const { client, now, trace } = request
  requireProof(request, asked, subject)
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
  return {
    token,
    scopes,
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
          ...details,
        },
        outcome: 'Success',
      }),
    ],
  }
}

/**
 * The answer to one that may not be, with the one audit row that has the true reason. `grant` is who refused where it was
 * no validator. Who knows no more than the id of a public client, and no token of ours, must not be able to fill the audit.
 */
export const refused = (
  { db }: Pick<DelegationExchangeNeeds, 'db'>,
  request: GrantRequest,
  subject: FoundToken | undefined,
  grant: 'token-exchange' | 'organization-switch',
  { answer, reason, validator = grant }: Refused,
): GrantAnswer => {
  const { client, parameters, now, trace } = request
  if (client.oidc.publicClient && !subject) return { refused: answer, writes: [] }
  const row = record(db, now, trace, {
    ...entryOf(request, subject, subject ? chainOf(subject) : null),
    event: 'token-refused',
    initiator: client.clientId,
    data: { clientId: client.clientId, grantType: parameters.get('grant_type'), validator, reason },
    outcome: 'Refused',
  })
  return { refused: answer, writes: [row] }
}
