/**
 * One page of the ids of groups or roles that a search asks for. Found by its number or by the place that the page
 * before it ended with; everything in the order of the index blocks costs the same at the end as at the start.
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { blockIn, blockOf, pageOf } from './population.ts'
import { type Fields, toCondition, Unsearchable } from './search.ts'
import type { Found, UserSearch } from './user-list.ts'

export type Search = UserSearch

export interface Searched {
  readonly table: 'user_group' | 'role'
  readonly fields: Fields
  /** What the path is sorted by; every row has a value of it. */
  order(path: string): RawBuilder<string> | undefined
}

/** The ids, in order. Throws `Unsearchable`. */
export const findIds = async (
  db: Db,
  organizationId: string,
  { table, fields, order }: Searched,
  { filter, sort, limit, from }: Search,
): Promise<Found> => {
  if (!filter && !sort && typeof from === 'number') {
    const { total, ids } = await pageOf(db, table, organizationId, { offset: from, limit })
    const last = ids.at(-1)
    const more = last !== undefined && from + ids.length < total
    return { total, ids, next: more ? { key: blockOf(last), id: last } : undefined }
  }
  const id = sql.ref<string>(`${table}.id`)
  const key = sort ? order(sort.path) : filter ? id : blockIn(id)
  if (!key) throw new Unsearchable(`The list cannot be sorted by ${sort?.path}.`)
  const where = sql<SqlBool>`${sql.ref(`${table}.organization_id`)} = ${organizationId} and ${filter ? toCondition(filter, fields) : sql`1 = 1`}`
  const [way, than] = sort?.descending ? [sql`desc`, sql`<`] : [sql`asc`, sql`>`]
  const behind =
    typeof from === 'number'
      ? sql`1 = 1`
      : sql`${key} ${than}= ${from.key} and (${key} ${than} ${from.key} or ${id} ${than} ${from.id})`
  const [count, rows] = await Promise.all([
    typeof from === 'number'
      ? sql<{ n: number | string }>`select count(*) as n from ${sql.table(table)} where ${where}`.execute(db)
      : undefined,
    limit > 0
      ? sql<{ id: string; key: string }>`select ${id} as id, ${key} as key from ${sql.table(table)}
          where ${where} and ${behind} order by ${key} ${way}, ${id} ${way}
          limit ${limit + 1} offset ${typeof from === 'number' ? from : 0}`.execute(db)
      : { rows: [] },
  ])
  const page = rows.rows.slice(0, limit)
  const last = page.at(-1)
  return {
    total: count && Number(count.rows[0]?.n ?? 0),
    ids: page.map((row) => row.id),
    next: last && rows.rows.length > limit ? { key: last.key, id: last.id } : undefined,
  }
}
