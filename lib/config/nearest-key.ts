import * as z from 'zod'
import { dotted, type Path } from './problems.ts'

/** Every key path of a schema; elements of a list are passed through without a step of their own. */
const keysOf = (schema: unknown, path: readonly string[] = []): string[][] => {
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.shape).flatMap(([name, member]) => [
      [...path, name],
      ...keysOf(member, [...path, name]),
    ])
  if (schema instanceof z.ZodArray) return keysOf(schema.element, path)
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return keysOf(schema.def.innerType, path)
  return []
}

/**
 * How many letters are inserted, left out, replaced or swapped with their neighbour (optimal string
 * alignment).
 */
const distance = (left: string, right: string): number => {
  let before: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row++) {
    const next = [row]
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      const costs = [
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      ]
      if (swapped && row > 1 && column > 1) costs.push((before[column - 2] ?? 0) + 1)
      next.push(Math.min(...costs))
    }
    before = last
    last = next
  }
  return last[right.length] ?? 0
}

/**
 * What to suggest for an unknown key: the known key nearest to it, one of the same table before one of
 * another table, or, when nothing is near, the names that its table knows.
 */
export const suggestion = (schema: z.ZodType, path: Path): string => {
  const table = path.slice(0, -1).filter((step) => typeof step === 'string')
  const name = String(path.at(-1)).toLowerCase()
  const known = keysOf(schema)
  const inTable = (key: readonly string[]) => dotted(key.slice(0, -1)) === dotted(table)
  const ranked = known
    .map((key) => ({
      key,
      away: distance(name, (key.at(-1) ?? '').toLowerCase()) + (inTable(key) ? 0 : 1.5),
    }))
    .sort((left, right) => left.away - right.away)
  const nearest = ranked[0]
  if (nearest && nearest.away <= Math.max(2, Math.ceil(name.length / 3)))
    return `did you mean ${dotted(nearest.key)}?`
  const siblings = known.filter(inTable).map((key) => key.at(-1))
  return `known here: ${siblings.join(', ')}`
}
