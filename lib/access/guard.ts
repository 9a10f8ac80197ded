/**
 * The gate before every route of our own APIs. A route declares the permission it needs and whether somebody acting
 * for another may call it (default no); the gate authenticates, refuses, runs the handler, decides again when the
 * decision was overtaken, and sees to the one audit row that a request with an impersonated token leaves.
 */
import type { Trace } from '../audit.ts'
import { commit } from '../database/commit.ts'
import type { Caller } from '../directory/caller.ts'
import { Lost } from '../directory/change.ts'
import { type AccessNeeds, authenticate } from './authenticate.ts'
import type { Describe } from './operation.ts'
import { proofOf } from './proof.ts'
import { letOthersPass, mostTries, stepBack, takeTurn } from './turns.ts'

export interface Rule {
  /** The scope or permission needed; `undefined` for anybody who is signed in. */
  readonly permission: string | undefined
  /** Whether an impersonated token may call it. */
  readonly actor: boolean
  /** What the OpenAPI document says of it. */
  readonly describe?: Describe | undefined
  /** For everybody, also who is not signed in: metadata. */
  readonly open?: true | undefined
}

export type Refusal = 'unauthenticated' | 'forbidden' | 'contended'

export interface GuardNeeds extends AccessNeeds {
  /** The request's trace: correlation id and address. */
  traceOf(request: Request): Trace
  /** The thumbprint of its TLS certificate, where a trusted proxy hands one on (RFC 8705). */
  certificateOf(request: Request): string | undefined
  log(message: string, details: Readonly<Record<string, unknown>>): void
}

type Handler<C> = (c: C) => Promise<Response>

const rules = new WeakMap<object, Rule>()

/** The rule a route's handler was made with; for the test that enumerates all routes. */
export const ruleOf = (handler: object): Rule | undefined => rules.get(handler)

/** A route without a gate: metadata, the same for everybody. */
export const open = <H extends object>(handler: H, describe?: Describe): H => {
  rules.set(handler, { permission: undefined, actor: true, describe, open: true })
  return handler
}

/** A route that lets others in by means of its own, and everybody else through the gate: it has the gate's rule. */
export const besideGate = <H extends object>(handler: H, guarded: object): H => {
  const rule = rules.get(guarded)
  if (!rule) throw new Error('not a guarded handler')
  rules.set(handler, rule)
  return handler
}

/** Binds the gate to a door's way of wording a refusal. */
export const guard =
  (needs: GuardNeeds, word: (refusal: Refusal, request: Request) => Response) =>
  <C extends { req: { raw: Request; path: string } }>(
    rule: Rule,
    handler: (caller: Caller, c: C) => Promise<Response>,
  ): Handler<C> => {
    const guarded: Handler<C> = async (c) => {
      const { raw, path } = c.req
      const trace = needs.traceOf(raw)
      const proof = await proofOf(needs.proofs, raw, new Date())
      const request = {
        authorization: raw.headers.get('authorization'),
        held: { jkt: proof.jkt, 'x5t#S256': needs.certificateOf(raw) },
        method: raw.method,
        path,
        trace,
      }
      const refuse = (refused: Readonly<Record<string, unknown>>) => {
        needs.log('api call refused', { traceId: trace.id, path, ...refused })
        return proof.mark(word('unauthenticated', raw))
      }
      if (proof.why !== undefined) return refuse({ why: `DPoP: ${proof.why}` })
      if (raw.method !== 'GET' && raw.method !== 'HEAD') await letOthersPass(needs.db)
      let endTurn: (() => void) | undefined
      /** Undefined when it was overtaken and may be decided again. */
      const decide = async (mayLose: boolean): Promise<Response | undefined> => {
        const { caller, ...refused } = await authenticate(needs, request, new Date())
        if (!caller) return refuse(refused)
        // from here on something happens in the name of the key's owner
        if (!(await proof.use())) return refuse({ why: 'DPoP: the proof was used before' })
        const leave = async (outcome: string) => {
          const { acting } = caller
          if (!acting || acting.use.taken) return
          acting.use.taken = true
          await commit(needs.db, [acting.use.row(outcome)])
        }
        if (
          (caller.acting && !rule.actor) ||
          (rule.permission !== undefined && !caller.may(rule.permission))
        ) {
          await leave('403')
          return proof.mark(word('forbidden', raw))
        }
        try {
          const response = await handler(caller, c)
          await leave(response.status < 400 ? 'AUTHORIZED' : String(response.status))
          return proof.mark(response)
        } catch (error) {
          if (error instanceof Lost) {
            if (mayLose) return undefined
            await leave('503')
            return proof.mark(word('contended', raw))
          }
          const status = error instanceof Error && 'status' in error ? String(error.status) : '500'
          await leave(status)
          throw error
        }
      }
      try {
        for (let attempt = 1; ; attempt += 1) {
          const response = await decide(attempt < mostTries)
          if (response) return response
          if (endTurn) await stepBack(attempt)
          endTurn ??= await takeTurn(needs.db)
        }
      } finally {
        endTurn?.()
      }
    }
    rules.set(guarded, rule)
    return guarded
  }

/** What the doors are handed: routes are declared with it. */
export type Guard = ReturnType<typeof guard>
