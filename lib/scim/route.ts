/** How every route of this door is declared: its rule, then its handler; media types are looked at in between. */
import type { Context } from 'hono'
import { type GuardNeeds, guard, type Rule } from '../access/guard.ts'
import { within } from '../access/within.ts'
import type { Caller } from '../directory/caller.ts'
import { wordRefusal } from './error.ts'
import { requireMediaTypes } from './media.ts'

type Handler = (caller: Caller, c: Context) => Promise<Response>

export type Route = (rule: Rule, handler: Handler) => (c: Context) => Promise<Response>

export const routes = (needs: GuardNeeds, baseUrl: string): Route => {
  const guarded = guard(needs, wordRefusal(baseUrl))
  return (rule, handler) =>
    guarded<Context>(rule, async (caller, c) => {
      requireMediaTypes(c)
      return handler(caller, c)
    })
}

/** The same for the operations of a Bulk request. */
export const partRoutes = (needs: GuardNeeds, baseUrl: string): Route => within(needs, wordRefusal(baseUrl))
