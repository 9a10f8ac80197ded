/** Tells the plugins that listen, audit sinks and notifiers, of the sealed audit rows: at least once, in their order. */
import { type Following, startFollowing } from '../audit/follower.ts'
import type { Db } from '../database/connect.ts'
import type { Log } from '../log.ts'
import type { Follower } from '../plugins.ts'
import { tell } from './tell.ts'

export interface Followers {
  /** From now on these, whole: what a pass has begun it ends with the former ones. */
  follow(followers: readonly Follower[], timeoutMilliseconds: number): void
  /** Ends after the pass that is under way. */
  stop(): Promise<void>
}

const started = new Set(['impersonated-token-issued'])

/** Starts the loop; it does nothing while there is nobody to tell. */
export const startFollowers = (db: Db, log: Log): Followers => {
  const following: Following = startFollowing(db, 'plugin-followers', log)
  return {
    follow(followers, timeoutMilliseconds) {
      following.follow(
        followers.map((follower) => ({
          name: `plugin ${follower.name}`,
          events: follower.follows.kind === 'notifier' ? started : undefined,
          async take(rows) {
            await tell(follower, rows, timeoutMilliseconds)
            return []
          },
        })),
      )
    },
    stop: following.stop,
  }
}
