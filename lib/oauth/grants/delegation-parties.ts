/**
 * Who stands behind the tokens of a delegation: whether this client may present them and proves their keys, who comes to
 * act, and the chain of actors (RFC 8693 §4.1), everybody of which is still at work.
 */
import type { Write } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { accountIs } from '../../directory/accounts.ts'
import { type Application, findClient } from '../../directory/applications.ts'
import { actorsOf, peopleAtWork } from '../../tokens/acceptance.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import {
  type Actor,
  type Clients,
  type FoundToken,
  isIssuedTo,
  isMadeFor,
  notRevoked,
} from '../../tokens/token.ts'
import { type Asked, type DelegationExchangeNeeds, idToken, no, Refused } from './delegation-request.ts'
import { provesKey, timesRefusal } from './exchanged-token.ts'
import { explainForeignToken } from './foreign-token.ts'
import type { GrantRequest } from './grant.ts'

/** So many may act one for another; who exchanges in a circle makes no token without end. */
const longestChain = 10

type Kind = 'Subject Token' | 'Actor Token'

/** A token may be used by the client that it was issued to, and by one that its audience names. */
const isFor = (token: FoundToken, client: Application) =>
  isIssuedTo(token, client) || isMadeFor(token, client)

/** The presented token's row, where it is one that this client may present now. */
export const acceptable = async (
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
export const requireProof = (
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
export const isOfClient = (token: FoundToken) => token.subjectId === token.clientId

/** Who comes to act by his token, guarded to be still signed in. */
export const actingNow = (
  { db }: DelegationExchangeNeeds,
  { now }: GrantRequest,
  value: string,
  token: FoundToken,
  subject: FoundToken,
): { readonly id: string; readonly clients: Clients; readonly guards: readonly Write[] } => {
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
  const clients = isOfClient(token) ? { [token.clientId]: token.applicationId } : {}
  return { id: token.subjectId, clients, guards: [notRevoked(db, value, token), ...alive] }
}

/** The guards that everybody of the chain, put on top or long below, is still at work. */
export const allAtWork = async (
  db: Db,
  revision: number,
  chain: Actor | null,
  clients: Clients,
): Promise<readonly Write[]> => {
  const people = await peopleAtWork(db, revision, actorsOf(chain), clients)
  if (!people) throw no('access_denied', 'actor_inactive', 'Actor account is inactive.')
  return people.map((account) => accountIs(db, account))
}

/** Everybody who acts, the current one outermost; a row of before has the impersonator's id alone. */
export const chainOf = (token: FoundToken): Actor | null =>
  token.actor ?? (token.actorId === null ? null : { sub: token.actorId })

const lengthOf = (chain: Actor | null | undefined): number => (chain ? 1 + lengthOf(chain.act) : 0)

/** The chain with `actorId` on top; the current actor again leaves it as it is. Throws `Refused` for one too long. */
export const extended = (chain: Actor | null, actorId: string | undefined): Actor | null => {
  if (actorId === undefined || chain?.sub === actorId) return chain
  if (lengthOf(chain) >= longestChain) {
    throw no('invalid_request', 'actor_chain_too_long', 'Too many act one for another already.')
  }
  return chain === null ? { sub: actorId } : { sub: actorId, act: chain }
}
