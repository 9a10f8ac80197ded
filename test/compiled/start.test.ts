/** What stops a start: one clear message with file, key and what to do, exit code 78, nothing left running. */

import { Database as Sqlite } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { databases } from '../databases.ts'
import { sender } from '../scenario.ts'
import { deployment, folder, freePort, runCommand, start } from './binary.ts'

const seedInsert = `INSERT INTO IDN_CONFIG_TYPE (ID, NAME, DESCRIPTION) VALUES ('3e5b1f91-72d8-4fbc-94d1-1b9a4f8c3b07', 'IMPERSONATION_CONFIGURATION', 'A resource type to keep the tenant impersonation preferences.');\n`

const refused = async (toml: string, files: Readonly<Record<string, string>> = {}) => {
  const directory = folder({ 'deployment.toml': toml, ...files })
  const result = await runCommand(directory)
  return { ...result, directory }
}

describe('a start that is refused', () => {
  const cases: [string, (toml: string) => string, string[]][] = [
    [
      'an unknown key',
      (toml) => toml.replace('[server]', '[server]\nhostnam = "x"'),
      ['server.hostnam', 'hostname'],
    ],
    ['a wrong type', (toml) => `${toml}\n[session]\nidle_timeout = true\n`, ['session.idle_timeout']],
    ['a syntax error', (toml) => `${toml}\n[session\n`, ['deployment.toml:', 'TOML']],
    [
      'a differing duplicate',
      (toml) => `${toml}\n[[api_resources]]\nname= "Other"\nidentifier= "system:impersonation"\n`,
      ['system:impersonation'],
    ],
    [
      'an unreadable certificate',
      (toml) => `${toml}\n[server.tls]\ncertificate = "no.crt"\nkey = "no.key"\n`,
      ['server.tls.certificate'],
    ],
    [
      'h2',
      (toml) => toml.replace('type = "sqlite"', 'type = "h2"'),
      ['database.identity_db.type', 'type = "sqlite"'],
    ],
    [
      'a database that cannot be reached',
      (toml) =>
        toml.replace(
          'type = "sqlite"',
          'type = "postgres"\nurl = "postgresql://nobody:hidden@127.0.0.1:1/mayact"',
        ),
      ['127.0.0.1:1/mayact', 'database.identity_db'],
    ],
    [
      'a response type that nothing implements',
      (toml) => toml.replace('handlers.SubjectTokenResponseTypeHandler', 'handlers.Other'),
      ['oauth.custom_response_type[0].class'],
    ],
    [
      'the shipped password on another address',
      (toml) => toml.replace('[server]', '[server]\nbind = "0.0.0.0"'),
      ['super_admin'],
    ],
    ['an encryption key that is none', (toml) => `${toml}\n[encryption]\nkey = "short"\n`, ['encryption']],
  ]
  test.each(cases)('it names %s', async (_, change, expected) => {
    const { code, stderr, directory } = await refused(deployment(await freePort(), change))
    for (const part of ['deployment.toml', ...expected]) expect(stderr).toContain(part)
    expect(stderr).not.toContain('hidden')
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(code).toBe(78)
    expect(existsSync(join(directory, 'data/mayact.sock'))).toBe(false)
  })

  test('it names a folder that it cannot write to', async () => {
    const toml = deployment(await freePort(), (text) =>
      text.replace('[server]', '[server]\ndata = "deployment.toml/data"'),
    )
    const { code, stderr, directory } = await refused(toml)
    expect(stderr).toContain(join(directory, 'deployment.toml/data'))
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(code).toBe(78)
  })

  test('it names a configuration file that is not there', async () => {
    const { code, stderr } = await runCommand(folder(), '--config', 'missing.toml')
    expect([code, stderr.includes('missing.toml')]).toEqual([78, true])
  })

  test('it names a port that is in use, before anything is made', async () => {
    const port = await freePort()
    const other = createServer().listen(port, '127.0.0.1')
    const { code, stderr, directory } = await refused(deployment(port))
    other.close()
    expect(stderr).toContain('server.port')
    expect(code).toBe(78)
    expect(existsSync(join(directory, 'data'))).toBe(false)
  })

  test('it refuses a command line that is none of its own', async () => {
    expect((await runCommand(folder(), 'bogus')).code).toBe(64)
    expect((await runCommand(folder(), '--bogus')).code).toBe(64)
    expect((await runCommand(folder(), '--version')).stdout).toMatch(/^mayact \d+\.\d+\.\d+\n$/)
  })
})

