/**
 * Whether a presented value is a token that counts now: one of ours, of a class that is taken there, alive by its lineage,
 * of an active application, and of people who are neither locked nor disabled. The gate of the APIs, userinfo and
 * introspection ask this; nothing is written.
 */
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Account, findAccount, findAccounts, isActive } from '../directory/accounts.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { type FoundToken, findToken, type TokenClass } from './token.ts'

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
  const { subjectId, actorId, actor } = token
  if (subjectId === token.clientId && actorId === null)
    return { token, revision, application, subject: undefined, people: [] }
  const accounts = await findAccounts(db, actorId === null ? [subjectId] : [subjectId, actorId])
  const people: Account[] = []
  // in an impersonation the current actor of a chain may be another one than the impersonator
  for (const id of new Set([subjectId, actorId, actor?.sub])) {
    if (typeof id !== 'string') continue
    const account = accounts.get(id) ?? (await findAccount(db, id))
    if (account) people.push(account)
    // whoever is no person is a client of ours
    const isAtWork = account ? isActive(account) : ((await findClient(db, revision, id))?.active ?? false)
    if (!isAtWork) return no('somebody it names is not active')
  }
  return { token, revision, application, subject: accounts.get(subjectId), people }
}
