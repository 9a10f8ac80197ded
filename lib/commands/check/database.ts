/** The database, opened so that nothing can be written, beside a server or without one. */
import { constants, Database as Sqlite } from 'bun:sqlite'
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { SQL } from 'bun'
import { Kysely, SqliteDialect } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import type { Config } from '../../config.ts'
import type { Db } from '../../database/connect.ts'
import { schemaVersion } from '../../database/migrate.ts'
import type { Database } from '../../database/schema.ts'
import { type Finding, ok, reasonOf, wrong } from '../../impersonation/readiness/finding.ts'

const about = 'database'

/**
 * A file with a write-ahead log is being used, or was left by a crash; without one it is read as if it could not
 * change, because even a reader would leave a log beside it.
 */
const openSqlite = (path: string): Sqlite => {
  if (existsSync(`${path}-wal`)) return new Sqlite(path, { readonly: true })
  const flags = constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI
  return new Sqlite(`${pathToFileURL(path).href}?immutable=1`, flags)
}

const openPostgres = (url: string): SQL =>
  new SQL(url, { max: 1, connectionTimeout: 10, connection: { default_transaction_read_only: 'on' } })

/** The database for reading only; close it with `db.destroy()`. */
const openReader = (config: Config['database']): Db => {
  if (config.type === 'postgres') {
    // the dialect's types describe Postgres.js; it supports Bun's SQL at run time and says so
    return new Kysely({ dialect: new PostgresJSDialect({ postgres: openPostgres(config.url) as never }) })
  }
  const file = openSqlite(config.path)
  const database = { prepare: (sql: string) => file.query(sql), close: () => file.close() } as never
  return new Kysely<Database>({ dialect: new SqliteDialect({ database }) })
}

const versionOf = async (db: Db): Promise<Finding> => {
  const tables = await db.introspection.getTables()
  if (!tables.some(({ name }) => name === 'meta')) {
    return wrong(about, 'is there, without tables', 'run `mayact migrate`, or start the server')
  }
  const row = await db
    .selectFrom('meta')
    .select('value')
    .where('name', '=', 'schema_version')
    .executeTakeFirst()
  const version = Number(row?.value)
  if (version === schemaVersion) return ok(about, `answers, with tables of version ${version}`)
  const mend = version > schemaVersion ? 'use the newer mayact that wrote it' : 'begin with an empty database'
  return wrong(about, `has tables of version ${version}, this mayact needs ${schemaVersion}`, mend)
}

/** Opens the database if it is one to work with; `db` is there when it is. */
export const openDatabase = async (
  config: Config,
): Promise<{ readonly finding: Finding; readonly db?: Db }> => {
  const { database } = config
  if (database.type === 'sqlite' && !existsSync(database.path)) {
    const says = `is not there yet: ${database.path}`
    return { finding: wrong(about, says, 'run `mayact migrate`, or start the server') }
  }
  let db: Db | undefined
  try {
    db = openReader(database)
    const finding = await versionOf(db)
    if (finding.state === 'ok') return { finding, db }
    await db.destroy()
    return { finding }
  } catch (error) {
    await db?.destroy().catch(() => {})
    // where it is, without the credentials in its URL
    const place = database.type === 'sqlite' ? database.path : new URL(database.url).host
    const says = `cannot be read (${place}): ${reasonOf(error)}`
    return { finding: wrong(about, says, 'start the database, or correct [database.identity_db]') }
  }
}
