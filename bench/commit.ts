/**
 * How many commits a second, beside what the machine can do at all: `bun bench/commit.ts [--seconds 3]`.
 * 32 clients, each of which reads twice and commits three inserts and one counted update under the revision's guard,
 * on SQLite, on SQLite with a disk that takes 2 ms longer to sync, and on Postgres.
 */
import { Database as Sqlite } from 'bun:sqlite'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CompiledQuery } from 'kysely'
import {
  close,
  commit,
  exactly,
  readRevision,
  revisionIs,
  type Write,
  write,
} from '../lib/database/commit.ts'
import { connect, type DatabaseConfig, type Db } from '../lib/database/connect.ts'
import { migrate, rootOrganization } from '../lib/database/migrate.ts'
import { closedLoop, loop, type Measured, table } from './measure.ts'

const clients = 32
const now = '2026-01-02T03:04:05.678Z'

interface Row extends Measured {
  readonly name: string
}

/** The statements, compiled once as hot queries are; each use brings its own parameters. */
const statementsOf = (db: Db) => {
  const account = db.selectFrom('account').select(['id', 'version']).where('id', '=', '').compile()
  const spend = db
    .updateTable('account')
    .set({ version: 0 })
    .where('id', '=', '')
    .where('version', '=', 0)
    .compile()
  const lineage = db.insertInto('lineage').values({ id: '', kind: 'bench', ends_at: now }).compile()
  const failure = db
    .insertInto('login_failure')
    .values({ id: '', account_key: 'key', address: '127.0.0.1', failed_at: now })
    .compile()
  const config = db
    .insertInto('idn_config_type')
    .values({ id: '', name: '', description: 'a line of text such as these rows have' })
    .compile()
  const using = <T>(query: CompiledQuery<T>, parameters: readonly unknown[]): CompiledQuery<T> => ({
    ...query,
    parameters: [...parameters, ...query.parameters.slice(parameters.length)],
  })
  return {
    account: (id: string) => using(account, [id]),
    writes: (id: string, version: number) => ({
      spend: using(spend, [version + 1, id, version]),
      inserts: [lineage, failure, config].map((query) => {
        const key = Bun.randomUUIDv7()
        return using(query, query === config ? [key, key] : [key])
      }),
    }),
  }
}

const prepare = async (config: DatabaseConfig): Promise<Db> => {
  const db = await connect(config)
  await migrate(db, new Date(now))
  const accounts = Array.from({ length: clients }, (_, index) => ({
    id: `account${index}`,
    organization_id: rootOrganization.id,
    user_name: `${index}`,
    user_name_key: `${index}`,
    version: 1,
    attributes: '{}',
    created_at: now,
    modified_at: now,
  }))
  await commit(db, [write(db.insertInto('account').values(accounts))])
  return db
}

/** Ours; `extra` goes along with each commit. */
const commits = async (db: Db, seconds: number, extra: readonly Write[] = []): Promise<Measured> => {
  const statements = statementsOf(db)
  const compiled = (query: CompiledQuery) => ({ compile: () => query })
  return closedLoop(clients, seconds, async (client) => {
    const id = `account${client}`
    const n = await readRevision(db)
    const { rows } = await db.executeQuery(statements.account(id))
    const { spend, inserts } = statements.writes(id, rows[0]?.version ?? 0)
    const outcome = await commit(db, [
      revisionIs(n),
      exactly(1, compiled(spend)),
      ...inserts.map((query) => write(compiled(query))),
      ...extra,
    ])
    if (outcome !== 'committed') throw new Error(`a commit was ${outcome}`)
  })
}

/** The same four statements by hand, one transaction and one sync each, and nothing else in the process. */
const byHand = (path: string, db: Db, seconds: number): Measured => {
  const database = new Sqlite(path)
  database.exec('pragma synchronous = full')
  const statements = statementsOf(db)
  let version = database
    .query<{ version: number }, []>("select version from account where id = 'account0'")
    .get()?.version
  const measured = loop(seconds, () => {
    const { spend, inserts } = statements.writes('account0', version ?? 0)
    version = (version ?? 0) + 1
    database.exec('begin immediate')
    for (const query of [spend, ...inserts])
      database.query(query.sql).run(...(query.parameters as (string | number)[]))
    database.exec('commit')
  })
  database.close()
  return measured
}

const syncs = (path: string, seconds: number): Measured => {
  const file = openSync(path, 'w')
  const page = new Uint8Array(4096)
  const measured = loop(seconds, () => {
    writeSync(file, page)
    fdatasyncSync(file)
  })
  closeSync(file)
  return measured
}

const onSqlite = async (directory: string, label: string, seconds: number): Promise<Row[]> => {
  const path = join(directory, `${crypto.randomUUID()}.db`)
  const db = await prepare({ type: 'sqlite', path })
  const rows = [
    { name: `${label}: commits, ${clients} clients`, ...(await commits(db, seconds)) },
    { name: `${label}: the same by hand, one by one`, ...byHand(path, db, seconds / 2) },
    { name: `${label}: 4 kB and fdatasync`, ...syncs(join(directory, 'sync'), seconds / 2) },
  ]
  await close(db)
  return rows
}

/** The same in a process of its own, whose syncs take 2 ms longer. */
const onSlowDisk = async (directory: string, seconds: number): Promise<Row[]> => {
  const library = join(directory, 'slow-sync.so')
  const source = join(import.meta.dir, 'slow-sync.c')
  const compiler = Bun.spawn(['cc', '-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'])
  if ((await compiler.exited) !== 0) throw new Error('cc could not compile bench/slow-sync.c')
  const child = Bun.spawn(
    [process.execPath, import.meta.path, '--seconds', String(seconds), '--slow', directory],
    {
      env: { ...process.env, LD_PRELOAD: library, SLOW_SYNC_MICROSECONDS: '2000' },
      stderr: 'inherit',
    },
  )
  const rows: Row[] = JSON.parse(await child.stdout.text())
  return rows
}

const onPostgres = async (seconds: number): Promise<Row[]> => {
  const { databases } = await import('../test/databases.ts')
  const postgres = databases.find(({ name }) => name === 'Postgres')
  if (!postgres) throw new Error('test/databases.ts has no Postgres')
  const db = await prepare(await postgres.create())
  const deletion = write(db.deleteFrom('login_failure').where('id', '=', 'nothing'))
  const rows = [
    { name: `Postgres: commits, ${clients} clients`, ...(await commits(db, seconds)) },
    { name: 'Postgres: with a delete, so BEGIN … COMMIT', ...(await commits(db, seconds, [deletion])) },
  ]
  await close(db)
  return rows
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '3' }, slow: { type: 'string' } },
})
const seconds = Number(values.seconds)
if (!(seconds > 0)) throw new Error('--seconds takes a number greater than 0')

if (values.slow !== undefined) {
  console.log(JSON.stringify(await onSqlite(values.slow, 'SQLite, slow disk', seconds)))
} else {
  const directory = mkdtempSync(join(tmpdir(), 'mayact-bench-'))
  try {
    const rows = [
      ...(await onSqlite(directory, 'SQLite', seconds)),
      ...(await onSlowDisk(directory, seconds)),
      ...(await onPostgres(seconds)),
    ]
    const lines = rows.map(({ name, perSecond, p50, p99 }) => [
      name,
      Math.round(perSecond).toString(),
      p50,
      p99,
    ])
    console.log(table([['', 'per second', 'p50 ms', 'p99 ms'], ...lines]))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  // the embedded Postgres ends with the process, and would keep it alive
  process.exit(0)
}
