/**
 * Tells audit sinks and notifiers of sealed audit rows, in the order of the chain and at least once. How far each has
 * come is a row of `meta`, stored once it has taken the rows: a restart repeats the last ones at most, and leaves
 * nothing out. On a shared database one server at a time holds the lease and does the telling.
 */
import { headOf } from '../audit/sealer.ts'
import { commit, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { leaseOf } from '../database/lease.ts'
import type { Log } from '../log.ts'
import type { Follower } from '../plugins.ts'
import { tell } from './tell.ts'

const batch = 200
const pauseMilliseconds = 250
const leaseMilliseconds = 15_000
const longestBackOff = 60_000

export interface Followers {
  /** From now on these, whole: what a pass has begun it ends with the former ones. */
  follow(followers: readonly Follower[], timeoutMilliseconds: number): void
  /** Ends after the pass that is under way. */
  stop(): Promise<void>
}

interface Progress {
  failures: number
  notBefore: number
}

const cursorName = (follower: string) => `plugin-cursor ${follower}`

/** The first position that some plugin has not taken yet; undefined when none waits for rows. */
export const firstUntold = async (db: Db): Promise<number | undefined> => {
  const rows = await db.selectFrom('meta').select('value').where('name', 'like', cursorName('%')).execute()
  return rows.length === 0 ? undefined : Math.min(...rows.map(({ value }) => Number(value))) + 1
}

/** Starts the loop; it does nothing while there is nobody to tell. */
export const startFollowers = (db: Db, log: Log): Followers => {
  const lease = leaseOf(db, 'plugin-followers', leaseMilliseconds)
  let following: readonly Follower[] = []
  let limit = 0
  const progress = new Map<string, Progress>()

  const store = (name: string, position: number) =>
    commit(db, [
      write(
        db
          .insertInto('meta')
          .values({ name: cursorName(name), value: String(position) })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: String(position) })),
      ),
    ])

  /** The last position that it has taken; a new one hears of what is sealed from now on. */
  const cursorOf = async (name: string): Promise<number> => {
    const row = await db
      .selectFrom('meta')
      .select('value')
      .where('name', '=', cursorName(name))
      .executeTakeFirst()
    if (row) return Number(row.value)
    const { position } = await headOf(db)
    await store(name, position)
    return position
  }

  const advance = async ({ follows, ...follower }: Follower, now: number) => {
    const state = progress.get(follower.name)
    if (state && now < state.notBefore) return
    let cursor = await cursorOf(follower.name)
    for (;;) {
      const rows = await db
        .selectFrom('audit')
        .selectAll()
        .where('position', '>', cursor)
        .orderBy('position')
        .limit(batch)
        .execute()
      const last = rows.at(-1)?.position ?? cursor
      const meant =
        follows.kind === 'notifier' ? rows.filter(({ event }) => event === 'impersonated-token-issued') : rows
      if (meant.length > 0) await tell({ ...follower, follows }, meant, limit)
      if (last > cursor) await store(follower.name, last)
      cursor = last
      if (rows.length < batch) break
    }
    progress.delete(follower.name)
  }

  const pass = async () => {
    const followers = following
    if (followers.length === 0 || !(await lease.take(new Date()))) return
    // one that is slow keeps only itself waiting
    await Promise.all(
      followers.map(async (follower) => {
        try {
          await advance(follower, Date.now())
        } catch (error) {
          const failures = (progress.get(follower.name)?.failures ?? 0) + 1
          const notBefore = Date.now() + Math.min(longestBackOff, 500 * 2 ** failures)
          progress.set(follower.name, { failures, notBefore })
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
      if (started) await lease.release()
    },
  }
}
