/** A client's key and the DPoP proofs that it makes with it: right ones, and wrong ones on purpose. */
import { createHash } from 'node:crypto'
import * as jose from 'jose'
import { origin } from '../boot.ts'

export interface ProofChanges {
  readonly htm?: unknown
  readonly htu?: unknown
  readonly iat?: unknown
  readonly jti?: unknown
  readonly nonce?: unknown
  readonly ath?: unknown
  /** The token that `ath` is made of. */
  readonly token?: string
  readonly header?: Readonly<Record<string, unknown>>
  readonly more?: Readonly<Record<string, unknown>>
}

export const thumbprintOf = (token: string): string => createHash('sha256').update(token).digest('base64url')

export const newKey = async (alg = 'ES256') => {
  const pair = await jose.generateKeyPair(alg, { extractable: true })
  const jwk = await jose.exportJWK(pair.publicKey)
  const jkt = await jose.calculateJwkThumbprint(jwk)
  /** A proof for one request; a change of `undefined` leaves a claim out. */
  const proof = (method: string, path: string, changes: ProofChanges = {}): Promise<string> => {
    const { header = {}, more = {}, token, ...claims } = changes
    const payload = {
      jti: crypto.randomUUID(),
      htm: method,
      htu: `${origin}${path}`,
      iat: Math.floor(Date.now() / 1000),
      ...(token === undefined ? {} : { ath: thumbprintOf(token) }),
      ...claims,
      ...more,
    }
    return new jose.SignJWT(JSON.parse(JSON.stringify(payload)))
      .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk, ...header })
      .sign(pair.privateKey)
  }
  return { ...pair, alg, jwk, jkt, proof }
}

export type Key = Awaited<ReturnType<typeof newKey>>
