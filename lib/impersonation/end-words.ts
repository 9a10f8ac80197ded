/** The end of an impersonation in the words of the mail that tells of it. */
import type { EndReason } from '../directory/ending.ts'
import { loginTime } from '../email/templates/time.ts'
import type { Done, DoneRequest } from './done.ts'

const because: Readonly<Record<EndReason, string>> = {
  ended: 'it was ended',
  logout: 'by logging out',
  'session-ended': 'the browser session was ended',
  'other-login': 'somebody else signed in in the same browser',
  'account-changed': 'an account was locked or disabled, or got a new password',
  'account-deleted': 'an account was deleted',
  'permission-removed': 'the permission for it was taken away',
  'subject-protected': 'you became an administrator',
  'opted-out': 'you want nobody to act for you',
  'consent-withdrawn': 'the consent was withdrawn',
  'application-disabled': 'the application was disabled',
  'application-updated': 'the application was changed',
  'application-deleted': 'the application was deleted',
  'application-revoked': 'the application was revoked',
  'application-secret-regenerated': 'the application got a new secret',
  'application-protocol-removed': 'the application was changed',
  'application-impersonation-disabled': 'impersonation was switched off for the application',
  'application-tokens-revoked': 'the tokens of the application were revoked',
  revoked: 'the application gave its access back',
  'refresh-token-reused': 'a token was used twice, which looks like theft',
  'authorization-code-replayed': 'a code was used twice, which looks like theft',
  restored: 'the server was restored from a backup',
  'switched-off': 'impersonation was switched off',
  expired: 'its time was over',
}

interface People {
  readonly subject: { readonly id: string; readonly userName: string }
  readonly impersonator: { readonly id: string; readonly userName: string }
  readonly clientId: string
}

/** Who ended it: the reader and who acted for him by name, of others that it was somebody else. */
const enderOf = (by: string, { subject, impersonator, clientId }: People): string => {
  if (by === subject.id) return subject.userName
  if (by === impersonator.id) return impersonator.userName
  if (by === clientId) return 'the application'
  return by === 'system' ? 'the server' : 'an administrator'
}

/** `bob (by logging out)`; a reason that only a newer server knows is left out. */
export const endedBy = (by: string, reason: string, people: People): string => {
  const why = Object.hasOwn(because, reason) ? because[reason as EndReason] : undefined
  return why === undefined ? enderOf(by, people) : `${enderOf(by, people)} (${why})`
}

/** A request whose path nobody chose freely, and what it changed; paths are long where somebody makes them so. */
const longestPath = 200

const line = ({ at, method, path, outcome, changes }: DoneRequest): string => {
  const shown = path.length > longestPath ? `${path.slice(0, longestPath)}…` : path
  const events = [...new Set(changes.map(({ event }) => event))].join(', ')
  const what = outcome === 'AUTHORIZED' ? events : `refused, ${outcome}`
  return `${loginTime(new Date(at))}: ${method} ${shown}${what === '' ? '' : ` (${what})`}`
}

/** The latest requests in the order in which they were made, and how many there were before them. */
export const changeLines = (done: Done | undefined, requests: number): readonly string[] => {
  const { requests: latest = [], hasMore = false } = done ?? {}
  if (!hasMore) return latest.map(line).toReversed()
  const more = requests - latest.length
  return [
    more > 0 ? `and ${more} more before these` : 'and more before these',
    ...latest.map(line).toReversed(),
  ]
}
