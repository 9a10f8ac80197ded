/** The signature algorithms of RFC 7518 §3.1 and RFC 8037 §3.1 that mayact signs with. */
export type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

const rsa = { hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) } as const

/** What WebCrypto calls them: `key` to generate and import one, `signature` to sign with it. */
export const webCrypto = {
  RS256: { key: { name: 'RSASSA-PKCS1-v1_5', ...rsa }, signature: { name: 'RSASSA-PKCS1-v1_5' } },
  // RFC 7518 §3.5: the salt is as long as the hash
  PS256: { key: { name: 'RSA-PSS', ...rsa }, signature: { name: 'RSA-PSS', saltLength: 32 } },
  ES256: { key: { name: 'ECDSA', namedCurve: 'P-256' }, signature: { name: 'ECDSA', hash: 'SHA-256' } },
  EdDSA: { key: { name: 'Ed25519' }, signature: { name: 'Ed25519' } },
} as const satisfies Record<Algorithm, object>

/** A key pair whose private half can be exported once, to be stored. */
export const generateKeyPair = async (algorithm: Algorithm): Promise<CryptoKeyPair> => {
  const pair = await crypto.subtle.generateKey(webCrypto[algorithm].key, true, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new Error(`${algorithm} gave no key pair`)
  return pair
}
