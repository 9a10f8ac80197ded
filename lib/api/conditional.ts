/** Conditional requests at the management APIs (RFC 9110 §13): `If-Match` that is stale is a 412, absent the last write wins. */
import type { Context } from 'hono'
import { isKnown, isStale } from '../entity-tag.ts'
import { Problem } from './problem.ts'

/** Refuses a change of another edition than the one that is there. Throws `Problem`. */
export const requireCurrent = (c: Context, tag: string): void => {
  if (!isStale(c.req.header('if-match'), tag)) return
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
