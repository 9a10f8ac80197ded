/**
 * Parts of a request that the gate has let in, such as the operations of a Bulk request: each is judged anew, by the
 * rule of the very route that it asks for, and as things are after the parts before it.
 */
import type { Caller } from '../directory/caller.ts'
import { Lost } from '../directory/change.ts'
import { authenticate } from './authenticate.ts'
import type { GuardNeeds, Refusal, Rule } from './guard.ts'
import { proofOf } from './proof.ts'
import { mostTries, stepBack } from './turns.ts'

/** Which request a part belongs to. */
const wholes = new WeakMap<Request, Request>()

/** Says that `part` is a part of `whole`, whose credentials and proof are good for it. */
export const partOf = (whole: Request, part: Request): Request => {
  wholes.set(part, whole)
  return part
}

/** The request that came, of which this one is a part or which it is. */
export const wholeOf = (request: Request): Request => wholes.get(request) ?? request

/** The key that was proved with a request: looked at once for all of its parts. */
const proved = new WeakMap<Request, Promise<string | undefined>>()

const keyOf = (needs: GuardNeeds, whole: Request): Promise<string | undefined> => {
  const known = proved.get(whole) ?? proofOf(needs.proofs, whole, new Date()).then(({ jkt }) => jkt)
  proved.set(whole, known)
  return known
}

/** Routes for parts of a request; nobody who acts for another gets so far. */
export const within =
  (needs: GuardNeeds, word: (refusal: Refusal, request: Request) => Response) =>
  <C extends { req: { raw: Request; path: string } }>(
    rule: Rule,
    handler: (caller: Caller, c: C) => Promise<Response>,
  ) =>
  async (c: C): Promise<Response> => {
    const { raw, path } = c.req
    const whole = wholes.get(raw)
    if (!whole) return word('unauthenticated', raw)
    const request = {
      authorization: whole.headers.get('authorization'),
      held: { jkt: await keyOf(needs, whole), 'x5t#S256': needs.certificateOf(whole) },
      method: raw.method,
      path,
      trace: needs.traceOf(whole),
    }
    for (let attempt = 1; ; attempt += 1) {
      const { caller } = await authenticate(needs, request, new Date())
      if (!caller) return word('unauthenticated', raw)
      if (caller.acting || (rule.permission !== undefined && !caller.may(rule.permission))) {
        return word('forbidden', raw)
      }
      try {
        return await handler(caller, c)
      } catch (error) {
        if (!(error instanceof Lost)) throw error
        if (attempt === mostTries) return word('contended', raw)
        await stepBack(attempt)
      }
    }
  }
