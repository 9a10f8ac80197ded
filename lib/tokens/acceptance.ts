/**
 * Whether a presented value is a token that counts now: one of ours, of a class that is taken there, alive by its lineage,
 * of an active application, and of people who are neither locked nor disabled. The gate of the APIs, userinfo and
 * introspection ask this; nothing is written but, a while later, when an impersonation was last used.
 */
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Account, findAccount, findAccounts, isActive } from '../directory/accounts.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { type Actor, type Clients, type FoundToken, findToken, isIssuedTo, type TokenClass } from './token.ts'
import { noteUse } from './uses.ts'

export interface AcceptanceNeeds {
  readonly db: Db
  /** False when no custom response type is configured: then impersonated tokens are dead. */
  readonly impersonationEnabled: boolean
}

export interface AcceptedToken {
  readonly token: FoundToken
  /** The revision that it was judged at. */
  readonly revision: number
  readonly application: Application
  /** Whom it is for; undefined for a client's own token. */
  readonly subject: Account | undefined
  /** Everybody whom it names and who is no client; an answer that changes something is guarded by their versions. */
  readonly people: readonly Account[]
}

export type Acceptance =
  | AcceptedToken
  /** `why` is for the log. */
  | { readonly token: undefined; readonly why: string }

const no = (why: string): Acceptance => ({ token: undefined, why })

const isSpent = (token: FoundToken): boolean =>
  token.spentAt !== null || (token.class === 'subject' && token.startedAt !== null)

/** The clients that a token names, its own among them. */
export const clientsOf = ({ clientId, applicationId, context }: FoundToken): Clients => ({
  [clientId]: applicationId,
  ...context.clients,
})

/** Everybody who acts, the current one first. */
export const actorsOf = (chain: Actor | null | undefined): readonly string[] =>
  chain ? [chain.sub, ...actorsOf(chain.act)] : []

/**
 * The accounts among these accounts and clients, or undefined when one of them all is locked, disabled, switched off or
 * gone. A chain is asked for whole: who is locked must not go on acting because another one was put on top of him. Whoever
 * is no person is the client that is meant: one that took the id of another since is not.
 */
export const peopleAtWork = async (
  db: Db,
  revision: number,
  ids: Iterable<string>,
  clients: Clients,
  known: ReadonlyMap<string, Account> = new Map(),
): Promise<readonly Account[] | undefined> => {
  const people: Account[] = []
  for (const id of new Set(ids)) {
    const account = known.get(id) ?? (await findAccount(db, id))
    if (account) {
      if (!isActive(account)) return undefined
      people.push(account)
      continue
    }
    const client = await findClient(db, revision, id)
    if (!client?.active || client.id !== clients[id]) return undefined
  }
  return people
}

/** A token for named resources (RFC 8707) is taken here only when one of them is here. */
export const isForUs = ({ audience }: Pick<FoundToken, 'audience'>, baseUrl: string): boolean =>
  audience.length === 0 || audience.some((uri) => uri === baseUrl || uri.startsWith(`${baseUrl}/`))

/** Judges a value as of now. */
export const acceptToken = async (
  { db, impersonationEnabled }: AcceptanceNeeds,
  value: string,
  classes: readonly TokenClass[],
  now: Date,
): Promise<Acceptance> => {
  const [revision, token] = await Promise.all([readRevision(db), findToken(db, value, now)])
  if (!token || !classes.includes(token.class)) return no('not such a token of this server')
  if (!token.alive) return no(token.expired ? 'expired' : 'ended')
  if (isSpent(token)) return no('spent')
  if (token.impersonationId !== null && !impersonationEnabled) return no('impersonation is switched off')
  const application = await findClient(db, revision, token.clientId)
  if (!application?.active) return no('application not active')
  if (!isIssuedTo(token, application)) return no('issued to a former holder of the client id')
  const { subjectId, actorId, actor } = token
  if (subjectId === token.clientId && actorId === null)
    return { token, revision, application, subject: undefined, people: [] }
  const accounts = await findAccounts(db, actorId === null ? [subjectId] : [subjectId, actorId])
  const named = [subjectId, ...(actorId === null ? [] : [actorId]), ...actorsOf(actor)]
  const people = await peopleAtWork(db, revision, named, clientsOf(token), accounts)
  if (!people) return no('somebody it names is not active')
  if (token.impersonationId !== null && token.class === 'access') noteUse(db, token.impersonationId, now)
  return { token, revision, application, subject: accounts.get(subjectId), people }
}
