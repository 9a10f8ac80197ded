/**
 * Tells audit sinks and notifiers of audit rows, at least once, after their commit. How far each has come is a row of
 * `meta`; the row only moves past what is old enough that no slower commit can still appear before it, and what was
 * told since is remembered by the process. So a restart repeats a minute; nothing is left out. On a shared database
 * one server at a time holds the lease and does the telling.
 */
import { commit, exactly, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Log } from '../log.ts'
import type { Follower } from '../plugins.ts'
import { tell } from './tell.ts'

const batch = 200
const pauseMilliseconds = 250
const settledAfter = 60_000
/** An idle server need not write. */
const storedEvery = 30_000
const leaseMilliseconds = 15_000
const longestBackOff = 60_000
const leaseName = 'plugin-followers'

export interface Followers {
  /** From now on these, whole: what a pass has begun it ends with the former ones. */
  follow(followers: readonly Follower[], timeoutMilliseconds: number): void
  /** Ends after the pass that is under way. */
  stop(): Promise<void>
}

interface Progress {
  cursor: string | undefined
  readonly told: Set<string>
  failures: number
  notBefore: number
  storedAt: number
}

/** The smallest UUIDv7 of an instant: what is recorded from then on is greater. */
const floorOf = (milliseconds: number): string => {
  const hex = Math.max(0, milliseconds).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

/** Starts the loop; it does nothing while there is nobody to tell. */
export const startFollowers = (db: Db, log: Log): Followers => {
  const self = crypto.randomUUID()
  let following: readonly Follower[] = []
  let limit = 0
  const progress = new Map<string, Progress>()

  const read = async (name: string) =>
    (await db.selectFrom('meta').select('value').where('name', '=', name).executeTakeFirst())?.value

  const store = (name: string, value: string) =>
    write(
      db
        .insertInto('meta')
        .values({ name, value })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value })),
    )

  const holdsLease = async (now: number): Promise<boolean> => {
    const found = await read(leaseName)
    const value = `${self} ${now + leaseMilliseconds}`
    if (found === undefined) {
      const made = write(db.insertInto('meta').values({ name: leaseName, value }))
      return (await commit(db, [made])) === 'committed'
    }
    const [holder, until] = found.split(' ')
    if (holder === self && Number(until) - now > leaseMilliseconds / 2) return true
    if (holder !== self && Number(until) > now) return false
    const taken = db
      .updateTable('meta')
      .set({ value })
      .where('name', '=', leaseName)
      .where('value', '=', found)
    return (await commit(db, [exactly(1, taken)])) === 'committed'
  }

  const progressOf = async (name: string, now: number): Promise<Progress & { cursor: string }> => {
    const known = progress.get(name) ?? {
      cursor: undefined,
      told: new Set(),
      failures: 0,
      notBefore: 0,
      storedAt: 0,
    }
    progress.set(name, known)
    const key = `plugin-cursor ${name}`
    let cursor = known.cursor ?? (await read(key))
    if (cursor === undefined) {
      // a new one hears of what happens from now on
      cursor = floorOf(now - pauseMilliseconds * 2)
      await commit(db, [store(key, cursor)])
    }
    known.cursor = cursor
    return Object.assign(known, { cursor })
  }

  const advance = async (follower: Follower, now: number) => {
    const state = await progressOf(follower.name, now)
    if (now < state.notBefore) return
    let place = state.cursor
    for (;;) {
      let query = db.selectFrom('audit').selectAll().where('id', '>', place).orderBy('id').limit(batch)
      if (follower.follows.kind === 'notifier') query = query.where('event', '=', 'impersonated-token-issued')
      const rows = await query.execute()
      const fresh = rows.filter(({ id }) => !state.told.has(id))
      if (fresh.length > 0) await tell(follower, fresh, limit)
      for (const { id } of fresh) state.told.add(id)
      place = rows.at(-1)?.id ?? place
      if (rows.length < batch) break
    }
    state.failures = 0
    const settled = floorOf(now - settledAfter)
    if (settled <= state.cursor) return
    for (const id of state.told) if (id <= settled) state.told.delete(id)
    state.cursor = settled
    if (now - state.storedAt < storedEvery) return
    state.storedAt = now
    await commit(db, [store(`plugin-cursor ${follower.name}`, settled)])
  }

  const pass = async () => {
    const now = Date.now()
    const followers = following
    if (followers.length === 0 || !(await holdsLease(now))) return
    // one that is slow keeps only itself waiting
    await Promise.all(
      followers.map(async (follower) => {
        try {
          await advance(follower, now)
        } catch (error) {
          const state = progress.get(follower.name)
          if (state) {
            state.failures += 1
            state.notBefore = Date.now() + Math.min(longestBackOff, 500 * 2 ** state.failures)
          }
          log.warn(
            { err: error, plugin: follower.name },
            'a plugin could not be told of audit rows; trying again',
          )
        }
      }),
    )
  }

  let stopped = false
  let running: Promise<void> = Promise.resolve()
  const loop = async () => {
    while (!stopped) {
      running = pass().catch((error: unknown) => {
        log.error({ err: error }, 'audit rows could not be read for plugins; trying again')
      })
      await running
      await Bun.sleep(pauseMilliseconds)
    }
  }
  let started = false
  return {
    follow(followers, timeoutMilliseconds) {
      following = followers
      limit = timeoutMilliseconds
      if (started || followers.length === 0) return
      started = true
      void loop()
    },
    async stop() {
      stopped = true
      await running
      if (!started) return
      // the next one need not wait for the lease to run out
      const own = db.deleteFrom('meta').where('name', '=', leaseName).where('value', 'like', `${self} %`)
      await commit(db, [write(own)])
    },
  }
}
