/**
 * Sends the rows of a table to those that they are for, several at once. Each row is claimed, sent and marked in this
 * order: a crash in between repeats it and never loses it. A receiver that is slow or does not answer keeps none from
 * the others, since it has only so many attempts at once.
 */
import { commit, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Log } from '../log.ts'
import {
  claim,
  type Deliverable,
  type DeliveryTable,
  deferred,
  delivered,
  deliverySender,
  givenUp,
  release,
} from './rows.ts'

const atOnce = 60
const looksEvery = 100
/** A commit may follow the making of its row late; so long is looked for it. */
const looksFor = 2_000
const sweepsEvery = 2_000

/** Longer than any attempt may take: then a row is whoever's claims it. */
export const abandonedAfter = 15_000

export interface Failure {
  readonly reason: string
  /** No attempt will do better. */
  readonly permanent: boolean
  /** Milliseconds that the receiver asks to be left alone for, at least. */
  readonly wait?: number | undefined
  /** What else it makes of it, in the commit that marks the row. */
  readonly writes?: readonly Write[] | undefined
}

export const permanent = (reason: string): Failure => ({ reason, permanent: true })
export const passing = (reason: string): Failure => ({ reason, permanent: false })

export interface Delivery<Row extends Deliverable> {
  readonly table: DeliveryTable
  /** What is due and this sender's or nobody's any more, longest waiting first, without those of busy receivers. */
  due(senderId: string, now: Date, limit: number, busy: readonly string[]): Promise<readonly Row[]>
  receiverOf(row: Row): string
  /** Of one receiver: it may be slow, and each of its answers late. */
  readonly atOnceOfOne: number
  /** Milliseconds that a receiver has to answer; less than `abandonedAfter`. */
  readonly patience: number
  /** Milliseconds before the attempt that follows so many; undefined when there is none. */
  waitAfter(row: Row, attempts: number): number | undefined
  /** Sends it; answers why it did not arrive. Whatever is thrown is a passing failure. */
  attempt(row: Row, signal: AbortSignal): Promise<Failure | undefined>
  /** What the log says of a row beside the reason, and how it calls what is sent and who gets it. */
  about(row: Row): object
  readonly words: { readonly message: string; readonly receiver: string }
}

export interface Sending {
  /** Tries all that is due now; resolves when each has been sent, deferred or given up. */
  flush(): Promise<void>
  /** Ends what is under way and leaves the rest to the others and to the next start. */
  stop(): Promise<void>
}

/** Starts the loop that sends. Nothing waits for it. */
export const startSending = <Row extends Deliverable>(
  db: Db,
  delivery: Delivery<Row>,
  log: Log,
  now: () => Date = () => new Date(),
): Sending => {
  const { table, patience, words, receiverOf } = delivery
  const sender = deliverySender(db, table)
  const underWay = new Map<string, { readonly receiver: string; readonly done: Promise<void> }>()
  const ended = new AbortController()
  let stopping = false
  /** By `performance.now()`. */
  let looksAgainAt = Number.NEGATIVE_INFINITY

  const lookAgainIn = (milliseconds: number) => {
    looksAgainAt = Math.min(looksAgainAt, performance.now() + milliseconds)
  }

  const tell = async (row: Row): Promise<Failure | undefined> => {
    const late = passing(`the ${words.receiver} did not answer in time`)
    const clock = Promise.withResolvers<Failure>()
    // fetch may be slow to hear of its signal, and a name is looked up without one
    const timer = setTimeout(() => clock.resolve(late), patience + 500)
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(patience), ended.signal])
      return await Promise.race([delivery.attempt(row, signal), clock.promise])
    } catch (error) {
      const isLate = error instanceof Error && error.name === 'TimeoutError'
      return isLate ? late : passing(`the ${words.receiver} cannot be reached`)
    } finally {
      clearTimeout(timer)
    }
  }

  const failed = (row: Row, failure: Failure): readonly Write[] => {
    const { reason, writes = [] } = failure
    const at = now()
    const about = { ...delivery.about(row), reason }
    const wait = failure.permanent ? undefined : delivery.waitAfter(row, row.attempts + 1)
    if (wait === undefined) {
      log.error(about, `${words.message} could not be delivered; given up`)
      return [givenUp(db, table, row, sender.id, reason, at), ...writes]
    }
    const waits = Math.max(wait, failure.wait ?? 0)
    lookAgainIn(waits)
    log.warn(about, `${words.message} could not be delivered; trying again`)
    return [deferred(db, table, row, sender.id, reason, new Date(at.getTime() + waits)), ...writes]
  }

  const deliver = async (row: Row) => {
    try {
      if ((await commit(db, [claim(db, table, row, sender.id, now())])) !== 'committed') return
      const failure = await tell(row)
      // stopped while it waited: the next start tries again, and nothing is said of the receiver
      if (failure && ended.signal.aborted) return
      await commit(db, failure ? failed(row, failure) : [delivered(db, table, row, now())])
    } catch (error) {
      log.error({ err: error }, `${words.message} could not be updated; it will be sent again`)
      await Bun.sleep(stopping ? 0 : 1000)
    }
  }

  const start = (row: Row) => {
    const done = deliver(row).finally(() => {
      underWay.delete(row.id)
      lookAgainIn(0)
    })
    underWay.set(row.id, { receiver: receiverOf(row), done })
  }

  const allUnderWay = () => [...underWay.values()].map(({ done }) => done)

  const countOf = (asked: string) =>
    [...underWay.values()].filter(({ receiver }) => receiver === asked).length

  const busy = () =>
    [...new Set([...underWay.values()].map(({ receiver }) => receiver))].filter(
      (receiver) => countOf(receiver) >= delivery.atOnceOfOne,
    )

  const drain = async () => {
    while (!stopping) {
      const room = atOnce - underWay.size
      if (room <= 0) {
        await Promise.race(allUnderWay())
        continue
      }
      const due = await delivery.due(sender.id, now(), atOnce + underWay.size, busy())
      const rows = due.filter(({ id }) => !underWay.has(id)).slice(0, room)
      if (rows.length === 0) return
      for (const row of rows) if (countOf(receiverOf(row)) < delivery.atOnceOfOne) start(row)
    }
  }

  let looking: Promise<void> | undefined
  const look = () => {
    looking ??= (async () => {
      looksAgainAt = performance.now() + sweepsEvery
      try {
        await drain()
      } catch (error) {
        log.error({ err: error }, `the rows of ${table} could not be read; trying again`)
      } finally {
        looking = undefined
      }
    })()
    return looking
  }

  const timer = setInterval(() => {
    const at = performance.now()
    if (!looking && (at - sender.addedAt < looksFor || at >= looksAgainAt)) look()
  }, looksEvery)
  timer.unref()

  return {
    async flush() {
      await looking
      do {
        await Promise.all(allUnderWay())
        await look()
      } while (underWay.size > 0)
    },
    async stop() {
      clearInterval(timer)
      stopping = true
      ended.abort()
      await Promise.race([Promise.all(allUnderWay()), Bun.sleep(patience)])
      await looking
      await commit(db, [release(db, table, sender.id)]).catch((error: unknown) =>
        log.error({ err: error }, `the rows of ${table} could not be left to others`),
      )
    },
  }
}
