/** How the operations of a Bulk request depend on each other: `bulkId:` stands for the id of what another one makes. */
import { isObject } from '../directory/attributes.ts'

const reference = /^bulkId:(.+)$/i

/** The ids of operations that a value refers to, in any place of it. */
export const referencesIn = (value: unknown, found = new Set<string>()): ReadonlySet<string> => {
  if (typeof value === 'string') {
    const id = reference.exec(value)?.[1]
    if (id !== undefined) found.add(id)
    for (const [, quoted = ''] of value.matchAll(/"bulkId:([^"]+)"/gi)) found.add(quoted)
  } else if (Array.isArray(value)) for (const item of value) referencesIn(item, found)
  else if (isObject(value)) for (const item of Object.values(value)) referencesIn(item, found)
  return found
}

/** The value with the ids in the places of what stands for them; undefined when one is not known. */
export const resolve = (value: unknown, ids: ReadonlyMap<string, string>): unknown => {
  if (typeof value === 'string') {
    const id = reference.exec(value)?.[1]
    if (id !== undefined) return ids.get(id) ?? value
    return value.replace(/"bulkId:([^"]+)"/gi, (whole, name: string) => {
      const known = ids.get(name)
      return known === undefined ? whole : JSON.stringify(known)
    })
  }
  if (Array.isArray(value)) return value.map((item) => resolve(item, ids))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, ids)]))
}

/**
 * The order in which operations are done: as they stand, but each behind those that it refers to. `circular` are those
 * that wait for each other, or for one that does.
 */
export const orderOf = (
  dependencies: readonly ReadonlySet<number>[],
): { readonly order: readonly number[]; readonly circular: ReadonlySet<number> } => {
  const dependants: number[][] = dependencies.map(() => [])
  const waiting = dependencies.map((own, index) => {
    for (const other of own) dependants[other]?.push(index)
    return own.size
  })
  const order: number[] = []
  const done = new Set<number>()
  // an operation whose turn has come and those that waited for it alone
  const finish = (first: number) => {
    const ready = [first]
    for (let index = ready.shift(); index !== undefined; index = ready.shift()) {
      if (done.has(index)) continue
      done.add(index)
      order.push(index)
      for (const dependant of dependants[index] ?? []) {
        waiting[dependant] = (waiting[dependant] ?? 0) - 1
        if (waiting[dependant] === 0 && dependant < index) ready.push(dependant)
      }
    }
  }
  for (let index = 0; index < dependencies.length; index += 1) if (waiting[index] === 0) finish(index)
  return { order, circular: new Set(dependencies.keys().filter((index) => !done.has(index))) }
}
