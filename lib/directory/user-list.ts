/**
 * The users of an organization, filtered, sorted and paged by the database. A page is found by its number, or by what
 * the page before it ended with: then the last one costs as much as the first.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { blockIn, blockOf, pageOf } from './population.ts'
import { type Filter, type SqlCondition, toCondition } from './search.ts'
import { columnOf, type Status, searchedPath, statuses, userFields } from './user-fields.ts'
import { plain } from './user-filter.ts'
import { leadsToUsers, type ValueRows, valueRowsOf } from './user-indexes.ts'
import { findUserPath, hasSeveral } from './user-path.ts'
import { belongs, countUsers } from './user-total.ts'
import { isUsual } from './user-values.ts'

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

const block = blockIn(sql.ref('account.id'))

const everybody: SqlCondition = sql`1 = 1`

const columns: ReadonlyMap<string, RawBuilder<string>> = new Map([
  ['id', sql<string>`account.id`],
  ['username', sql<string>`account.user_name_key`],
  ['meta.created', sql<string>`account.created_at`],
  ['meta.lastmodified', sql<string>`account.modified_at`],
])

/** A list cannot be sorted so; the message says why, in words for the client. */
export class Unsortable extends Error {
  override readonly name = 'Unsortable'
}

/** What a list is sorted by: a column, a status, or the first value of an attribute. */
type Order =
  | { readonly column: RawBuilder<string> }
  | { readonly status: Status }
  | { readonly path: string /** Whether a user may have more than one. */; readonly several: boolean }

const orderOf = (path: string): Order => {
  const name = columnOf(path) ?? ''
  const status = statuses.get(name)
  if (status) return { status }
  const column = columns.get(name)
  if (column) return { column }
  const place = searchedPath(path)
  if (!place) throw new Unsortable(`Users cannot be sorted by ${path}.`)
  const attribute = findUserPath(path)?.attribute
  return { path: place.path, several: attribute !== undefined && hasSeveral(attribute) }
}

/** Columns whose indexes find ranges, and have the users in their order. */
const ranged: ReadonlySet<string> = new Set(['username', 'meta.created', 'meta.lastmodified'])

/** The columns with such an index that comparisons anywhere in the filter name. */
const rangedIn = (filter: Filter): readonly string[] => {
  if ('terms' in filter) return filter.terms.flatMap(rangedIn)
  if (filter.kind === 'not') return rangedIn(filter.term)
  const column = filter.kind === 'comparison' ? columnOf(filter.path) : undefined
  return column !== undefined && ranged.has(column) ? [column] : []
}

/** The order in which an index has those whom the filter finds, so that a page of many is found without sorting them. */
const naturalOrder = (filter: Filter): Order => {
  const terms = filter.kind === 'and' ? filter.terms : [filter]
  const ranges = terms.filter(
    (term) => term.kind === 'comparison' && ['sw', 'gt', 'ge', 'lt', 'le'].includes(term.operator),
  )
  const [range = leadsToUsers(filter) ? 'id' : rangedIn(filter)[0]] = ranges.flatMap(rangedIn)
  return { column: columns.get(range ?? '') ?? block }
}

/** One stretch of a list, in one order. */
interface Stretch {
  readonly from: RawBuilder<unknown>
  readonly where: SqlCondition
  readonly key: RawBuilder<string>
  readonly id: RawBuilder<string>
  /** The one key that all of its rows have, null for none; absent where `key` says it. */
  readonly fixed?: string | null
  /** Whether a user may have more than one of its rows, which are then of one key. */
  readonly several?: boolean
}

