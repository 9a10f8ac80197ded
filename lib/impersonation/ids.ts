/** Ids of impersonations are UUIDv7: their order is that of time. */

/** A new one, of that millisecond. */
export const newId = (now: Date): string => Bun.randomUUIDv7('hex', now)

/** What no id of that millisecond or a later one is smaller than, and every earlier one is. */
export const idsFrom = (instant: Date): string => {
  const hex = Math.max(0, instant.getTime()).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-`
}
