/**
 * Rotation without downtime: the next key is published some time before it signs, since relying parties keep the JWKS
 * for a while, and the one before stays published until its last token has ended.
 */
import { record, type Trace } from '../audit.ts'
import { bump, commit, exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { SigningKeyTable } from '../database/schema.ts'
import type { Algorithm } from './algorithms.ts'
import { addKey, allKeys, isActive, isAlive } from './key-rows.ts'
import type { Vault } from './secrets.ts'

/**
 * `next`: published, and signs from `activeFrom` on. `signs`: its time has come. `retired`: verifies what it signed.
 * `gone`: no longer published.
 */
export type KeyState = 'next' | 'signs' | 'retired' | 'gone'

export interface ListedKey {
  readonly kid: string
  readonly algorithm: string
  readonly state: KeyState
  readonly createdAt: string
  readonly activeFrom: string
  readonly retiredAt: string | null
  /** Null while it is not known: a key stays published until it is. */
  readonly publishedUntil: string | null
}

const stateOf = (row: SigningKeyTable, now: Date): KeyState => {
  if (row.published_until !== null && row.published_until <= now.toISOString()) return 'gone'
  if (!isAlive(row, now)) return 'retired'
  return isActive(row, now) ? 'signs' : 'next'
}

/** All keys there ever were, the newest first. */
export const listKeys = async (db: Db, now: Date): Promise<readonly ListedKey[]> =>
  (await allKeys(db)).map((row) => ({
    kid: row.kid,
    algorithm: row.algorithm,
    state: stateOf(row, now),
    createdAt: row.created_at,
    activeFrom: row.active_from,
    retiredAt: row.retired_at,
    publishedUntil: row.published_until,
  }))

const retired = (
  db: Db,
  kid: string,
  data: Readonly<Record<string, unknown>>,
  trace: Trace,
  now: Date,
): Write =>
  record(db, now, trace, {
    event: 'signing-key-retired',
    initiator: 'system',
    target: kid,
    data: { kid, ...data },
    outcome: 'Success',
  })

const tries = 3

/**
 * Puts a new key of each algorithm in the place of all that are alive. It is published at once and signs `leadSeconds`
 * later; until then those before go on. Answers the new keys' kids.
 */
export const rotate = async (
  db: Db,
  vault: Vault,
  algorithms: readonly Algorithm[],
  leadSeconds: number,
  trace: Trace,
  now: Date,
): Promise<readonly string[]> => {
  const { generateSigningKey } = await import('./generate.ts')
  const from = new Date(now.getTime() + leadSeconds * 1000)
  const rows = await Promise.all(
    algorithms.map((algorithm) => generateSigningKey(vault, algorithm, now, from)),
  )
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    const alive = (await allKeys(db)).filter(({ retired_at }) => retired_at === null)
    const retired_at = from.toISOString()
    const outcome = await commit(db, [
      // each by its kid, so that each has its audit row; a rotation at the same time makes this one look again
      ...alive.map(({ kid }) =>
        exactly(
          1,
          db
            .updateTable('signing_key')
            .set({ retired_at })
            .where('kid', '=', kid)
            .where('retired_at', 'is', null),
        ),
      ),
      ...alive.map(({ kid }) => retired(db, kid, { retiredAt: retired_at }, trace, now)),
      ...rows.flatMap((row) => addKey(db, row, trace, now)),
      bump,
    ])
    if (outcome === 'committed') return rows.map(({ kid }) => kid)
  }
  throw new Error('the new signing keys were not written: others rotate at the same time')
}

/**
 * Retires one key, which stays published for what it has signed; `withdraw` takes it out of the JWKS at once, for a key
 * that somebody stole. False when no key of that kid is there to be retired or withdrawn. A server that finds no other
 * key of an algorithm that it needs makes one.
 */
export const retire = async (
  db: Db,
  kid: string,
  { withdraw }: { readonly withdraw: boolean },
  trace: Trace,
  now: Date,
): Promise<boolean> => {
  const instant = now.toISOString()
  const update = db
    .updateTable('signing_key')
    .set((key) => ({
      retired_at: key.case().when('retired_at', '<', instant).then(key.ref('retired_at')).else(instant).end(),
      ...(withdraw ? { published_until: instant } : {}),
    }))
    .where('kid', '=', kid)
    .where((key) =>
      withdraw
        ? key.or([key('published_until', 'is', null), key('published_until', '>', instant)])
        : key.or([key('retired_at', 'is', null), key('retired_at', '>', instant)]),
    )
  const outcome = await commit(db, [
    exactly(1, update),
    retired(db, kid, { retiredAt: instant, withdrawn: withdraw }, trace, now),
    bump,
  ])
  return outcome === 'committed'
}
