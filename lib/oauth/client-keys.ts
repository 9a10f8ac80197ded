/**
 * The public keys of a client: `jwks`, else `jwks_uri`, else the application's certificate. With them it signs client
 * assertions (RFC 7523) and request objects (RFC 9101).
 */
import { X509Certificate } from 'node:crypto'
import { createLocalJWKSet, errors, type JWK, type JWTVerifyGetKey } from 'jose'
import * as z from 'zod'
import type { Application } from '../directory/applications.ts'
import { type OutboundRules, readDocument } from '../outbound.ts'

const jwkSet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) })

/** A set of a URL is read again after this long, */
const freshMilliseconds = 600_000
/** and for an unknown key at most this often; a URL that could not be read is left alone as long. */
const pauseMilliseconds = 30_000
const mostRemembered = 1_000

interface Remembered {
  readonly keys: Promise<readonly JWK[]>
  readonly at: number
  /** For how many milliseconds it is not read again unasked. */
  freshFor: number
}

const remembered = new Map<string, Remembered>()

const readSet = async (uri: string, rules: OutboundRules): Promise<readonly JWK[] | undefined> => {
  const document = await readDocument(uri, rules)
  const read = 'json' in document ? jwkSet.safeParse(document.json) : undefined
  return read?.data?.keys
}

/**
 * The set of a client's URL, read when none is fresh; `again` reads it anew unless that was done a moment ago. It is kept
 * for this client alone: what is there may have been made for another one, a moment ago (a test suite, a tenant's host).
 */
const setOf = (
  { id }: Application,
  uri: string,
  rules: OutboundRules,
  again: boolean,
): Promise<readonly JWK[]> => {
  const key = `${id} ${rules.allowPrivateAddresses} ${uri}`
  const known = remembered.get(key)
  const age = known ? performance.now() - known.at : Number.POSITIVE_INFINITY
  if (known && age < (again ? pauseMilliseconds : known.freshFor)) return known.keys
  if (remembered.size >= mostRemembered) remembered.clear()
  const made: Remembered = {
    keys: readSet(uri, rules).then((read) => {
      if (!read) made.freshFor = pauseMilliseconds
      // a set that cannot be read has no keys, and so nobody signs with them
      return read ?? []
    }),
    at: performance.now(),
    freshFor: freshMilliseconds,
  }
  remembered.set(key, made)
  return made.keys
}

/** WSO2's `advancedConfigurations.certificate`: a PEM certificate, or the URL of a JWK set. */
const fromCertificate = ({ certificate }: Application): { uri?: string; keys?: readonly JWK[] } => {
  const value = certificate?.value
  if (value === undefined) return {}
  if (certificate?.type?.toUpperCase() === 'JWKS') return { uri: value }
  try {
    const pem = value.includes('-----BEGIN') ? value : Buffer.from(value, 'base64').toString('utf8')
    // the export of a public key as JWK has the members of one
    return { keys: [new X509Certificate(pem).publicKey.export({ format: 'jwk' }) as JWK] }
  } catch {
    return {}
  }
}

const sourceOf = (client: Application): { uri?: string; keys?: readonly JWK[] } => {
  const { jwks, jwksUri } = client.oidc.mayact
  if (jwks) return { keys: jwks.keys }
  return jwksUri === undefined ? fromCertificate(client) : { uri: jwksUri }
}

/** A client that has none, or whose URL cannot be read, has no keys. */
export const clientJwks = async (client: Application, rules: OutboundRules): Promise<readonly JWK[]> => {
  const { uri, keys } = sourceOf(client)
  return uri === undefined ? (keys ?? []) : setOf(client, uri, rules, false)
}

type Resolver = ReturnType<typeof createLocalJWKSet>

/** Imported keys are kept with their set. */
const resolvers = new WeakMap<object, Resolver>()

const resolverOf = (keys: readonly JWK[]): Resolver => {
  const known = resolvers.get(keys)
  if (known) return known
  // symmetric keys verify nothing here: whoever published them could be anybody
  const made = createLocalJWKSet({
    keys: keys.filter(({ kty }) => kty !== 'oct') as JWK[] & { kty: string }[],
  })
  resolvers.set(keys, made)
  return made
}

/**
 * What `jwtVerify` takes as its key; it rejects with jose's errors, `JWKSNoMatchingKey` for a client without keys too.
 * A key that is not in the set of a URL is looked for once more, as the client may have rotated its keys.
 */
export const clientKeys = async (
  client: Application,
  rules: OutboundRules = { allowPrivateAddresses: false },
): Promise<JWTVerifyGetKey> => {
  const { uri } = sourceOf(client)
  const keys = await clientJwks(client, rules)
  return async (header, token) => {
    try {
      return await resolverOf(keys)(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || uri === undefined) throw error
      return resolverOf(await setOf(client, uri, rules, true))(header, token)
    }
  }
}
