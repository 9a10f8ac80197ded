/** DPoP proofs at a resource server (RFC 9449 §4.3, §7): the sender of a bound token has its key. */
import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from 'jose'
import { Refused } from './refused.ts'

const algorithms = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'PS256', 'RS256']
const oldest = 60
const aheadAtMost = 15
const longest = 8_192
const mostRemembered = 100_000

/** Remembers the proofs of the last minutes; whether this one is new. */
export const replays = () => {
  const seen = new Map<string, number>()
  return (id: string, now: number): boolean => {
    for (const [known, until] of seen) {
      if (until > now) break
      seen.delete(known)
    }
    // a full memory lets nobody in: it cannot say who was here
    if (seen.has(id) || seen.size >= mostRemembered) return false
    seen.set(id, now + (oldest + aheadAtMost) * 1000)
    return true
  }
}

const base64url = (bytes: ArrayBuffer): string =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')

const normal = (address: string): string | undefined => {
  if (!URL.canParse(address)) return undefined
  const url = new URL(address)
  url.search = ''
  url.hash = ''
  return url.href
}

export interface Proven {
  readonly proof: string | undefined
  readonly method: string
  /** The absolute address of the request, as its sender knows it. */
  readonly url: string
  readonly token: string
  /** `cnf.jkt` of the token. */
  readonly thumbprint: string
}

/** Throws `Refused` unless the proof is good for exactly this request, this token and its key, and new. */
export const requireProof = async (
  { proof, method, url, token, thumbprint }: Proven,
  isNew: (id: string, now: number) => boolean,
): Promise<void> => {
  const no = (why: string) => new Refused('invalid_dpop_proof', why)
  if (proof === undefined) throw no('the token is bound to a key and has no proof')
  if (proof.length > longest || proof.includes(',')) throw no('not exactly one proof')
  const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms,
  }).catch((cause: unknown) => {
    throw no(cause instanceof Error ? cause.message : 'not a proof')
  })
  const key = protectedHeader.jwk as JWK
  if (['d', 'p', 'q', 'k'].some((member) => member in key)) throw no('the key is not a public one')
  if ((await calculateJwkThumbprint(key)) !== thumbprint) throw no('another key than the token’s')
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  if (payload.ath !== base64url(hash)) throw no('ath is of another token')
  if (payload.htm !== method) throw no('htm is another method')
  if (typeof payload.htu !== 'string' || normal(payload.htu) !== normal(url))
    throw no('htu is another address')
  const age = Date.now() / 1000 - (payload.iat ?? 0)
  if (age > oldest || age < -aheadAtMost) throw no('iat is too old or in the future')
  if (typeof payload.jti !== 'string' || payload.jti === '' || payload.jti.length > 256) throw no('no jti')
  if (!isNew(`${thumbprint} ${payload.jti}`, Date.now())) throw no('the proof was used before')
}
