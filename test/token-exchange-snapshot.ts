/** All tables as they stand, to show that a refusal left its audit row and nothing else. */
import { expect } from 'bun:test'
import { sql } from 'kysely'
import type { Booted } from './boot.ts'

const schema = await Bun.file(new URL('../schema.sql', import.meta.url)).text()
const tables = [...schema.matchAll(/^create table (\w+)/gm)].map(([, name = '']) => name)

export type Dump = Readonly<Record<string, readonly string[]>>

/** Every row of every table as JSON, in an order of its own. */
export const dump = async (db: Booted['db']): Promise<Dump> => {
  const entries: [string, string[]][] = []
  for (const table of tables) {
    const { rows } = await sql`select * from ${sql.table(table)}`.execute(db)
    entries.push([table, rows.map((row) => JSON.stringify(row)).sort()])
  }
  return Object.fromEntries(entries)
}

/**
 * Runs `work` and answers, with its result, the audit rows it left. Fails when any other table changed, but for the
 * counting of the failures that the rows tell of.
 */
export const leavingOnlyAudit = async <Result>(
  server: Pick<Booted, 'db' | 'audit'>,
  work: () => Promise<Result>,
) => {
  const [before, length] = [await dump(server.db), (await server.audit()).length]
  const result = await work()
  const after = await dump(server.db)
  const rows = (await server.audit()).slice(length)
  const failures = rows.filter(({ event }) => event === 'client-authentication-failed').length
  const counted = (after.login_failure ?? []).filter((row) => !before.login_failure?.includes(row))
  expect(counted).toHaveLength(failures)
  const others = { audit: [], login_failure: [] }
  expect({ ...after, ...others }).toEqual({ ...before, ...others })
  return { result, rows }
}
