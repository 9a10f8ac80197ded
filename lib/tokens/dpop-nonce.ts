/**
 * Server nonces of DPoP (RFC 9449 §8, §9) without a memory: the HMAC of a span of time under a key that all servers on
 * the database have, so that any of them knows what another one gave.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** A nonce is given this long, and good until the end of the next span. */
const spanMilliseconds = 120_000

export interface Nonces {
  /** The one to use from now on. */
  current(now: Date): string
  /** `old` is still good, but its successor should be told. */
  judge(nonce: string, now: Date): 'current' | 'old' | 'unknown'
}

const same = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** `secret` is the same for all servers on a database (`Vault.derive`). */
export const nonces = (secret: Uint8Array): Nonces => {
  const known = new Map<number, string>()
  const at = (span: number): string => {
    const cached = known.get(span)
    if (cached !== undefined) return cached
    const nonce = createHmac('sha256', secret).update(String(span)).digest('base64url')
    if (known.size > 8) known.clear()
    known.set(span, nonce)
    return nonce
  }
  const spanOf = (now: Date) => Math.floor(now.getTime() / spanMilliseconds)
  return {
    current: (now) => at(spanOf(now)),
    judge(nonce, now) {
      const span = spanOf(now)
      // another server's clock may be a little ahead
      if (same(nonce, at(span)) || same(nonce, at(span + 1))) return 'current'
      return same(nonce, at(span - 1)) ? 'old' : 'unknown'
    },
  }
}
