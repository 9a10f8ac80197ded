/** Makes a signing key: on the first start and at a rotation only, so this file is loaded by `import()`. */
import { calculateJwkThumbprint, type JWK } from 'jose'
import type { SigningKeyTable } from '../database/schema.ts'
import { type Algorithm, generateKeyPair } from './algorithms.ts'
import { selfSigned } from './certificate.ts'
import type { Vault } from './secrets.ts'

/** Ten years: verifiers go by the JWKS and its `kid`; the certificate is there for those that ask for `x5c`. */
const days = 3_650

/** The members that RFC 7638 §3.2 hashes: all of a public key and nothing else. */
const publicMembers = ['kty', 'crv', 'n', 'e', 'x', 'y'] as const

/** A new row of `signing_key` that signs from `activeFrom` on: RSA 2048, P-256 or Ed25519, the private key sealed with its kid as context. */
export const generateSigningKey = async (
  vault: Vault,
  algorithm: Algorithm,
  now: Date,
  activeFrom: Date,
): Promise<SigningKeyTable> => {
  const keyPair = await generateKeyPair(algorithm)
  const exported: JWK = await crypto.subtle.exportKey('jwk', keyPair.publicKey)
  const jwk = Object.fromEntries(
    publicMembers.flatMap((name) => (exported[name] ? [[name, exported[name]]] : [])),
  )
  const kid = await calculateJwkThumbprint(exported)
  const { certificate } = await selfSigned({
    commonName: `mayact ${algorithm} signing key`,
    names: [],
    keyPair,
    algorithm,
    days,
    now,
  })
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', keyPair.privateKey))
  return {
    kid,
    algorithm,
    private_key: vault.seal(pkcs8, kid),
    public_jwk: JSON.stringify(jwk),
    certificate,
    created_at: now.toISOString(),
    active_from: activeFrom.toISOString(),
    retired_at: null,
    published_until: null,
  }
}
