/**
 * The loop that records what is over and ends what may not go on (`sweep.ts`), several times a second, in one process
 * at a time; and in every process the writing down of when impersonations were last used.
 */
import type { Db } from '../database/connect.ts'
import { leaseOf } from '../database/lease.ts'
import type { Log } from '../log.ts'
import { endUnacceptable, hasUnsettled, noMemory, recordEnds } from './sweep.ts'
import { writeUses } from './uses.ts'

const pauseMilliseconds = 250
const usesEveryMilliseconds = 3_000
/** A holder that was killed is missed for no longer. */
const leaseMilliseconds = 6_000

export interface SweeperNeeds {
  readonly db: Db
  readonly log: Log
  /** A response type for subject tokens is configured. */
  enabled(): boolean
}

export interface Sweeper {
  /** Ends after the pass that is under way. */
  stop(): Promise<void>
}

export const startSweeper = ({ db, log, enabled }: SweeperNeeds): Sweeper => {
  const lease = leaseOf(db, 'impersonation-sweeper', leaseMilliseconds)
  const memory = noMemory()
  let usesAt = Date.now()

  const pass = async () => {
    if (Date.now() - usesAt >= usesEveryMilliseconds) {
      usesAt = Date.now()
      await writeUses(db)
    }
    // an idle server neither writes nor holds anything
    if (!(await hasUnsettled(db)) || !(await lease.take(new Date()))) return
    await recordEnds(db, new Date())
    await endUnacceptable(db, enabled(), memory, new Date())
  }

  let stopped = false
  let running: Promise<void> = Promise.resolve()
  let wake: (() => void) | undefined
  const loop = async () => {
    while (!stopped) {
      running = pass().catch((error: unknown) => {
        log.error({ err: error }, 'ends of impersonations could not be recorded; trying again')
      })
      await running
      if (stopped) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMilliseconds)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
  const finished = loop()
  return {
    async stop() {
      stopped = true
      wake?.()
      await finished
      await running
      try {
        await writeUses(db)
        await lease.release()
      } catch (error) {
        log.warn({ err: error }, 'the last uses of impersonations could not be written')
      }
    },
  }
}
