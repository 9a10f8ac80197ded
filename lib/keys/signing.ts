/**
 * The keys that tokens are signed with: kept in the database, so that all servers on it have the same ones. Several
 * are alive at once: one of each configured algorithm signs, all of them are published.
 */
import type { JWK } from 'jose'
import { readRevision, seenRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { SigningKeyTable } from '../database/schema.ts'
import { type Algorithm, webCrypto } from './algorithms.ts'
import { isActive, isAlive, nextChange, publishedKeys } from './key-rows.ts'
import type { Vault } from './secrets.ts'
import { type PublicJwk, publicJwk, type Signer, signer } from './signer.ts'

export type { Algorithm } from './algorithms.ts'

/** Where no request has read the revision for so long, signing reads it. */
const trusted = 1_000

/** The keys of a running server. They follow what other processes change, without a query for each token. */
export interface SigningKeys {
  /** The configured algorithm, which signs unless another one is asked for. */
  readonly algorithm: Algorithm
  /** It and the additional ones. */
  readonly algorithms: readonly Algorithm[]
  /**
   * Signs `claims` as a compact JWT (RFC 7515 §3.1); `type` becomes the header's `typ`, which is absent without it. An
   * `algorithm` that has no key here gives way to the configured one. The key is one of the newest revision that this
   * process has read: what is guarded by that revision is never signed with a key that was withdrawn before.
   */
  sign(claims: Readonly<Record<string, unknown>>, type?: string, algorithm?: string): Promise<string>
  /** What `sign` signs with where this `algorithm` is asked for. */
  algorithmFor(algorithm?: string): Algorithm
  /** The JWK set of RFC 7517 §5, as of the last look: public keys only, the signing one first. */
  jwks(): { readonly keys: readonly JWK[] }
  /** Looks whether the keys have changed. */
  refresh(): Promise<void>
}

/** The keys as of one revision and one moment. */
interface Opened {
  readonly n: number
  /** Milliseconds since the epoch: then another key signs, or one is no longer published. */
  readonly until: number
  readonly signers: ReadonlyMap<string, Signer>
  readonly published: { readonly keys: readonly JWK[] }
}

/** The newest whose time has come; before that the next one, which is published at least. */
const currentOf = (rows: readonly SigningKeyTable[], algorithm: Algorithm, now: Date) => {
  const alive = rows.filter((row) => row.algorithm === algorithm && isAlive(row, now))
  return alive.find((row) => isActive(row, now)) ?? alive.at(-1)
}

/**
 * Loads the keys, and makes one of each algorithm of which none is alive; the first of `algorithms` is the configured
 * one. Throws `SealError` when the vault has another key than the one that sealed them.
 */
export const loadSigningKeys = async (
  db: Db,
  vault: Vault,
  algorithms: readonly [Algorithm, ...Algorithm[]],
  clock: () => Date = () => new Date(),
): Promise<SigningKeys> => {
  const [preferred] = algorithms
  // a key is opened once, however often the revision changes
  const jwks = new Map<string, PublicJwk>()
  const signers = new Map<string, Signer>()

  const jwkOf = (row: SigningKeyTable): PublicJwk => {
    const jwk = jwks.get(row.kid) ?? publicJwk(row)
    jwks.set(row.kid, jwk)
    return jwk
  }

  const signerOf = async (row: SigningKeyTable, algorithm: Algorithm): Promise<Signer> => {
    const known = signers.get(row.kid)
    if (known) return known
    const pkcs8 = vault.open(row.private_key, row.kid)
    const key = await crypto.subtle.importKey('pkcs8', pkcs8, webCrypto[algorithm].key, false, ['sign'])
    const made = signer(algorithm, key, jwkOf(row))
    signers.set(row.kid, made)
    return made
  }

  const openKeys = async (n: number): Promise<Opened> => {
    const now = clock()
    const rows = await publishedKeys(db, vault, algorithms, now)
    const signing = algorithms.flatMap((algorithm) => currentOf(rows, algorithm, now) ?? [])
    const opened = await Promise.all(
      algorithms.map(async (algorithm, index) => {
        const row = signing[index]
        if (row?.algorithm !== algorithm) throw new Error(`there is no ${algorithm} signing key`)
        return [algorithm, await signerOf(row, algorithm)] as const
      }),
    )
    const kids = new Set(rows.map(({ kid }) => kid))
    for (const known of [jwks, signers]) for (const kid of known.keys()) if (!kids.has(kid)) known.delete(kid)
    const others = rows.filter((row) => !signing.includes(row))
    return {
      n,
      until: nextChange(rows, now),
      signers: new Map(opened),
      published: { keys: [...signing, ...others].map(jwkOf) },
    }
  }

  // the revision is read before the keys: what changes in between is seen the next time
  let current = await openKeys(await readRevision(db))

  const look = async (): Promise<void> => {
    const n = await readRevision(db)
    if (n !== current.n || clock().getTime() >= current.until) current = await openKeys(n)
  }

  let underWay: Promise<void> | undefined
  const lookOnce = (): Promise<void> => {
    underWay ??= look().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  const refresh = async (): Promise<void> => {
    const { n } = seenRevision(db)
    await lookOnce()
    // one that was under way already may have read before the change that was seen
    if (current.n < n) await lookOnce()
  }

  const isFresh = (): boolean => {
    const seen = seenRevision(db)
    return seen.n === current.n && Date.now() - seen.at < trusted && clock().getTime() < current.until
  }

  const algorithmFor = (algorithm?: string): Algorithm =>
    algorithms.find((known) => known === algorithm) ?? preferred

  return {
    algorithm: preferred,
    algorithms,
    async sign(claims, type, algorithm) {
      if (!isFresh()) await refresh()
      const used = algorithmFor(algorithm)
      const sign = current.signers.get(used)
      if (!sign) throw new Error(`there is no ${used} signing key`)
      return sign(claims, type)
    },
    algorithmFor,
    jwks: () => current.published,
    refresh,
  }
}
