/** Pages of rows in the order of their ids, which are UUIDv7: the newest first. */
import type { ReferenceExpression, SelectQueryBuilder } from 'kysely'
import type { Database } from './schema.ts'

export interface Page {
  readonly limit: number
  /** The id behind which it begins: what follows is older. */
  readonly after?: string | undefined
  /** The id before which it ends. */
  readonly before?: string | undefined
}

export interface Paged<Item> {
  readonly items: readonly Item[]
  readonly hasPrevious: boolean
  readonly hasNext: boolean
}

/** The page of what the query finds. */
export const pageOf = async <
  Table extends 'webhook' | 'webhook_delivery' | 'outbox',
  Row extends { id: string },
>(
  { limit, after, before }: Page,
  query: SelectQueryBuilder<Database, Table, Row>,
): Promise<Paged<Row>> => {
  const id = 'id' as ReferenceExpression<Database, Table> // all of these tables have it
  const backwards = before !== undefined
  let asked = query.orderBy(id, backwards ? 'asc' : 'desc').limit(limit + 1)
  if (after !== undefined) asked = asked.where(id, '<', after)
  if (before !== undefined) asked = asked.where(id, '>', before)
  const rows = (await asked.execute()) as Row[] // what the query selects
  const items = rows.slice(0, limit)
  const more = rows.length > limit
  return {
    items: backwards ? items.reverse() : items,
    hasPrevious: backwards ? more : after !== undefined,
    hasNext: backwards || more,
  }
}
