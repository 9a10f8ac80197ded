/**
 * The cache of administrative facts. Every entry belongs to the revision that its reader had read before, so a newer
 * revision empties it; a decision's commit is guarded by the same revision, so what was cached can never be stale.
 */
import type { Db } from '../database/connect.ts'

const largest = 20_000
/** What other programs' SQL changed, without a new revision, is seen after this long. */
const longestMilliseconds = 10_000

const caches = new WeakMap<Db, { n: number; until: number; values: Map<string, Promise<unknown>> }>()

/** The fact named `key` as of revision `n`, loaded once. */
export const fact = <Value>(db: Db, n: number, key: string, load: () => Promise<Value>): Promise<Value> => {
  let cache = caches.get(db)
  const at = performance.now()
  if (!cache || n > cache.n || (n === cache.n && at > cache.until)) {
    cache = { n, until: at + longestMilliseconds, values: new Map() }
    caches.set(db, cache)
  }
  // a reader of an older revision is about to lose his commit: give him the truth, uncached
  if (n < cache.n) return load()
  // a key is only ever stored with the type its one loader gives
  const known = cache.values.get(key) as Promise<Value> | undefined
  if (known) return known
  if (cache.values.size >= largest) cache.values.clear()
  const loading = load()
  cache.values.set(key, loading)
  loading.catch(() => cache.values.delete(key))
  return loading
}
