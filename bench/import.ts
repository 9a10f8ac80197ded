/**
 * How long an import takes: `bun bench/import.ts [--users 100000]`. A CSV file with hashes, on SQLite (the file alone, and
 * through a server that answers requests meanwhile) and on Postgres, by the command that an operator runs.
 */

import { once } from 'node:events'
import { createWriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { DatabaseConfig } from '../lib/database/connect.ts'
import { cleanUp, databases, freePort, temporaryDirectory } from '../test/databases.ts'
import { table } from './measure.ts'

const { values } = parseArgs({ options: { users: { type: 'string', default: '100000' } } })
const users = Number(values.users)
const root = join(import.meta.dir, '..')
const hash = '$2b$10$abcdefghijklmnopqrstuuN0Nrb6xSUd8hYy8gAR8EvSX9yQp3bCa'

const writeUsers = async (path: string): Promise<void> => {
  const stream = createWriteStream(path)
  stream.write('userName,passwordHash,givenName,familyName,email,phone,title,department,externalId,active\n')
  for (let n = 0; n < users; n += 1) {
    // as in life, keys come in no order
    const random = Bun.hash(String(n))
    const key = random.toString(36)
    const names = `Given${random % 977n},Family${random % 3_571n}`
    const line = `${key},${hash},${names},${key}@example.com,+49${random % 10_000_000_000n},Engineer,Department ${n % 50},ext-${key},true\n`
    if (!stream.write(line)) await once(stream, 'drain')
  }
  stream.end()
  await once(stream, 'finish')
}

const configure = async (to: DatabaseConfig) => {
  const directory = temporaryDirectory()
  const file = join(directory, 'deployment.toml')
  const port = await freePort()
  const place = 'path' in to ? `path = "${to.path}"` : `url = "${to.url}"`
  writeFileSync(
    file,
    `[server]\nport = ${port}\ndata = "${directory}"\n[server.tls]\nenabled = false\n[super_admin]\nusername = "admin"\npassword = "admin"\n[database.identity_db]\ntype = "${to.type}"\n${place}\n[oauth]\nsigning_algorithm = "ES256"\n[log]\nlevel = "warn"\n`,
  )
  return { file, origin: `http://localhost:${port}` }
}

const run = (file: string, ...words: string[]) =>
  Bun.spawn([process.execPath, join(root, 'server.ts'), ...words, '--config', file], {
    stdout: 'ignore',
    stderr: 'inherit',
  })

/** Milliseconds of each answer to somebody who asks one question after the other, with pauses, until `done`. */
const ask = async (url: string, isDone: () => boolean): Promise<readonly number[]> => {
  const times: number[] = []
  while (!isDone()) {
    const began = performance.now()
    await (await fetch(url, { headers: { Authorization: `Basic ${btoa('admin:admin')}` } })).arrayBuffer()
    times.push(performance.now() - began)
    await Bun.sleep(5)
  }
  return times.sort((one, other) => one - other)
}

const rows: (string | number)[][] = [
  ['import', 'seconds', 'users a second', 'peak MB', 'p50 ms', 'p99 ms', 'JWKS p99 ms', 'most ms'],
]

const measure = async (name: string, to: DatabaseConfig, users_csv: string, isServing: boolean) => {
  const { file, origin } = await configure(to)
  if ((await run(file, 'migrate').exited) !== 0) throw new Error('the tables could not be made')
  const server = isServing ? run(file) : undefined
  const url = `${origin}/scim2/Me`
  while (server && !(await fetch(url).catch(() => undefined))) await Bun.sleep(20)
  let done = false
  const began = performance.now()
  const child = run(file, 'import', users_csv)
  // a question that reads the database, and hashes a password every ten seconds; and one that only waits for the others
  const asked = server ? [ask(url, () => done), ask(`${origin}/oauth2/jwks`, () => done)] : []
  const code = await child.exited
  const seconds = (performance.now() - began) / 1_000
  done = true
  if (code !== 0) throw new Error(`the import ended with ${code}`)
  const [mine = [], others = []] = await Promise.all(asked)
  const at = (times: readonly number[], share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? ''
  const memory = (child.resourceUsage()?.maxRSS ?? 0) / 1_048_576
  rows.push([
    name,
    seconds,
    Math.round(users / seconds),
    Math.round(memory),
    at(mine, 0.5),
    at(mine, 0.99),
    at(others, 0.99),
    at(others, 1),
  ])
  server?.kill('SIGTERM')
  await server?.exited
}

const file = join(temporaryDirectory(), 'users.csv')
await writeUsers(file)
for (const database of databases) {
  await measure(database.name, await database.create(), file, false)
  if (database.name === 'SQLite') {
    await measure('SQLite, through a server', await database.create(), file, true)
  }
}
await cleanUp()
process.stdout.write(`${users} users\n${table(rows)}\n`)
