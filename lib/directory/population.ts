/**
 * How many users, groups and roles there are, kept in parts: by the last two letters of the ids, which are random in
 * the ids made here. A list in that order finds its thousandth page as fast as its first, and its total without counting.
 */
import { type RawBuilder, sql } from 'kysely'
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'

export type Population = 'account' | 'user_group' | 'role'

/** Where the block of an id begins in it, as the indexes `…_block` have it. */
const from = 35

/** The block of the row with that id, as the indexes have it. */
export const blockIn = (id: RawBuilder<unknown>) => sql<string>`substr(${id}, ${sql.lit(from)})`

export const blockOf = (id: string): string => id.slice(from - 1)

/** The write that counts those of `ids` in (`by` 1) or out (`by` -1); it belongs into the commit that makes or deletes them. */
export const counted = (
  db: Db,
  kind: Population,
  organizationId: string,
  ids: readonly string[],
  by: 1 | -1,
): readonly Write[] => {
  const blocks = Map.groupBy(ids, blockOf)
  // in one order, so that two commits never wait for each other
  const rows = [...blocks].sort(([one], [other]) => (one < other ? -1 : 1))
  return rows.length === 0
    ? []
    : [
        write(
          db
            .insertInto('population')
            .values(
              rows.map(([block, members]) => ({
                kind,
                organization_id: organizationId,
                block,
                n: by * members.length,
              })),
            )
            .onConflict((conflict) =>
              conflict
                .columns(['kind', 'organization_id', 'block'])
                .doUpdateSet((eb) => ({ n: eb('population.n', '+', eb.ref('excluded.n')) })),
            ),
        ),
      ]
}

/** The number of all, as a part of a statement; null when there was never one. */
export const sizeOf = (kind: Population, organizationId: string) =>
  sql<
    number | string | null
  >`(select sum(n) from population where kind = ${kind} and organization_id = ${organizationId})`

interface Begin {
  readonly total: number | string | null
  readonly block: string
  /** How many there are in the blocks before it. */
  readonly before: number | string
}

/** The ids of one page in the order of their blocks, and how many there are in all; `offset` counts from 0. */
export const pageOf = async (
  db: Db,
  kind: Population,
  organizationId: string,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): Promise<{ readonly total: number; readonly ids: readonly string[] }> => {
  const own = sql`kind = ${kind} and organization_id = ${organizationId}`
  // the block in which the page begins is found by the database: there are hundreds of them
  const { rows: begins } = await (offset === 0 || limit === 0
    ? sql<Begin>`select sum(n) as total, '' as block, 0 as before from population where ${own}`
    : sql<Begin>`select total, block, before from (
        select block, n, sum(n) over () as total, sum(n) over (order by block) - n as before
        from population where ${own}) as blocks
      where before <= ${offset} order by block desc limit 1`
  ).execute(db)
  const total = Number(begins[0]?.total ?? 0)
  const first = begins[0]?.block ?? ''
  const before = Number(begins[0]?.before ?? 0)
  if (limit === 0 || offset >= total) return { total, ids: [] }
  const block = blockIn(sql.ref('id'))
  const rows = await db
    .selectFrom(kind)
    .select('id')
    .where('organization_id', '=', organizationId)
    .where(block, '>=', first)
    .orderBy(block)
    .orderBy('id')
    .limit(limit)
    .offset(offset - before)
    .execute()
  return { total, ids: rows.map(({ id }) => id) }
}
