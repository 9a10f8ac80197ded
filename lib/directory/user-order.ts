/**
 * What a list of users is sorted by, and the stretches that it is read in one after the other: those with one value of a
 * status, those who have an attribute and those who lack it (RFC 7644 §3.4.2.3).
 */
import { type RawBuilder, sql } from 'kysely'
import { belongs } from './belonging.ts'
import { blockIn } from './population.ts'
import type { Filter, SqlCondition } from './search.ts'
import { columnOf, type Status, searchedPath, statuses } from './user-fields.ts'
import { leadsToUsers, type ValueRows } from './user-indexes.ts'
import { findUserPath, hasSeveral } from './user-path.ts'
import { isUsual } from './user-values.ts'

const block = blockIn(sql.ref('account.id'))

/** That holds for every row. */
export const everybody: SqlCondition = sql`1 = 1`

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
export type Order =
  | { readonly column: RawBuilder<string> }
  | { readonly status: Status }
  | { readonly path: string /** Whether a user may have more than one. */; readonly several: boolean }

/** What the path stands for in an order. Throws `Unsortable`. */
export const orderOf = (path: string): Order => {
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

/** The order of no wish: the one in which an index has those whom the filter finds, so that a page of many is found without sorting them. */
export const naturalOrder = (filter: Filter | undefined): Order => {
  if (!filter) return { column: block }
  const terms = filter.kind === 'and' ? filter.terms : [filter]
  const ranges = terms.filter(
    (term) => term.kind === 'comparison' && ['sw', 'gt', 'ge', 'lt', 'le'].includes(term.operator),
  )
  const [range = leadsToUsers(filter) ? 'id' : rangedIn(filter)[0]] = ranges.flatMap(rangedIn)
  return { column: columns.get(range ?? '') ?? block }
}

/** One stretch of a list, in one order. */
export interface Stretch {
  readonly from: RawBuilder<unknown>
  readonly where: SqlCondition
  readonly key: RawBuilder<string>
  readonly id: RawBuilder<string>
  /** The one key that all of its rows have, null for none; absent where `key` says it. */
  readonly fixed?: string | null
  /** Whether a user may have more than one of its rows, which are then of one key. */
  readonly several?: boolean
}

/** The stretches of the whole list in that order, the first one first. */
export const stretchesOf = (
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
export const stretchOf = ({ where, several }: ValueRows): Stretch => {
  const id = sql<string>`account_value.account_id`
  return { from: sql`account_value`, where, key: id, id, several }
}
