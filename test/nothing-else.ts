/** What a request changed in the database, whole: a refusal is one only when nothing else happened. */
import { expect } from 'bun:test'
import { sql } from 'kysely'
import type { Db } from '../lib/database/connect.ts'
import type { Database } from '../lib/database/schema.ts'

type Table = keyof Database
type Row = Readonly<Record<string, unknown>>
type Snapshot = ReadonlyMap<Table, ReadonlyMap<string, Row>>

export interface Changes {
  /** Rows that came, by table. */
  readonly added: Partial<Record<Table, readonly Row[]>>
  /** Rows that are as they were but for some columns, as they are now. */
  readonly changed: Partial<Record<Table, readonly Row[]>>
  readonly removed: Partial<Record<Table, readonly Row[]>>
}

/** How many rows may and must come, change and go; a table that is not named stays as it was, to the letter. */
export type Allowed = Readonly<
  Record<string, { readonly added?: number; readonly changed?: number; readonly removed?: number }>
>

/** Every table there is, asked of the database itself, so that one that joins later is watched too. */
const tablesOf = async (db: Db): Promise<readonly Table[]> => {
  const tables = await db.introspection.getTables()
  const names = tables.map(({ name }) => name as Table) // the schema's, since nothing else makes tables
  expect(names.length).toBeGreaterThan(20)
  return names
}

/** What tells a row from the others of its table; a table of pairs has the whole row. */
const identityOf = (row: Row): string => String(row.id ?? row.hash ?? row.kid ?? JSON.stringify(row))

const snapshot = async (db: Db): Promise<Snapshot> => {
  const tables = await tablesOf(db)
  const contents = await Promise.all(
    tables.map(async (table) => {
      const { rows } = await sql<Row>`select * from ${sql.table(table)}`.execute(db)
      return [table, new Map(rows.map((row) => [identityOf(row), row]))] as const
    }),
  )
  return new Map(contents)
}

const compare = (before: Snapshot, after: Snapshot): Changes => {
  const changes: { added: Changes['added']; changed: Changes['changed']; removed: Changes['removed'] } = {
    added: {},
    changed: {},
    removed: {},
  }
  for (const [table, rows] of after) {
    const old = before.get(table) ?? new Map<string, Row>()
    const added = [...rows].filter(([key]) => !old.has(key)).map(([, row]) => row)
    const changed = [...rows]
      .filter(([key, row]) => old.has(key) && !Bun.deepEquals(old.get(key), row))
      .map(([, row]) => row)
    const removed = [...old].filter(([key]) => !rows.has(key)).map(([, row]) => row)
    if (added.length > 0) changes.added[table] = added
    if (changed.length > 0) changes.changed[table] = changed
    if (removed.length > 0) changes.removed[table] = removed
  }
  return changes
}

/** Runs `work` and tells what it changed. */
export const changesOf = async <Result>(
  db: Db,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly changes: Changes }> => {
  const before = await snapshot(db)
  const result = await work()
  return { result, changes: compare(before, await snapshot(db)) }
}

const countsOf = ({ added, changed, removed }: Changes): Record<string, Record<string, number>> => {
  const counts: Record<string, Record<string, number>> = {}
  for (const [kind, tables] of Object.entries({ added, changed, removed })) {
    for (const [table, rows] of Object.entries(tables))
      counts[table] = { ...counts[table], [kind]: rows.length }
  }
  return counts
}

/** Runs `work` and expects exactly the allowed changes of rows, and no other in any table. */
export const nothingElse = async <Result>(
  db: Db,
  allowed: Allowed,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly changes: Changes }> => {
  const seen = await changesOf(db, work)
  expect(countsOf(seen.changes)).toEqual(allowed)
  return seen
}
