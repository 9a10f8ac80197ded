/** Opens the configured database: a Kysely value for readers, with its committer attached. */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { SQL } from 'bun'
import { Kysely, type LogEvent, PostgresAdapter, SqliteDialect } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { databaseTime } from '../metrics.ts'
import { attach } from './commit.ts'
import { postgresCommitter } from './postgres.ts'
import type { Database } from './schema.ts'
import { openSqlite, preparing, sqliteCommitter } from './sqlite.ts'

/** Where the data lies; `path` is absolute, `poolSize` counts connections. */
export type DatabaseConfig =
  | { readonly type: 'sqlite'; readonly path: string }
  | { readonly type: 'postgres'; readonly url: string; readonly poolSize: number }

/** What readers hold; writes go through `commit(db, writes)`. */
export type Db = Kysely<Database>

/** Where the two engines have no common word. */
export const isPostgres = (db: Db): boolean => db.getExecutor().adapter instanceof PostgresAdapter

/** The database cannot be reached; the message says which and what to do, without credentials. */
export class DatabaseUnreachable extends Error {
  override readonly name = 'DatabaseUnreachable'
}

/**
 * For a process that does nothing but write much: pages that are changed again and again are kept in memory, and reach
 * the file itself once for many commits. What is committed is as durable as ever.
 */
const writeMuch = ['pragma cache_size = -65536', 'pragma wal_autocheckpoint = 16384']

/** What Kysely itself runs counts as reading: writes go through `commit`. */
const timed = ({ queryDurationMillis }: LogEvent) => databaseTime.observe(queryDurationMillis / 1000, 'read')

const connectSqlite = (path: string, writesMuch: boolean): Db => {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const writer = openSqlite(path, { readonly: false })
    // two processes may meet in a file that is not in WAL mode yet; only here, at the start, may one wait for the other
    writer.exec('pragma busy_timeout = 5000')
    writer.exec('pragma journal_mode = wal')
    writer.exec('pragma busy_timeout = 0')
    writer.exec('pragma synchronous = full')
    if (writesMuch) for (const pragma of writeMuch) writer.exec(pragma)
    const reader = openSqlite(path, { readonly: true })
    // the cast is for types only: Bun's statement has all that Kysely calls
    const dialect = new SqliteDialect({ database: preparing(reader) as never })
    const db = new Kysely<Database>({ dialect, log: timed })
    attach(db, sqliteCommitter(writer))
    return db
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new DatabaseUnreachable(`the SQLite file ${path} cannot be opened: ${reason}`, { cause })
  }
}

const connectPostgres = async (url: string, poolSize: number): Promise<Db> => {
  const sql = new SQL(url, { max: poolSize, connectionTimeout: 10 })
  try {
    await sql.unsafe('select 1')
  } catch (cause) {
    await sql.end().catch(() => {})
    const { host, pathname } = new URL(url)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new DatabaseUnreachable(`Postgres at ${host}${pathname} cannot be reached: ${reason}`, { cause })
  }
  // the dialect's types describe Postgres.js; it supports Bun's SQL at run time and says so
  const db = new Kysely<Database>({
    dialect: new PostgresJSDialect({ postgres: sql as never }),
    log: timed,
  })
  attach(db, postgresCommitter(sql))
  return db
}

/** Opens the database and proves that it answers. Throws `DatabaseUnreachable`. */
export const connect = async (config: DatabaseConfig, { writesMuch = false } = {}): Promise<Db> =>
  config.type === 'sqlite'
    ? connectSqlite(config.path, writesMuch)
    : connectPostgres(config.url, config.poolSize)
