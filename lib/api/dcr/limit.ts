/** How many clients one network may register without authentication: so many places an hour, each taken once. */
import { networkOf } from '../../client-address.ts'
import { commit, type Write } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { isUsed, useOnce } from '../../tokens/used-value.ts'
import { RegistrationError } from './error.ts'

const hour = 3_600_000

/** Takes the next place; two that take the same one conflict, and the later decides again. Throws 429 when none is left. */
export const takePlace = async (db: Db, address: string, perHour: number, now: Date): Promise<Write> => {
  const current = Math.floor(now.getTime() / hour)
  const placeAt = (place: number) => ({
    kind: 'registration',
    issuer: networkOf(address),
    value: `${current} ${place}`,
  })
  // they are taken in their order, so the first that is free is found by halves
  let [free, end] = [0, perHour]
  while (free < end) {
    const middle = Math.floor((free + end) / 2)
    if (await isUsed(db, placeAt(middle))) free = middle + 1
    else end = middle
  }
  if (free < perHour) return useOnce(db, placeAt(free), new Date((current + 1) * hour))
  throw new RegistrationError(
    'temporarily_unavailable',
    'Too many clients were registered from this address. Try again later.',
    429,
  )
}

/** Takes a place for good before something is done that costs more than the asking. Throws as `takePlace`. */
export const usePlace = async (db: Db, address: string, perHour: number, now: Date): Promise<void> => {
  // whoever conflicts finds one place less, so this ends
  while ((await commit(db, [await takePlace(db, address, perHour, now)])) !== 'committed');
}
