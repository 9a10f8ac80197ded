/**
 * The rows of `signing_key` and what state each is in. A key is published when it is made, signs from `active_from` on,
 * is retired when another takes its place, and stays published until the last token it may have signed has ended.
 */
import { record, type Trace } from '../audit.ts'
import { bump, commit, exactly, holds, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { SigningKeyTable } from '../database/schema.ts'
import type { Algorithm } from './algorithms.ts'
import type { Vault } from './secrets.ts'

const minute = 60_000
const hour = 60 * minute

/** Nothing that a key signed before it was retired is committed later than this. */
const settling = minute

/** Verifiers with slow clocks still find the key of a token that has just ended. */
const margin = hour

export interface KeyTimes {
  readonly active_from: string
  readonly retired_at: string | null
  readonly published_until: string | null
}

/** Whether it signs, or will. */
export const isAlive = ({ retired_at }: KeyTimes, now: Date): boolean =>
  retired_at === null || retired_at > now.toISOString()

/** Whether its time to sign has begun and has not passed. */
export const isActive = (key: KeyTimes, now: Date): boolean =>
  isAlive(key, now) && key.active_from <= now.toISOString()

const isPublished = ({ published_until }: KeyTimes, now: Date): boolean =>
  published_until === null || published_until > now.toISOString()

const isSettled = ({ retired_at, published_until }: KeyTimes, now: Date): boolean =>
  published_until !== null ||
  retired_at === null ||
  retired_at > new Date(now.getTime() - settling).toISOString()

/** The next instant at which a key's state changes by itself, in milliseconds since the epoch. */
export const nextChange = (keys: readonly KeyTimes[], now: Date): number =>
  Math.min(
    ...keys
      .flatMap(({ active_from, retired_at, published_until }) => [
        Date.parse(active_from),
        ...(retired_at === null ? [] : [Date.parse(retired_at), Date.parse(retired_at) + settling + 1]),
        ...(published_until === null ? [] : [Date.parse(published_until)]),
      ])
      .filter((instant) => instant > now.getTime()),
  )

/** Every row, the newest first. */
export const allKeys = (db: Db): Promise<SigningKeyTable[]> =>
  db.selectFrom('signing_key').selectAll().orderBy('active_from', 'desc').orderBy('kid').execute()

/**
 * Until when a retired key has to stay: every token has a row, so none that it signed ends later than the last of all
 * tokens that there are by now.
 */
const settle = async (db: Db, key: SigningKeyTable, now: Date): Promise<void> => {
  const last = await db
    .selectFrom('token')
    .select('expires_at')
    .orderBy('expires_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  const end = Math.max(now.getTime(), last === undefined ? 0 : Date.parse(last.expires_at))
  const published_until = new Date(end + margin).toISOString()
  // lost when another server was faster, which is as good
  await commit(db, [
    exactly(
      1,
      db
        .updateTable('signing_key')
        .set({ published_until })
        .where('kid', '=', key.kid)
        .where('retired_at', '=', key.retired_at)
        .where('published_until', 'is', null),
    ),
  ])
}

const system: Trace = { id: crypto.randomUUID(), address: 'start-up' }

/** The audit row and the row of a new key. */
export const addKey = (db: Db, row: SigningKeyTable, trace: Trace, now: Date): readonly Write[] => [
  write(db.insertInto('signing_key').values(row)),
  record(db, now, trace, {
    event: 'signing-key-created',
    initiator: 'system',
    target: row.kid,
    data: { kid: row.kid, algorithm: row.algorithm, activeFrom: row.active_from },
    outcome: 'Success',
  }),
]

/** Makes a key for an algorithm that has none; servers that do so at once agree on one. */
const ensure = async (db: Db, vault: Vault, algorithm: Algorithm, now: Date): Promise<void> => {
  const { generateSigningKey } = await import('./generate.ts')
  const row = await generateSigningKey(vault, algorithm, now, now)
  const alive = db
    .selectFrom('signing_key')
    .select('kid')
    .where('algorithm', '=', algorithm)
    .where((key) => key.or([key('retired_at', 'is', null), key('retired_at', '>', now.toISOString())]))
  const noneAlive = db
    .selectFrom('revision')
    .select('id')
    .where(({ exists, not }) => not(exists(alive)))
  // whether this one was written or another server's was first: read what is there now
  await commit(db, [holds(noneAlive), ...addKey(db, row, system, now), bump])
}

/** The keys that are to be published at `now`, the newest first; at least one of each algorithm is alive. */
export const publishedKeys = async (
  db: Db,
  vault: Vault,
  algorithms: readonly Algorithm[],
  now: Date,
): Promise<readonly SigningKeyTable[]> => {
  for (let tries = 1; tries <= 3; tries += 1) {
    const rows = await allKeys(db)
    const missing = algorithms.filter(
      (algorithm) => !rows.some((row) => row.algorithm === algorithm && isAlive(row, now)),
    )
    const unsettled = rows.filter((row) => !isSettled(row, now))
    for (const row of unsettled) await settle(db, row, now)
    if (missing.length + unsettled.length === 0) return rows.filter((row) => isPublished(row, now))
    for (const algorithm of missing) await ensure(db, vault, algorithm, now)
  }
  throw new Error(`no ${algorithms.join(' or ')} signing key stays alive: is another process retiring them?`)
}
