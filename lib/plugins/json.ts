/** What a plugin returns, as JSON says it: a copy without functions, getters and surprises. */
import * as z from 'zod'

const table = z.record(z.string(), z.unknown())

/** Throws for what is no table, or cannot be said in JSON. */
export const jsonTable = (value: unknown): Readonly<Record<string, unknown>> => {
  const text = JSON.stringify(value)
  if (text === undefined) throw new TypeError('answered with nothing')
  return table.parse(JSON.parse(text))
}
