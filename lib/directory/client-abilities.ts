/** What a client can be set to: the algorithms, authentication methods, grants and response types that there are. */

/** Signatures that clients make: assertions, request objects, DPoP proofs. Asymmetric ones only (RFC 8725 §3.1). */
export const clientSignatures = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** How a client proves who it is at the token endpoint (RFC 7591 §2, RFC 8705 §2). */
export const authenticationMethods = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const

/** The grants that a client may register for itself; what acts for others is granted by an administrator. */
export const registrableGrants = [
  'authorization_code',
  'implicit',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
] as const

/** The response types that a client may register for itself, each with the grants that it needs (OIDC Registration §2). */
export const registrableResponses: ReadonlyMap<string, readonly string[]> = new Map([
  ['code', ['authorization_code']],
  ['token', ['implicit']],
  ['id_token', ['implicit']],
  ['id_token token', ['implicit']],
  ['code id_token', ['authorization_code', 'implicit']],
  ['code token', ['authorization_code', 'implicit']],
  ['code id_token token', ['authorization_code', 'implicit']],
  ['none', []],
])

/** The name that a response type goes by: its words in the order of the registry (RFC 6749 §8.4 has none). */
export const responseTypeName = (type: string): string => {
  const order = ['code', 'id_token', 'token']
  const words = type.split(' ')
  return words.every((word) => order.includes(word))
    ? words.sort((one, other) => order.indexOf(one) - order.indexOf(other)).join(' ')
    : type
}
