/**
 * The users of an organization, filtered, sorted and paged by the database. A page is found by its number, or by what
 * the page before it ended with: then the last one costs as much as the first.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { disabledAttribute, lockedAttribute } from './attributes.ts'
import { blockIn, blockOf, pageOf } from './population.ts'
import { type Filter, type SqlCondition, toCondition } from './search.ts'
import { leadsToUsers, searchedPath, userFields } from './user-fields.ts'

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
}

export interface Found {
  /** How many there are in all; not counted again behind a place. */
  readonly total: number | undefined
  readonly ids: readonly string[]
  /** Where the next page begins, when there is one. */
  readonly next: Place | undefined
}

const block = blockIn(sql.ref('account.id'))

const truth = (so: SqlCondition): RawBuilder<string> =>
  sql<string>`(case when ${so} then 'true' else 'false' end)`

const columns: ReadonlyMap<string, RawBuilder<string>> = new Map([
  ['id', sql<string>`account.id`],
  ['username', sql<string>`account.user_name_key`],
  ['meta.created', sql<string>`account.created_at`],
  ['meta.lastmodified', sql<string>`account.modified_at`],
  ['active', truth(sql`account.disabled_at is null`)],
  [lockedAttribute.name.toLowerCase(), truth(sql`account.locked_at is not null`)],
  [disabledAttribute.name.toLowerCase(), truth(sql`account.disabled_at is not null`)],
])

/** A list cannot be sorted so; the message says why, in words for the client. */
export class Unsortable extends Error {
  override readonly name = 'Unsortable'
}

/** What a list is sorted by: a column, or the first value of an attribute. */
type Order = { readonly column: RawBuilder<string> } | { readonly path: string }

const corePrefix = /^urn:ietf:params:scim:schemas:core:2\.0:user:/i

const orderOf = (path: string): Order => {
  const column = columns.get(path.replace(corePrefix, '').toLowerCase())
  if (column) return { column }
  const place = searchedPath(path)
  if (!place) throw new Unsortable(`Users cannot be sorted by ${path}.`)
  return { path: place.path }
}

/** The order in which the filter's own index has them, so that a page of many is found without sorting them. */
const naturalOrder = (filter: Filter): Order => {
  const terms = filter.kind === 'and' ? filter.terms : [filter]
  const byName = terms.some(
    (term) =>
      term.kind === 'comparison' &&
      ['sw', 'gt', 'ge', 'lt', 'le'].includes(term.operator) &&
      term.path.replace(corePrefix, '').toLowerCase() === 'username',
  )
  return { column: columns.get(byName ? 'username' : 'id') ?? block }
}

/** One stretch of a list, in one order. */
interface Stretch {
  readonly from: RawBuilder<unknown>
  readonly where: SqlCondition
  readonly key: RawBuilder<string>
  readonly id: RawBuilder<string>
  /** Whether its rows have a key. */
  readonly keyed: boolean
}

/**
 * That a row is of the organization. Where the filter leads to few rows the condition is hidden from indexes, or SQLite
 * walks through the whole organization to look for them.
 */
const belongs = (column: string, organizationId: string, leads: boolean): SqlCondition =>
  leads ? sql`(${sql.ref(column)} || '') = ${organizationId}` : sql`${sql.ref(column)} = ${organizationId}`

const stretchesOf = (
  organizationId: string,
  order: Order,
  descending: boolean,
  leads: boolean,
): readonly Stretch[] => {
  const own = belongs('account.organization_id', organizationId, leads)
  const id = sql<string>`account.id`
  if ('column' in order) return [{ from: sql`account`, where: own, key: order.column, id, keyed: true }]
  const { path } = order
  const having: Stretch = {
    from: sql`account_value as sorted inner join account on account.id = sorted.account_id`,
    where: sql`${belongs('sorted.organization_id', organizationId, leads)} and sorted.path = ${path} and sorted.item = 0`,
    key: sql`sorted.value_key`,
    id: sql`sorted.account_id`,
    keyed: true,
  }
  const lacking: Stretch = {
    from: sql`account`,
    where: sql`${own} and not exists (select 1 from account_value as sorted
      where sorted.account_id = account.id and sorted.path = ${path} and sorted.item = 0)`,
    key: id,
    id,
    keyed: false,
  }
  // who has no value comes last, and first when the order is turned round (RFC 7644 §3.4.2.3)
  return descending ? [lacking, having] : [having, lacking]
}

const read = async (
  db: Db,
  { from, where, key, id, keyed }: Stretch,
  filter: SqlCondition,
  descending: boolean,
  range: { readonly limit: number; readonly offset: number; readonly after: Place | undefined },
): Promise<readonly Place[]> => {
  const way = descending ? sql`desc` : sql`asc`
  const than = descending ? sql`<` : sql`>`
  const { after } = range
  const behind =
    after === undefined
      ? sql`1 = 1`
      : keyed
        ? sql`(${key}, ${id}) ${than} (${after.key}, ${after.id})`
        : sql`${id} ${than} ${after.id}`
  const order = keyed ? sql`${key} ${way}, ${id} ${way}` : sql`${id} ${way}`
  const { rows } = await sql<{ id: string; key: string }>`select account.id as id, ${key} as key from ${from}
    where ${where} and ${filter} and ${behind} order by ${order} limit ${range.limit} offset ${range.offset}`.execute(
    db,
  )
  return rows.map((row) => ({ id: row.id, key: keyed ? row.key : null }))
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

const everybody: SqlCondition = sql`1 = 1`

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
  const begins = after && stretches.findIndex(({ keyed }) => keyed === (after?.key !== null))
  for (const stretch of stretches.slice(Math.max(0, begins ?? 0))) {
    const room = limit + 1 - found.length
    if (room === 0) break
    const rows = await read(db, stretch, filter, descending, { limit: room, offset: skip, after })
    found.push(...rows)
    after = undefined
    const last = stretch === stretches.at(-1)
    if (skip > 0 && !last) skip = rows.length > 0 ? 0 : skip - (await count(db, stretch, filter))
  }
  return found
}

/** One page of the users to whom the filter applies. Throws `Unsearchable` and `Unsortable`. */
export const findUserIds = async (db: Db, organizationId: string, search: UserSearch): Promise<Found> => {
  const { filter, sort, limit, from } = search
  const condition = filter ? toCondition(filter, userFields(organizationId, filter)) : everybody
  if (!filter && !sort && typeof from === 'number') {
    const { total, ids } = await pageOf(db, 'account', organizationId, { offset: from, limit })
    const last = ids.at(-1)
    const more = last !== undefined && from + ids.length < total
    return { total, ids, next: more ? { key: blockOf(last), id: last } : undefined }
  }
  const order = sort ? orderOf(sort.path) : filter ? naturalOrder(filter) : { column: block }
  const descending = sort?.descending ?? false
  const leads = filter !== undefined && leadsToUsers(filter)
  const stretches = stretchesOf(organizationId, order, descending, leads)
  const found = limit > 0 ? await readStretches(db, stretches, condition, descending, search) : []
  const page = found.slice(0, limit)
  const last = page.at(-1)
  const next = found.length > limit ? last : undefined
  const ids = page.map(({ id }) => id)
  if (typeof from !== 'number') return { total: undefined, ids, next }
  const seen = limit > 0 && !next && (page.length > 0 || from === 0)
  if (seen) return { total: from + page.length, ids, next }
  const whole = { from: sql`account`, where: belongs('account.organization_id', organizationId, leads) }
  const total = filter
    ? await count(db, whole, condition)
    : (await pageOf(db, 'account', organizationId, { offset: 0, limit: 0 })).total
  return { total, ids, next }
}
