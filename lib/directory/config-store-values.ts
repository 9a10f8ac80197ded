/** Values of the configuration store's tables as either driver gives them, and as a script may have written them. */

/** Without a zone a timestamp is UTC. SQLite's column takes anything: what is no time at all is the epoch. */
export const instant = (text: string): Date => {
  const iso = text.trim().replace(' ', 'T')
  if (/^\d{9,13}$/.test(iso)) return new Date(Number(iso) * (iso.length > 11 ? 1 : 1000))
  const time = new Date(/(?:Z|[+-]\d\d(?::?\d\d)?)$/.test(iso.slice(10)) ? iso : `${iso}Z`)
  const day = new Date(`${iso.slice(0, 10)}T00:00:00Z`)
  return [time, day].find((one) => !Number.isNaN(one.getTime())) ?? new Date(0)
}

/** A boolean as either driver gives it, or as a script wrote it into SQLite. */
export const isTrue = (value: unknown): boolean =>
  value === true || value === 1 || ['1', 't', 'true'].includes(String(value).toLowerCase())
