/**
 * How often, and how many at once, others can have us read what a client registered: whoever opens a link makes us ask
 * a host, so nobody gets much of it. Counted in each process; nothing of it outlives a minute.
 */
import { networkOf } from '../client-address.ts'

export interface ReadingLimits {
  readonly atOnce: number
  readonly atOnceOfHost: number
  readonly perMinuteOfNetwork: number
  readonly perMinuteOfClient: number
}

export const usualReadingLimits: ReadingLimits = {
  atOnce: 32,
  atOnceOfHost: 8,
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
    const ofHost = running.get(reading.host) ?? 0
    if (all >= limits.atOnce || ofHost >= limits.atOnceOfHost || !isWithin(reading)) return undefined
    all += 1
    running.set(reading.host, ofHost + 1)
    try {
      return await work()
    } finally {
      all -= 1
      const left = (running.get(reading.host) ?? 1) - 1
      if (left === 0) running.delete(reading.host)
      else running.set(reading.host, left)
    }
  }
}
