/** `mayact backup` and `mayact restore`: a copy under load is whole, and nothing is ever overwritten by accident. */
import { Database as Sqlite } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { locationOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import {
  authorizePath,
  exchange,
  impersonate,
  obtainSubjectToken,
  setUp,
  type TokenResponse,
} from '../scenario.ts'
import { deployment, folder, freePort, runCommand, start } from './binary.ts'

const prepared = async () => {
  const port = await freePort()
  const directory = folder({ 'deployment.toml': deployment(port) })
  return { port, directory, database: join(directory, 'data/mayact.db') }
}

describe('backup and restore', () => {
  test('a backup taken under load knows every token that was answered before it', async () => {
    const { port, directory } = await prepared()
    const server = await start(directory, port)
    const scenario = await setUp(server)
    const { browser } = await obtainSubjectToken(server, scenario)
    const answered: string[] = []
    let done = false
    const client = async () => {
      while (!done) {
        const tokens = await obtainSubjectToken(server, scenario, {}, browser)
        const response = await exchange(server, scenario, tokens)
        expect(response.status).toBe(200)
        answered.push(((await response.json()) as TokenResponse).access_token)
      }
    }
    const load = Array.from({ length: 8 }, client)
    await Bun.sleep(500)
    const before = [...answered]
    const made = await runCommand(directory, 'backup', 'saved.db')
    done = true
    await Promise.all(load)
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toContain('encryption key')
    expect(before.length).toBeGreaterThan(10)
    expect(answered.length).toBeGreaterThan(before.length)
    const saved = join(directory, 'saved.db')
    expect(statSync(saved).mode & 0o777).toBe(0o600)
    expect(existsSync(`${saved}.partial`)).toBe(false)

    const again = await runCommand(directory, 'backup', 'saved.db')
    expect([again.code, again.stderr.includes('exists already')]).toEqual([73, true])
    const busy = await runCommand(directory, 'restore', 'saved.db', '--force')
    expect([busy.code, busy.stderr.includes('a server is running')]).toEqual([75, true])
    // its socket is not the only sign of a server
    rmSync(join(directory, 'data/mayact.sock'))
    expect((await runCommand(directory, 'restore', 'saved.db', '--force')).code).toBe(75)
    expect((await server.request('/health/ready')).status).toBe(200)
    await server.stop()

    const place = await prepared()
    await cp(join(directory, 'secrets'), join(place.directory, 'secrets'), { recursive: true })
    const restored = await runCommand(place.directory, 'restore', saved)
    expect([restored.code, restored.stderr]).toEqual([0, ''])
    const second = await start(place.directory, place.port)
    const statuses = await Promise.all(
      before.map(async (token) => {
        const response = await second.request('/scim2/Me', { headers: { Authorization: `Bearer ${token}` } })
        return response.status
      }),
    )
    expect(statuses.filter((status) => status !== 200)).toEqual([])
    expect((await impersonate(second, scenario)).access_token).not.toBe('')
    await second.stop()
  }, 30_000)

  test('a restore takes the place of a database only when it is told to, and sets that aside', async () => {
    const { port, directory, database } = await prepared()
    await (await start(directory, port)).stop()
    expect((await runCommand(directory, 'backup', 'stopped.db')).code).toBe(0)
    const refused = await runCommand(directory, 'restore', 'stopped.db')
    expect([refused.code, refused.stderr.includes('--force')]).toEqual([73, true])
    writeFileSync(`${database}-wal`, 'what a crash left')
    expect((await runCommand(directory, 'restore', 'stopped.db', '--force')).code).toBe(0)
    expect(existsSync(`${database}.before-restore`)).toBe(true)
    expect(existsSync(`${database}-wal`)).toBe(false)
    expect(statSync(database).mode & 0o777).toBe(0o600)
    const server = await start(directory, port)
    expect(server.output()).not.toContain('First start')
    await server.stop()
  }, 30_000)

  test('what was spent after the backup cannot be spent again in the restored database, unless it is asked for', async () => {
    const { port, directory, database } = await prepared()
    let server = await start(directory, port)
    const scenario = await setUp(server)
    const browser = newBrowser({ request: (path, init) => server.request(path, init) })
    const started = await impersonate(server, scenario)
    const open = await obtainSubjectToken(server, scenario, {}, browser)
    expect((await runCommand(directory, 'backup', 'saved.db')).code).toBe(0)
    expect((await exchange(server, scenario, open)).status).toBe(200)
    await server.stop()

    const statusOf = async (token: string) => {
      const response = await server.request('/scim2/Me', { headers: { Authorization: `Bearer ${token}` } })
      return response.status
    }
    const restored = await runCommand(directory, 'restore', 'saved.db', '--force')
    expect([restored.code, restored.stderr]).toEqual([0, ''])
    expect(restored.stdout).toContain(
      'Ended: 1 impersonations that had not been started, 2 browser sessions.',
    )
    const left = readdirSync(join(directory, 'data')).filter((name) => name.startsWith('mayact.db'))
    expect(left.sort()).toEqual(['mayact.db', 'mayact.db.before-restore'])
    expect(statSync(database).mode & 0o777).toBe(0o600)
    server = await start(directory, port)
    expect((await exchange(server, scenario, open)).status).toBe(400)
    expect(await statusOf(started.access_token)).toBe(200)
    expect(locationOf(await browser.get(authorizePath(scenario))).pathname).toContain('login')
    await server.stop()
    const file = new Sqlite(database, { readonly: true })
    const audit =
      "select initiator, outcome, line_at is null as waits from audit where event = 'database-restored'"
    expect(file.query(audit).all()).toEqual([{ initiator: 'restore', outcome: 'Success', waits: 1 }])
    file.close()

    const kept = await runCommand(directory, 'restore', 'saved.db', '--force', '--keep-sessions')
    expect([kept.code, kept.stdout.includes('are alive again')]).toEqual([0, true])
    server = await start(directory, port)
    expect((await exchange(server, scenario, open)).status).toBe(200)
    expect(await statusOf(started.access_token)).toBe(200)
    await server.stop()
  }, 30_000)

  test('a file that is cut off, of another version or none of ours is refused, and nothing is touched', async () => {
    const { port, directory, database } = await prepared()
    await (await start(directory, port)).stop()
    expect((await runCommand(directory, 'backup', 'good.db')).code).toBe(0)
    const inPlace = await Bun.file(database).bytes()
    await cp(join(directory, 'good.db'), join(directory, 'cut.db'))
    truncateSync(join(directory, 'cut.db'), statSync(join(directory, 'good.db')).size - 8192)
    await cp(join(directory, 'good.db'), join(directory, 'newer.db'))
    const newer = new Sqlite(join(directory, 'newer.db'))
    newer.exec("update meta set value = '999' where name = 'schema_version'")
    newer.close()
    writeFileSync(join(directory, 'text.db'), 'not a database')
    new Sqlite(join(directory, 'other.db')).exec('create table meta (a)')
    for (const [name, code] of [
      ['cut.db', 65],
      ['newer.db', 65],
      ['text.db', 65],
      ['other.db', 65],
      ['nowhere.db', 66],
    ] as const) {
      const result = await runCommand(directory, 'restore', name, '--force')
      expect([name, result.code, result.stderr.includes(name)]).toEqual([name, code, true])
    }
    expect(await Bun.file(database).bytes()).toEqual(inPlace)
    expect((await runCommand(directory, 'backup')).code).toBe(64)
    expect((await runCommand(folder(), 'backup', 'none.db')).code).toBe(66)
  }, 30_000)

  test('for Postgres it names the tools of Postgres', async () => {
    const config = await databases.find(({ name }) => name === 'Postgres')?.create()
    const url = config?.type === 'postgres' ? config.url : ''
    const toml = deployment(await freePort(), (text) =>
      text.replace('type = "sqlite"', `type = "postgres"\nurl = "${url}"`),
    )
    const directory = folder({ 'deployment.toml': toml })
    for (const [command, tool] of [
      ['backup', 'pg_dump'],
      ['restore', 'pg_restore'],
    ] as const) {
      const { code, stderr } = await runCommand(directory, command, 'x.db')
      expect([code, stderr.includes(tool), stderr.includes(url)]).toEqual([64, true, false])
    }
  })
})
