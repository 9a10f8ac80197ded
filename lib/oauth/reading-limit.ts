/**
 * How often, and how many at once, others can have us read what a client registered: whoever opens a link makes us ask
 * a host, so nobody gets much of it. Counted in each process; nothing of it outlives a minute.
 */
import { networkOf } from '../client-address.ts'

export interface ReadingLimits {
  readonly atOnce: number
  /** Of one host, and by one network. */
  readonly atOnceOfOne: number
  readonly perMinuteOfNetwork: number
  readonly perMinuteOfClient: number
}

export const usualReadingLimits: ReadingLimits = {
  atOnce: 32,
  atOnceOfOne: 8,
  perMinuteOfNetwork: 60,
  perMinuteOfClient: 600,
}

export interface Reading {
  readonly host: string
  readonly clientId: string
  /** The address that the request came from. */
  readonly address: string
}

/** Does the work and answers what it answers; undefined where it was not begun because there is too much of it. */
export type ReadingLimit = <Value>(reading: Reading, work: () => Promise<Value>) => Promise<Value | undefined>

/** So many networks and clients are told apart in a minute. */
const mostCounted = 20_000

/** `minuteNow` numbers the minutes. */
export const readingLimit = (
  limits: ReadingLimits = usualReadingLimits,
  minuteNow: () => number = () => Math.floor(Date.now() / 60_000),
): ReadingLimit => {
  const running = new Map<string, number>()
  let counted = new Map<string, number>()
  let minute = minuteNow()
  let all = 0

  const isWithin = ({ clientId, address }: Reading): boolean => {
    if (minute !== minuteNow() || counted.size >= mostCounted) [counted, minute] = [new Map(), minuteNow()]
    const bounds: readonly (readonly [string, number])[] = [
      [`network ${networkOf(address)}`, limits.perMinuteOfNetwork],
      [`client ${clientId}`, limits.perMinuteOfClient],
    ]
    if (bounds.some(([key, most]) => (counted.get(key) ?? 0) >= most)) return false
    for (const [key] of bounds) counted.set(key, (counted.get(key) ?? 0) + 1)
    return true
  }

  return async (reading, work) => {
    // a slow host keeps no other waiting, and nobody takes all the places by several of them
    const holders = [`host ${reading.host}`, `network ${networkOf(reading.address)}`]
    const isFull = holders.some((holder) => (running.get(holder) ?? 0) >= limits.atOnceOfOne)
    if (all >= limits.atOnce || isFull || !isWithin(reading)) return undefined
    all += 1
    for (const holder of holders) running.set(holder, (running.get(holder) ?? 0) + 1)
    try {
      return await work()
    } finally {
      all -= 1
      for (const holder of holders) {
        const left = (running.get(holder) ?? 1) - 1
        if (left === 0) running.delete(holder)
        else running.set(holder, left)
      }
    }
  }
}