for (const database of databases) {
  describe(`commands on ${database.name}`, () => {
    const prepared = async () => {
      const port = await freePort()
      const config = await database.create()
      const toml = deployment(port, (text) =>
        config.type === 'sqlite'
          ? text
          : text.replace('type = "sqlite"', `type = "postgres"\nurl = "${config.url}"`),
      )
      return { port, directory: folder({ 'deployment.toml': toml, 'seed.sql': seedInsert }) }
    }

    test('it creates the tables before the first start and runs the script of the seed, once', async () => {
      const { port, directory } = await prepared()
      const early = await runCommand(directory, 'db', 'exec', 'seed.sql')
      expect([early.code, early.stderr.includes('mayact migrate')]).toEqual([65, true])
      expect((await runCommand(directory, 'migrate')).stdout).toContain('created')
      expect((await runCommand(directory, 'migrate')).stdout).toContain('up to date')
      expect((await runCommand(directory, 'db', 'exec', 'seed.sql')).code).toBe(0)
      expect((await runCommand(directory, 'db', 'exec', 'seed.sql')).code).toBe(65)
      const server = await start(directory, port)
      const send = sender(server)
      const path = '/api/identity/config-mgt/v1.0/resource-type'
      const found = await send('GET', `${path}/IMPERSONATION_CONFIGURATION`)
      expect(await found.json()).toMatchObject({ id: '3e5b1f91-72d8-4fbc-94d1-1b9a4f8c3b07' })
      await server.stop()
    })

    test('it runs a script through a running server', async () => {
      const { port, directory } = await prepared()
      const server = await start(directory, port)
      expect((await runCommand(directory, 'db', 'exec', 'seed.sql')).code).toBe(0)
      const changed = await sender(server)('PATCH', '/api/server/v1/configs/impersonation', [
        { operation: 'REPLACE', path: '/enableEmailNotification', value: false },
      ])
      expect(changed.status).toBe(200)
      expect((await runCommand(directory, 'db', 'exec', 'nowhere.sql')).code).toBe(66)
      await server.stop()
    })

    test('it refuses a database of another encryption key, and one of another version', async () => {
      const { port, directory } = await prepared()
      await (await start(directory, port)).stop()
      const key = 'ab'.repeat(32)
      const toml = await Bun.file(join(directory, 'deployment.toml')).text()
      writeFileSync(join(directory, 'other.toml'), `${toml}\n[encryption]\nkey = "${key}"\n`)
      const other = await runCommand(directory, '--config', 'other.toml')
      expect([other.code, /encryption/.test(other.stderr), other.stderr.includes(key)]).toEqual([
        78,
        true,
        false,
      ])
      writeFileSync(
        join(directory, 'newer.sql'),
        "update meta set value = '999' where name = 'schema_version';\n",
      )
      expect((await runCommand(directory, 'db', 'exec', 'newer.sql')).code).toBe(0)
      const newer = await runCommand(directory)
      expect([newer.code, newer.stderr.includes('999'), newer.stderr.includes('newer mayact')]).toEqual([
        78,
        true,
        true,
      ])
    })
  })
}

test('it leaves a database that SQLite itself finds whole', async () => {
  const port = await freePort()
  const directory = folder({ 'deployment.toml': deployment(port) })
  await (await start(directory, port)).stop('SIGKILL')
  await (await start(directory, port)).stop()
  const file = new Sqlite(join(directory, 'data/mayact.db'), { readonly: true })
  expect(file.query('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
  expect(file.query('pragma foreign_key_check').all()).toEqual([])
  file.close()
})
