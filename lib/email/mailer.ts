/**
 * Sends the outbox. Each row is claimed, sent and marked in this order: a crash in between repeats the message under
 * its Message-ID and never loses it. Mail leaves at a bounded rate, a message that is refused waits longer each time,
 * and while the mail server as a whole fails a single message at a time finds out whether it is back.
 */
import { commit, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claim as claimRow, deferred, delivered, givenUp, release } from '../delivery/rows.ts'
import type { Log } from '../log.ts'
import { backOff } from './back-off.ts'
import { findDueMail, mailSender, nextMailDueAt, type OutboxRow } from './outbox.ts'
import { pacer } from './pacer.ts'
import { openSender, type SenderOptions } from './sender.ts'
import type { Patience } from './transport.ts'
import type { Undelivered } from './undelivered.ts'

const minute = 60_000
const hour = 60 * minute
const atOnce = 5
const ratePerSecond = 20
const looksEvery = 100
/** A commit may follow its `enqueue` late; so long is looked for it. */
const looksFor = 2_000
const sweepsEvery = 10_000
const givesUpAfter = 72 * hour
const longestPause = minute
const longestBackOff = hour

export interface MailerOptions extends SenderOptions {
  readonly now?: () => Date
  readonly patience?: Patience & {
    /** To take the whole message; less than the minute after which others take the row over. */
    readonly whole: number
    /** To end what is under way when the server stops. */
    readonly stop: number
  }
}

export interface Mailer {
  /** Tries all that is due now; resolves when each has been sent, deferred or given up, or the server is down. */
  flush(): Promise<void>
  /** Ends what is under way, but not for long, and leaves the rest to the next start. */
  stop(): Promise<void>
}

const usualPatience = { connect: 10_000, answer: 20_000, whole: 45_000, stop: 5_000 }

/** Starts the loop that sends. Nothing waits for it, and whatever fails is tried again. */
export const startMailer = (db: Db, options: MailerOptions, log: Log): Mailer => {
  const { now = () => new Date(), patience = usualPatience } = options
  const { id: senderId } = mailSender(db)
  const sender = openSender(db, options, patience)
  const turn = pacer(options.email?.messagesPerSecond ?? ratePerSecond)
  const underWay = new Map<string, Promise<void>>()
  const ended = new AbortController()
  let stopping = false
  let failures = 0
  let pausedUntil = 0

  /** By `performance.now()`. */
  let looksAgainAt = Number.NEGATIVE_INFINITY

  const isPaused = () => now().getTime() < pausedUntil
  const lookAgainIn = (milliseconds: number) => {
    looksAgainAt = Math.min(looksAgainAt, performance.now() + milliseconds)
  }

  /** Nobody tries anything for a while; then one message does. */
  const pause = () => {
    if (isPaused()) return
    failures += 1
    pausedUntil = now().getTime() + backOff(failures, longestPause)
    lookAgainIn(pausedUntil - now().getTime())
  }
  const resume = () => {
    if (failures > 0) lookAgainIn(0)
    failures = 0
    pausedUntil = 0
  }

  /** What the failure makes of the row, and of everybody's next attempt. */
  const failed = (row: OutboxRow, failure: Undelivered): Write => {
    const at = now()
    const about = { messageId: row.message_id, attempt: row.attempts + 1, reason: failure.message }
    if (failure.fault === 'server') pause()
    if (failure.permanent || at.getTime() - Date.parse(row.retried_at ?? row.created_at) > givesUpAfter) {
      log.error(about, 'a mail could not be delivered and is given up')
      return givenUp(db, 'outbox', row, senderId, failure.message, at)
    }
    const wait = backOff(row.attempts + 1, longestBackOff)
    const next = new Date(at.getTime() + wait)
    lookAgainIn(wait)
    log.warn({ ...about, nextAttemptAt: next.toISOString() }, 'a mail could not be delivered; trying again')
    return deferred(db, 'outbox', row, senderId, failure.message, next)
  }

  /** What became of a message is written down whatever the database does meanwhile, or it would be sent again. */
  const settle = async (result: Write) => {
    for (;;) {
      try {
        await commit(db, [result])
        return
      } catch (error) {
        log.error({ err: error }, 'the outbox could not be updated; trying again')
        if (stopping) return
        await Bun.sleep(1000)
      }
    }
  }

  const claim = async (row: OutboxRow): Promise<boolean> => {
    try {
      return (await commit(db, [claimRow(db, 'outbox', row, senderId, now())])) === 'committed'
    } catch (error) {
      pause()
      log.error({ err: error }, 'the outbox could not be claimed from; trying again')
      return false
    }
  }

  const deliver = async (row: OutboxRow) => {
    if (!(await claim(row))) return
    const signal = AbortSignal.any([AbortSignal.timeout(patience.whole), ended.signal])
    const failure = await sender.send(row, signal)
    if (failure) return settle(failed(row, failure))
    resume()
    log.debug({ messageId: row.message_id }, 'a mail was sent')
    return settle(delivered(db, 'outbox', row, now()))
  }

  const start = (row: OutboxRow) => {
    underWay.set(
      row.id,
      deliver(row).finally(() => underWay.delete(row.id)),
    )
  }

  /** Starts what is due until nothing is. */
  const drain = async () => {
    while (!stopping && !isPaused()) {
      const room = (failures > 0 ? 1 : atOnce) - underWay.size
      if (room <= 0) {
        await Promise.race(underWay.values())
        continue
      }
      const due = await findDueMail(db, senderId, now(), atOnce + underWay.size)
      const rows = due.filter(({ id }) => !underWay.has(id)).slice(0, room)
      if (rows.length === 0) return
      for (const row of rows) {
        await turn()
        if (stopping || isPaused()) return
        start(row)
      }
    }
  }

  let looking: Promise<void> | undefined
  const look = () => {
    looking ??= (async () => {
      looksAgainAt = performance.now() + sweepsEvery
      try {
        await drain()
        const at = now().getTime()
        if (isPaused()) lookAgainIn(pausedUntil - at)
        const next = await nextMailDueAt(db, new Date(at))
        if (next) lookAgainIn(next.getTime() - at)
      } catch (error) {
        log.error({ err: error }, 'the outbox could not be read; trying again')
      } finally {
        looking = undefined
      }
    })()
    return looking
  }

  const timer = setInterval(() => {
    const at = performance.now()
    if (!looking && (at - mailSender(db).addedAt < looksFor || at >= looksAgainAt)) look()
  }, looksEvery)
  timer.unref()

  return {
    async flush() {
      await looking
      do {
        await Promise.all(underWay.values())
        await look()
      } while (underWay.size > 0)
    },
    async stop() {
      clearInterval(timer)
      stopping = true
      const finished = Promise.all(underWay.values())
      await Promise.race([finished, Bun.sleep(patience.stop)])
      ended.abort()
      await Promise.race([finished, Bun.sleep(patience.stop)])
      await looking
      await commit(db, [release(db, 'outbox', senderId)]).catch((error: unknown) =>
        log.error({ err: error }, 'the outbox could not be left to others'),
      )
      sender.close()
    },
  }
}
