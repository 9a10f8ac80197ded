/** Conditional requests at the management APIs (RFC 9110 §13): `If-Match` that is stale is a 412, absent the last write wins. */
import type { Context } from 'hono'
import { entityTag, isKnown, isStale } from '../entity-tag.ts'
import { Problem } from './problem.ts'

/** The tag of a resource that keeps no edition: a digest of what is answered. */
export const contentTag = (resource: object): string =>
  entityTag(new Bun.CryptoHasher('sha256').update(JSON.stringify(resource)).digest('base64url').slice(0, 22))

/**
 * Refuses a change of another edition than the one that is there, which may go by several tags; by none it is not there
 * yet, and there is nothing that `If-Match` could name. Throws `Problem`.
 */
export const requireCurrent = (c: Context, ...tags: readonly string[]): void => {
  const asked = c.req.header('if-match')
  if (!asked?.trim() || tags.some((tag) => !isStale(asked, tag))) return
  throw new Problem({
    status: 412,
    code: 'UE-10012',
    message: 'Precondition Failed',
    description: 'The resource has changed since it was read: If-Match names another edition.',
  })
}

/** Answers with the resource and its tag, or with 304 when the client has it already. */
export const answerTagged = (c: Context, tag: string, resource: object): Response => {
  c.header('ETag', tag)
  return isKnown(c.req.header('if-none-match'), tag) ? c.body(null, 304) : c.json(resource)
}
