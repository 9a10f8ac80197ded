/**
 * What a user is called at a client: the `sub` (OpenID Connect Core §8).
 *
 * `public`: the account's id, or the value of the application's subject claim. A claim that is unknown or empty, or whose
 * value another account of the organization has too or is an account's or a client's id, gives the id: two people must
 * never share a `sub`.
 * `pairwise`: an HMAC over sector and account, the same at all clients of a sector and in every process, and of no use
 * to anybody else. Where no sector can be told, the application is one of its own.
 */
import { createHmac } from 'node:crypto'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { uniqueClaimValue } from '../directory/subject-claim.ts'
import { pairwiseSalt } from './pairwise-salt.ts'
import type { FoundToken } from './token.ts'

/** The hosts that registered redirect URIs name; `regexp=(…)` names them literally (`directory/callback-url.ts`). */
const hostsOf = (callbacks: readonly string[]): readonly string[] => [
  ...new Set(
    callbacks
      .flatMap((callback) => callback.match(/[a-z][a-z0-9+.-]*:\/\/[^/?#|)]+/gi) ?? [])
      .map((url) => {
        const plain = url.replaceAll('\\', '')
        return URL.canParse(plain) ? new URL(plain).hostname.toLowerCase() : plain.toLowerCase()
      }),
  ),
]

const sectorOf = ({ id, oidc }: Application): string => {
  const uri = oidc.subject.sectorIdentifierUri
  if (uri !== undefined && URL.canParse(uri)) return new URL(uri).hostname.toLowerCase()
  const [only, ...others] = hostsOf([...oidc.callbackURLs, ...oidc.mayact.redirectUris])
  return only !== undefined && others.length === 0 ? only : `application ${id}`
}

const pairwise = (db: Db, application: Application, accountId: string): string =>
  createHmac('sha256', pairwiseSalt(db))
    // neither a host nor an account's id has a space in front of the other
    .update(`${sectorOf(application)}\n${accountId}`)
    .digest('base64url')

/** The `sub` of an account at an application. Attributes have no revision, so it is asked for anew each time. */
export const subjectIdentifier = async (
  db: Db,
  application: Application,
  accountId: string,
): Promise<string> => {
  if (application.oidc.subject.subjectType === 'pairwise') return pairwise(db, application, accountId)
  const uri = application.subjectClaimUri
  if (uri === undefined) return accountId
  return (await uniqueClaimValue(db, accountId, uri)) ?? accountId
}

/**
 * The `sub` that a token of ours says. A grant keeps the one it began with; a client's own token names the client, and
 * one in which somebody acts names the subject by the account's id, as whoever acts asked for him.
 */
export const subOf = async (
  db: Db,
  application: Application,
  token: Pick<FoundToken, 'context' | 'subjectId' | 'clientId' | 'actor'>,
): Promise<string> => {
  if (token.context.sub !== undefined) return token.context.sub
  if (token.actor !== null || token.subjectId === token.clientId) return token.subjectId
  return subjectIdentifier(db, application, token.subjectId)
}
