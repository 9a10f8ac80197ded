/**
 * The users of an organization, filtered, sorted and paged by the database. A page is found by its number, or by what
 * the page before it ended with: then the last one costs as much as the first.
 */
import { sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { blockOf, pageOf } from './population.ts'
import { type Filter, type SqlCondition, toCondition } from './search.ts'
import { userFields } from './user-fields.ts'
import { plain } from './user-filter.ts'
import { valueRowsOf } from './user-indexes.ts'
import { everybody, naturalOrder, orderOf, type Stretch, stretchesOf, stretchOf } from './user-order.ts'
import { countUsers } from './user-total.ts'

export interface Page {
  /** From 0. */
  readonly offset: number
  readonly limit: number
}

/** The place of a row in its list; `key` is null among the users who have no value of what the list is sorted by. */
export interface Place {
  readonly key: string | null
  readonly id: string
}

export interface UserSearch {
  readonly filter?: Filter | undefined
  readonly sort?: { readonly path: string; readonly descending: boolean } | undefined
  readonly limit: number
  /** From 0; or behind that place, in the same list. */
  readonly from: number | Place
  /** Whether the total may be left out where it takes much counting. */
  readonly withoutLargeTotal?: boolean
}

export interface Found {
  /** How many there are in all; not counted again behind a place. */
  readonly total: number | undefined
  readonly ids: readonly string[]
  /** Where the next page begins, when there is one. */
  readonly next: Place | undefined
}

const read = async (
  db: Db,
  { from, where, key, id, fixed, several = false }: Stretch,
  filter: SqlCondition,
  descending: boolean,
  range: { readonly limit: number; readonly offset: number; readonly after: Place | undefined },
): Promise<readonly Place[]> => {
  const way = descending ? sql`desc` : sql`asc`
  const than = descending ? sql`<` : sql`>`
  const { after } = range
  const byId = fixed !== undefined || key === id
  const behind =
    after === undefined
      ? sql`1 = 1`
      : !byId
        ? sql`(${key}, ${id}) ${than} (${after.key}, ${after.id})`
        : sql`${id} ${than} ${after.id}`
  const order = !byId ? sql`${key} ${way}, ${id} ${way}` : sql`${id} ${way}`
  const { rows } = await sql<{
    id: string
    key: string
  }>`select ${id} as id, ${key} as key from ${from}
    where ${where} and ${filter} and ${behind} ${several ? sql`group by ${id}` : sql``} order by ${order} limit ${range.limit} offset ${range.offset}`.execute(
    db,
  )
  return rows.map((row) => ({ id: row.id, key: fixed === undefined ? row.key : fixed }))
}

const count = async (
  db: Db,
  { from, where }: Pick<Stretch, 'from' | 'where'>,
  filter: SqlCondition,
): Promise<number> => {
  const { rows } = await sql<{ n: number | string }>`select count(*) as n from ${from}
    where ${where} and ${filter}`.execute(db)
  return Number(rows[0]?.n ?? 0)
}

/** One row more than the page has, which tells whether another page follows. */
const readStretches = async (
  db: Db,
  stretches: readonly Stretch[],
  filter: SqlCondition,
  descending: boolean,
  { limit, from }: UserSearch,
): Promise<readonly Place[]> => {
  const found: Place[] = []
  let skip = typeof from === 'number' ? from : 0
  let after = typeof from === 'number' ? undefined : from
  // behind a place of a key that one stretch has alone, else of the stretch of all keys
  const own = after && stretches.findIndex(({ fixed }) => fixed === after?.key)
  const begins = own === -1 ? stretches.findIndex(({ fixed }) => fixed === undefined) : (own ?? 0)
  for (const stretch of stretches.slice(Math.max(0, begins))) {
    const room = limit + 1 - found.length
    if (room === 0) break
    const rows = await read(db, stretch, filter, descending, { limit: room, offset: skip, after })
    found.push(...rows)
    after = undefined
    const last = stretch === stretches.at(-1)
    if (skip === 0 || last) continue
    // some may have come since
    skip = rows.length > 0 ? 0 : Math.max(0, skip - (await count(db, stretch, filter)))
  }
  return found
}

/** Who went from one stretch to the next while they were read is in both. */
const idsOf = (page: readonly Place[]): readonly string[] => [...new Set(page.map(({ id }) => id))]

/** From so far on, a sorted list is read from its nearer end. */
const far = 1_000

/** A page of everybody in a sorted list, read from the end of the list backwards. */
const readBackwards = async (
  db: Db,
  stretches: readonly Stretch[],
  descending: boolean,
  { total, from, limit }: { readonly total: number; readonly from: number; readonly limit: number },
): Promise<Found> => {
  const room = Math.max(0, Math.min(limit, total - from))
  const range = { limit: room, from: Math.max(0, total - from - room) }
  const rows = room > 0 ? await readStretches(db, stretches.toReversed(), everybody, !descending, range) : []
  const page = rows.slice(0, room).toReversed()
  return { total, ids: idsOf(page), next: from + room < total ? page.at(-1) : undefined }
}

/** More than so many are not counted for a page by cursor, whose total may be left out (RFC 9865 §2). */
const mostCounted = 10_000

/** One page of the users to whom the filter applies. Throws `Unsearchable` and `Unsortable`. */
export const findUserIds = async (db: Db, organizationId: string, search: UserSearch): Promise<Found> => {
  const { sort, limit, from } = search
  // whatever it comes to, each of its parts has to be one that can be searched for
  if (search.filter) toCondition(search.filter, userFields(organizationId, search.filter))
  const meant = search.filter ? plain(search.filter) : true
  const order = sort && orderOf(sort.path)
  if (meant === false) return { total: typeof from === 'number' ? 0 : undefined, ids: [], next: undefined }
  const filter = meant === true ? undefined : meant
  if (!filter && !order && typeof from === 'number') {
    const { total, ids } = await pageOf(db, 'account', organizationId, { offset: from, limit })
    const last = ids.at(-1)
    const more = last !== undefined && from + ids.length < total
    return { total, ids, next: more ? { key: blockOf(last), id: last } : undefined }
  }
  const descending = sort?.descending ?? false
  const values = filter && !order ? valueRowsOf(organizationId, filter) : undefined
  const stretches = values?.ordered
    ? [stretchOf(values)]
    : stretchesOf(organizationId, order ?? naturalOrder(filter), descending, filter)
  if (!filter && order && typeof from === 'number' && from >= far) {
    const { total } = await pageOf(db, 'account', organizationId, { offset: 0, limit: 0 })
    if (from > total / 2 && limit > 0) return readBackwards(db, stretches, descending, { total, from, limit })
  }
  const condition =
    filter && !values?.ordered ? toCondition(filter, userFields(organizationId, filter)) : everybody
  const found = limit > 0 ? await readStretches(db, stretches, condition, descending, search) : []
  const page = found.slice(0, limit)
  const last = page.at(-1)
  const next = found.length > limit ? last : undefined
  const ids = idsOf(page)
  if (typeof from !== 'number') return { total: undefined, ids, next }
  const seen = limit > 0 && !next && (page.length > 0 || from === 0)
  if (seen) return { total: from + ids.length, ids, next }
  const total = filter
    ? await countUsers(db, organizationId, filter, search.withoutLargeTotal ? mostCounted : undefined)
    : (await pageOf(db, 'account', organizationId, { offset: 0, limit: 0 })).total
  return { total, ids, next }
}
