/**
 * Follows the sealed audit trail: whoever acts on what has happened (plugins, webhooks, mail) gets its rows in the order
 * of the chain. What he writes and how far he has come are one commit, so that each row is taken once in the database,
 * and at least once by the world outside. On a shared database one server at a time holds the lease and follows.
 */
import { sql } from 'kysely'
import { commit, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { leaseOf } from '../database/lease.ts'
import type { AuditTable } from '../database/schema.ts'
import type { Log } from '../log.ts'
import { cursorPrefix, warnOfLagging } from './lagging.ts'
import { headOf } from './sealer.ts'

const batch = 200
const pauseMilliseconds = 250
/** A holder that was killed is missed for no longer. */
const leaseMilliseconds = 6_000
const longestBackOff = 60_000

export interface Follower {
  /** Its cursor goes by it. */
  readonly name: string
  /** The events that it wants; all of them when undefined. */
  readonly events?: ReadonlySet<string> | undefined
  /** Whether it wants none of them at present: it keeps up without looking at any. */
  idle?(): Promise<boolean>
  /** Takes some rows; what it answers is written with its progress. When it throws it gets them again, later. */
  take(rows: readonly AuditTable[]): Promise<readonly Write[]>
}

export interface Following {
  /** From now on these, whole: what a pass has begun it ends with the former ones. */
  follow(followers: readonly Follower[]): void
  /** Ends after the pass that is under way. */
  stop(): Promise<void>
}

interface Progress {
  failures: number
  notBefore: number
}

/** The first position that some follower has not taken yet; undefined when there is none that follows. */
export const firstUntaken = async (db: Db): Promise<number | undefined> => {
  const rows = await db.selectFrom('meta').select('value').where('name', 'like', `${cursorPrefix}%`).execute()
  return rows.length === 0 ? undefined : Math.min(...rows.map(({ value }) => Number(value))) + 1
}

/** Starts the loop under the lease of that name; it does nothing while nobody follows. */
export const startFollowing = (db: Db, leaseName: string, log: Log): Following => {
  const lease = leaseOf(db, leaseName, leaseMilliseconds)
  let following: readonly Follower[] = []
  const progress = new Map<string, Progress>()

  const store = (name: string, position: number): Write => {
    const value = String(position)
    return write(
      db
        .insertInto('meta')
        .values({ name: `${cursorPrefix}${name}`, value })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value })),
    )
  }

  /** The last position that it has taken; a new one gets what is sealed from now on. */
  const cursorOf = async (name: string): Promise<number> => {
    const row = await db
      .selectFrom('meta')
      .select('value')
      .where('name', '=', `${cursorPrefix}${name}`)
      .executeTakeFirst()
    if (row) return Number(row.value)
    const { position } = await headOf(db)
    await commit(db, [store(name, position)])
    return position
  }

  /** The next rows that it wants behind `after`, up to `head`. */
  const wanted = ({ events }: Follower, after: number, head: number): Promise<readonly AuditTable[]> =>
    db
      .selectFrom('audit')
      .selectAll()
      .where('position', '>', after)
      .where('position', '<=', head)
      // an expression, since an index by events would be walked from its beginning
      .$if(events !== undefined, (rows) => rows.where(sql`event || ''`, 'in', [...(events ?? [])]))
      .orderBy('position')
      .limit(batch)
      .execute()

  const advance = async (follower: Follower) => {
    const state = progress.get(follower.name)
    if (state && Date.now() < state.notBefore) return
    let cursor = await cursorOf(follower.name)
    const { position: head } = await headOf(db)
    while (cursor < head) {
      const rows = (await follower.idle?.()) ? [] : await wanted(follower, cursor, head)
      const last = rows.length === batch ? (rows.at(-1)?.position ?? head) : head
      const writes = rows.length > 0 ? await follower.take(rows) : []
      // who lost the lease meanwhile leaves it to the next one
      if ((await commit(db, [lease.held(), ...writes, store(follower.name, last)])) !== 'committed')
        throw new Error('what was made of the rows could not be written')
      cursor = last
    }
    progress.delete(follower.name)
  }

  /** Whether there is something that one of them has not taken. */
  const isBehind = async (followers: readonly Follower[]): Promise<boolean> => {
    const names = followers.map(({ name }) => `${cursorPrefix}${name}`)
    const cursors = await db.selectFrom('meta').select('value').where('name', 'in', names).execute()
    if (cursors.length < names.length) return true
    const { position } = await headOf(db)
    return cursors.some(({ value }) => Number(value) < position)
  }

  const pass = async () => {
    const followers = following
    await warnOfLagging(db, log, new Date())
    // where nothing happens nothing is written, the lease neither
    if (followers.length === 0 || !(await isBehind(followers)) || !(await lease.take(new Date()))) return
    // one that is slow keeps only itself waiting
    await Promise.all(
      followers.map(async (follower) => {
        try {
          await advance(follower)
        } catch (error) {
          const failures = (progress.get(follower.name)?.failures ?? 0) + 1
          const notBefore = Date.now() + Math.min(longestBackOff, 500 * 2 ** failures)
          progress.set(follower.name, { failures, notBefore })
          log.warn({ err: error, follower: follower.name }, 'audit rows could not be taken; trying again')
        }
      }),
    )
  }

  let stopped = false
  let running: Promise<void> = Promise.resolve()
  const loop = async () => {
    while (!stopped) {
      running = pass().catch((error: unknown) => {
        log.error({ err: error }, 'audit rows could not be read; trying again')
      })
      await running
      await Bun.sleep(pauseMilliseconds)
    }
  }
  let started = false
  return {
    follow(followers) {
      following = followers
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
