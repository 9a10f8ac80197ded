/** Conditional requests (RFC 7644 §3.14): an edition that is stale is refused, one that is known is not sent again. */
import type { Context } from 'hono'
import { isKnown, isStale } from '../entity-tag.ts'
import { ScimError } from './error.ts'
import { answer } from './media.ts'

export const staleError = () => new ScimError(412, 'Failed to update. Resource changed on the server.')

/** Refuses a change of another edition than the one that is there. */
export const requireCurrent = (c: Context, tag: string): void => {
  if (isStale(c.req.header('if-match'), tag)) throw staleError()
}

/** Answers with the resource and its tag; with 304 to a GET that names the tag. */
export const answerTagged = (
  c: Context,
  tag: string,
  resource: Readonly<Record<string, unknown>>,
  { status = 200, location }: { readonly status?: number; readonly location?: string } = {},
): Response => {
  const headers = { ETag: tag, ...(location === undefined ? {} : { Location: location }) }
  if (c.req.method === 'GET' && isKnown(c.req.header('if-none-match'), tag)) {
    return new Response(null, { status: 304, headers: { ...headers, 'Cache-Control': 'no-store' } })
  }
  return answer(c, status, resource, headers)
}
