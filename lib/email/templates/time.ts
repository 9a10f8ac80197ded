/** Instants and durations as mail says them. */

let formatter: Intl.DateTimeFormat | undefined

/** Made for the first mail: it costs a start five milliseconds. */
const date = (): Intl.DateTimeFormat => {
  formatter ??= new Intl.DateTimeFormat('en-US', {
    timeZone: 'UTC',
    year: 'numeric',
    month: 'long',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h12',
  })
  return formatter
}

/** WSO2's pattern `MMMM dd, yyyy 'at' hh:mm a z`: `June 18, 2024 at 07:30 AM UTC`. */
export const loginTime = (instant: Date): string => {
  const parts = new Map(
    date()
      .formatToParts(instant)
      .map(({ type, value }) => [type, value]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? ''
  return `${part('month')} ${part('day')}, ${part('year')} at ${part('hour')}:${part('minute')} ${part('dayPeriod')} UTC`
}

/** An instant of a mail's data as `loginTime` writes it; as it is when it is none. */
export const timeOf = (value: string): string => {
  const instant = new Date(value)
  return Number.isNaN(instant.getTime()) ? value : loginTime(instant)
}

const counted = (n: number, unit: string) => `${n} ${unit}${n === 1 ? '' : 's'}`

/** `1 hour 5 minutes`, `12 seconds`: the two largest units, rounded down. */
export const durationOf = (from: string, until: string): string => {
  const seconds = Math.max(0, Math.floor((Date.parse(until) - Date.parse(from)) / 1000))
  if (Number.isNaN(seconds)) return ''
  const units = [
    [Math.floor(seconds / 86_400), 'day'],
    [Math.floor((seconds % 86_400) / 3600), 'hour'],
    [Math.floor((seconds % 3600) / 60), 'minute'],
    [seconds % 60, 'second'],
  ] as const
  const first = units.findIndex(([n]) => n > 0)
  if (first < 0) return '0 seconds'
  return units
    .slice(first, first + 2)
    .flatMap(([n, unit]) => (n > 0 ? counted(n, unit) : []))
    .join(' ')
}