const stretchesOf = (
  organizationId: string,
  order: Order,
  descending: boolean,
  filter: Filter | undefined,
): readonly Stretch[] => {
  const leads = filter !== undefined && leadsToUsers(filter)
  const id = sql<string>`account.id`
  if ('column' in order) {
    // where the order is that of the ids their own index has it, if SQLite is kept from others
    const own = belongs(
      'account.organization_id',
      organizationId,
      leads || order.column === columns.get('id'),
    )
    return [{ from: sql`account`, where: own, key: order.column, id }]
  }
  const own = belongs('account.organization_id', organizationId, leads)
  if ('status' in order) {
    const { few, column } = order.status
    const those: Stretch = {
      from: sql`account`,
      where: sql`${own} and ${sql.ref(column)} is not null`,
      key: id,
      id,
      fixed: String(few),
    }
    const others: Stretch = {
      ...those,
      where: sql`${belongs('account.organization_id', organizationId, true)} and ${sql.ref(column)} is null`,
      fixed: String(!few),
    }
    // false comes before true
    return few === descending ? [those, others] : [others, those]
  }
  const { path, several } = order
  const first = several ? sql`sorted.item = 0` : everybody
  const having: Stretch = {
    // without a filter the index has all that is asked for
    from: filter
      ? sql`account_value as sorted inner join account on account.id = sorted.account_id`
      : sql`account_value as sorted`,
    where: sql`${belongs('sorted.organization_id', organizationId, leads)} and sorted.path = ${path} and ${first}`,
    key: sql`sorted.value_key`,
    id: sql`sorted.account_id`,
  }
  const lacking: Stretch = isUsual(path)
    ? {
        from: filter
          ? sql`account_without as sorted inner join account on account.id = sorted.account_id`
          : sql`account_without as sorted`,
        where: sql`${belongs('sorted.organization_id', organizationId, leads)} and sorted.path = ${path}`,
        key: sql`sorted.account_id`,
        id: sql`sorted.account_id`,
        fixed: null,
      }
    : {
        from: sql`account`,
        where: sql`${belongs('account.organization_id', organizationId, true)} and not exists (select 1 from account_value as sorted
          where sorted.account_id = account.id and sorted.path = ${path} and sorted.item = 0)`,
        key: id,
        id,
        fixed: null,
      }
  // who has no value comes last, and first when the order is turned round (RFC 7644 §3.4.2.3)
  return descending ? [lacking, having] : [having, lacking]
}

/** The users of values that an index has in their order. */
const stretchOf = ({ where, several }: ValueRows): Stretch => {
  const id = sql<string>`account_value.account_id`
  return { from: sql`account_value`, where, key: id, id, several }
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

/** From so far on, a sorted list is read from its nearer end. */
const far = 1_000

/** A page of everybody in the order of a column, read from the end of the list backwards. */
const readBackwards = async (
  db: Db,
  stretch: Stretch,
  descending: boolean,
  { total, from, limit }: { readonly total: number; readonly from: number; readonly limit: number },
): Promise<Found> => {
  const room = Math.max(0, Math.min(limit, total - from))
  const range = { limit: room, offset: Math.max(0, total - from - room), after: undefined }
  const rows = room > 0 ? await read(db, stretch, everybody, !descending, range) : []
  const page = rows.toReversed()
  return { total, ids: page.map(({ id }) => id), next: from + room < total ? page.at(-1) : undefined }
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
  const natural = filter ? naturalOrder(filter) : { column: block }
  const stretches = values?.ordered
    ? [stretchOf(values)]
    : stretchesOf(organizationId, order ?? natural, descending, filter)
  const [only] = stretches
  if (!filter && order && only && stretches.length === 1 && typeof from === 'number' && from >= far) {
    const { total } = await pageOf(db, 'account', organizationId, { offset: 0, limit: 0 })
    if (from > total / 2 && limit > 0) return readBackwards(db, only, descending, { total, from, limit })
  }
  const condition =
    filter && !values?.ordered ? toCondition(filter, userFields(organizationId, filter)) : everybody
  const found = limit > 0 ? await readStretches(db, stretches, condition, descending, search) : []
  const page = found.slice(0, limit)
  const last = page.at(-1)
  const next = found.length > limit ? last : undefined
  // who went from one stretch to the next meanwhile is in both
  const ids = [...new Set(page.map(({ id }) => id))]
  if (typeof from !== 'number') return { total: undefined, ids, next }
  const seen = limit > 0 && !next && (page.length > 0 || from === 0)
  if (seen) return { total: from + ids.length, ids, next }
  const total = filter
    ? await countUsers(db, organizationId, filter, search.withoutLargeTotal ? mostCounted : undefined)
    : (await pageOf(db, 'account', organizationId, { offset: 0, limit: 0 })).total
  return { total, ids, next }
}
