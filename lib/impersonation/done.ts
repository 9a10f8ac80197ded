/** What was done in impersonations: requests other than reading ones, and what each of them changed. */
import { sql } from 'kysely'
import { everywhere, rowsOf } from '../audit/of-impersonations.ts'
import type { Db } from '../database/connect.ts'
import { useEvents } from './settle.ts'

export interface DoneRequest {
  readonly at: string
  readonly method: string
  readonly path: string
  /** `AUTHORIZED`, or the status of its refusal. */
  readonly outcome: string
  /** The events of the same request: what it changed, and of what. */
  readonly changes: readonly { readonly event: string; readonly target: string }[]
}

export interface Done {
  /** The newest ones, the newest first. */
  readonly requests: readonly DoneRequest[]
  readonly hasMore: boolean
}

/** The newest `most` of each impersonation. */
const usesOf = (db: Db, ids: readonly string[], most: number) =>
  everywhere(async (where) =>
    db
      .selectFrom(
        rowsOf(db, ids, where)
          .where('event', 'in', useEvents)
          .select(['id', 'at', 'data', 'outcome', 'trace_id', 'impersonation_id'])
          .select(sql<number>`row_number() over (partition by impersonation_id order by id desc)`.as('place'))
          .as('uses'),
      )
      .selectAll()
      .where('place', '<=', most + 1)
      .execute(),
  )

const changesOf = (db: Db, ids: readonly string[], traces: readonly string[]) =>
  everywhere(async (where) =>
    rowsOf(db, ids, where)
      .where('trace_id', 'in', traces)
      .where('event', 'not in', useEvents)
      .select(['id', 'event', 'target', 'trace_id', 'impersonation_id'])
      .execute(),
  )

/** What was done in each of some impersonations, by id; of each the newest `most` requests. */
export const doneIn = async (
  db: Db,
  ids: readonly string[],
  most: number,
): Promise<ReadonlyMap<string, Done>> => {
  if (ids.length === 0) return new Map()
  const uses = Map.groupBy(await usesOf(db, ids, most), ({ impersonation_id }) => impersonation_id ?? '')
  const shown = [...uses].map(([id, rows]) => [id, rows.slice(0, most)] as const)
  const traces = [...new Set(shown.flatMap(([, rows]) => rows.map(({ trace_id }) => trace_id)))]
  const changes = Map.groupBy(
    traces.length === 0 ? [] : await changesOf(db, ids, traces),
    ({ impersonation_id, trace_id }) => `${impersonation_id} ${trace_id}`,
  )
  const requestOf = (id: string, row: (typeof shown)[number][1][number]): DoneRequest => {
    const data: Readonly<Record<string, unknown>> = JSON.parse(row.data)
    return {
      at: row.at,
      method: String(data.httpMethod ?? ''),
      path: String(data.ResourcePath ?? ''),
      outcome: row.outcome,
      changes: (changes.get(`${id} ${row.trace_id}`) ?? [])
        .map(({ event, target }) => ({ event, target }))
        .reverse(),
    }
  }
  return new Map(
    shown.map(([id, rows]) => [
      id,
      {
        requests: rows.map((row) => requestOf(id, row)),
        hasMore: (uses.get(id)?.length ?? 0) > most,
      },
    ]),
  )
}
