/**
 * The keys that tokens are signed with: kept in the database, so that all servers on it have the same ones.
 * Several are alive at once; the newest of the configured algorithm signs, all of them are published.
 */
import { createHash } from 'node:crypto'
import type { JWK } from 'jose'
import { bump, commit, exactly, holds, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { SigningKeyTable } from '../database/schema.ts'
import { type Algorithm, webCrypto } from './algorithms.ts'
import type { Vault } from './secrets.ts'

export type { Algorithm } from './algorithms.ts'

/** How long a retired key stays published, in milliseconds: longer than a token it signed may live. */
export const publishedAfterRetirement = 30 * 86_400_000

/** The loaded keys of one moment; load them again when the revision has changed. */
export interface SigningKeys {
  /** The configured algorithm; `sign` uses no other. */
  readonly algorithm: Algorithm
  /** Signs `claims` as a compact JWT (RFC 7515 §3.1); `type` becomes the header's `typ`, which is absent without it. */
  sign(claims: Readonly<Record<string, unknown>>, type?: string): Promise<string>
  /** The JWK set of RFC 7517 §5: public keys only, the signing one first. */
  jwks(): { readonly keys: readonly JWK[] }
}

/** RFC 7517 §4: PEM is the base64 DER of `x5c` between two lines, and both thumbprints hash the DER. */
const publicJwk = (row: SigningKeyTable): JWK & { readonly kid: string; readonly x5t: string } => {
  const der = row.certificate.replace(/-----[A-Z ]+-----|\s/g, '')
  const digest = (hash: string) => createHash(hash).update(der, 'base64').digest('base64url')
  return {
    // written by generateSigningKey: the public members, as RFC 7638 hashes them
    ...(JSON.parse(row.public_jwk) as JWK & { kty: string }),
    use: 'sig',
    alg: row.algorithm,
    kid: row.kid,
    x5t: digest('sha1'),
    'x5t#S256': digest('sha256'),
    x5c: [der],
  }
}

/**
 * Our own fifteen lines because the header is encoded once for all tokens: jose's SignJWT costs a quarter more
 * time per ES256 token. WebCrypto signs on other threads, so RSA does not hold up the event loop.
 */
const signer = (algorithm: Algorithm, key: CryptoKey, { kid, x5t }: { kid: string; x5t: string }) => {
  const { signature: parameters } = webCrypto[algorithm]
  const headers = new Map<string | undefined, string>()
  const headerOf = (typ: string | undefined) => {
    const known = headers.get(typ)
    if (known !== undefined) return known
    // JSON leaves an undefined typ out
    const header = `${Buffer.from(JSON.stringify({ typ, alg: algorithm, kid, x5t })).toString('base64url')}.`
    headers.set(typ, header)
    return header
  }
  return async (claims: Readonly<Record<string, unknown>>, type?: string) => {
    const input = headerOf(type) + Buffer.from(JSON.stringify(claims)).toString('base64url')
    const signature = await crypto.subtle.sign(parameters, key, Buffer.from(input))
    return `${input}.${Buffer.from(signature).toString('base64url')}`
  }
}

const openKeys = async (
  vault: Vault,
  algorithm: Algorithm,
  current: SigningKeyTable,
  rows: readonly SigningKeyTable[],
): Promise<SigningKeys> => {
  const pkcs8 = vault.open(current.private_key, current.kid)
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, webCrypto[algorithm].key, false, ['sign'])
  const own = publicJwk(current)
  const published = { keys: [own, ...rows.filter((row) => row !== current).map(publicJwk)] }
  return { algorithm, sign: signer(algorithm, key, own), jwks: () => published }
}

/**
 * Loads the keys, and makes one of `algorithm` when none is alive; servers that start at once agree on one.
 * Throws `SealError` when the vault has another key than the one that sealed them.
 */
export const loadSigningKeys = async (
  db: Db,
  vault: Vault,
  algorithm: Algorithm,
  now: Date,
): Promise<SigningKeys> => {
  const publishedSince = new Date(now.getTime() - publishedAfterRetirement).toISOString()
  for (let tries = 1; tries <= 3; tries += 1) {
    const rows = await db
      .selectFrom('signing_key')
      .selectAll()
      .where((key) => key.or([key('retired_at', 'is', null), key('retired_at', '>', publishedSince)]))
      .orderBy('created_at', 'desc')
      .orderBy('kid')
      .execute()
    const current = rows.find((row) => row.retired_at === null && row.algorithm === algorithm)
    if (current) return openKeys(vault, algorithm, current, rows)
    const { generateSigningKey } = await import('./generate.ts')
    const row = await generateSigningKey(vault, algorithm, now)
    const alive = db
      .selectFrom('signing_key')
      .select('kid')
      .where('algorithm', '=', algorithm)
      .where('retired_at', 'is', null)
    const noneAlive = db
      .selectFrom('revision')
      .select('id')
      .where(({ exists, not }) => not(exists(alive)))
    // whether this one was written or another server's was first: read what is there now
    await commit(db, [holds(noneAlive), write(db.insertInto('signing_key').values(row)), bump])
  }
  throw new Error(`no ${algorithm} signing key stays alive: is another process retiring them?`)
}

/**
 * Puts a new key in the place of all that are alive; those stay published, so tokens they signed stay verifiable.
 * Answers the new key's kid.
 */
export const rotate = async (db: Db, vault: Vault, algorithm: Algorithm, now: Date): Promise<string> => {
  const { generateSigningKey } = await import('./generate.ts')
  const row = await generateSigningKey(vault, algorithm, now)
  const retirePrevious = db
    .updateTable('signing_key')
    .set({ retired_at: now.toISOString() })
    .where('retired_at', 'is', null)
  const outcome = await commit(db, [
    write(retirePrevious),
    write(db.insertInto('signing_key').values(row)),
    bump,
  ])
  if (outcome !== 'committed') throw new Error(`the new signing key was not written: ${outcome}`)
  return row.kid
}

/**
 * Retires one key; false when there is none of that kid still alive at `now`. A key that somebody stole is
 * withdrawn from the JWKS at once by an instant longer ago than `publishedAfterRetirement`.
 */
export const retire = async (db: Db, kid: string, now: Date): Promise<boolean> => {
  const retired_at = now.toISOString()
  const update = db
    .updateTable('signing_key')
    .set({ retired_at })
    .where('kid', '=', kid)
    .where((key) => key.or([key('retired_at', 'is', null), key('retired_at', '>', retired_at)]))
  return (await commit(db, [exactly(1, update), bump])) === 'committed'
}
