/** The gate of the management APIs: `guard` with the words in which they refuse, and nothing is kept by caches. */
import type { Context } from 'hono'
import { type GuardNeeds, guard, type Refusal } from '../access/guard.ts'
import type { Describe } from '../access/operation.ts'
import type { Caller } from '../directory/caller.ts'

const words = {
  unauthenticated: {
    code: 401,
    message: 'Unauthorized',
    description: 'Authorization failure. Authorization information was invalid or missing from your request.',
  },
  forbidden: {
    code: 403,
    message: 'Forbidden',
    description: 'Operation is not permitted. You do not have permissions to make this request.',
  },
  contended: {
    code: 503,
    message: 'Service Unavailable',
    description: 'Others changed what this request depends on, again and again. Send it once more.',
  },
} as const satisfies Record<Refusal, { code: number; message: string; description: string }>

/** Declares the routes of a management API: a permission each, and no caller who acts for somebody else. */
export const gate = (needs: { readonly guard: GuardNeeds; readonly baseUrl: string }) => {
  const realm = new URL(needs.baseUrl).hostname
  const word = (refusal: Refusal, request: Request) => {
    const traceId = needs.guard.traceOf(request).id
    const headers = new Headers({
      'Content-Type': 'application/json;charset=UTF-8',
      'Cache-Control': 'no-store',
    })
    if (refusal === 'unauthenticated') headers.set('WWW-Authenticate', `Bearer realm="${realm}"`)
    if (refusal === 'contended') headers.set('Retry-After', '1')
    const body = JSON.stringify({ ...words[refusal], traceId }, null, 2)
    return new Response(body, { status: words[refusal].code, headers })
  }
  const guarded = guard(needs.guard, word)
  return <C extends Context>(
    permission: string | undefined,
    handler: (caller: Caller, c: C) => Promise<Response>,
    describe?: Describe,
  ) =>
    guarded<C>({ permission, actor: false, describe }, (caller, c) => {
      c.header('Cache-Control', 'no-store')
      return handler(caller, c)
    })
}
