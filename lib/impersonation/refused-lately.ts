/**
 * How many impersonations that never were are kept: one for the same refusal of the same people within a minute, and only
 * so many for an impersonator, however often he asks. Each refusal has its audit row in any case. Every process counts
 * for itself.
 */
import type { Db } from '../database/connect.ts'
import { hashOf } from '../tokens/token.ts'
import { newId } from './ids.ts'

const minute = 60_000
const mostOfOne = 60
/** Refusals, and impersonators, that are remembered; then the oldest are forgotten. */
const mostRemembered = 10_000

export interface Refusal {
  readonly impersonatorId: string
  readonly subjectId: string
  readonly applicationId: string
  /** The validator and its code. */
  readonly refusal: string
}

class Recent<Value> {
  readonly #kept = new Map<string, { readonly value: Value; readonly at: number }>()

  get(key: string, now: number): Value | undefined {
    const found = this.#kept.get(key)
    // one of later was remembered before the clock was set back
    return found && now >= found.at && now - found.at < minute ? found.value : undefined
  }

  set(key: string, value: Value, now: number) {
    this.#kept.delete(key)
    const oldest = this.#kept.size >= mostRemembered ? this.#kept.keys().next().value : undefined
    if (oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(key, { value, at: now })
  }
}

const recent = new WeakMap<Db, { readonly ids: Recent<string>; readonly counts: Recent<{ n: number }> }>()

/** The id that it is kept by, that of the first one of the minute; undefined when the impersonator has enough of them. */
export const refusedId = (db: Db, refused: Refusal, now: Date): string | undefined => {
  const known = recent.get(db) ?? { ids: new Recent<string>(), counts: new Recent<{ n: number }>() }
  recent.set(db, known)
  const { ids, counts } = known
  const at = now.getTime()
  const { impersonatorId, subjectId, applicationId, refusal } = refused
  // a request may name any text as its subject
  const key = hashOf([impersonatorId, subjectId, applicationId, refusal].join('\n'))
  const id = ids.get(key, at)
  if (id !== undefined) return id
  const count = counts.get(impersonatorId, at) ?? { n: 0 }
  if (count.n >= mostOfOne) return undefined
  if (count.n === 0) counts.set(impersonatorId, count, at)
  count.n += 1
  const made = newId(now)
  ids.set(key, made, at)
  return made
}
