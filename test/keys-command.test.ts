/** `mayact keys`: what it prints and does, on the database itself and through a running server. */
import { afterEach, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listenForCommands } from '../lib/commands/control.ts'
import { keyTasks } from '../lib/commands/keys.ts'
import { type Config, parse } from '../lib/config.ts'
import { close, readRevision } from '../lib/database/commit.ts'
import { connect } from '../lib/database/connect.ts'
import { migrate } from '../lib/database/migrate.ts'
import { openVault } from '../lib/keys/secrets.ts'
import { loadSigningKeys } from '../lib/keys/signing.ts'
import { createLog } from '../lib/log.ts'
import { databases, temporaryDirectory } from './databases.ts'

const root = new URL('..', import.meta.url).pathname
const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

const log = createLog({ level: 'silent', format: 'text' })

for (const database of databases) {
  describe(`mayact keys on ${database.name}`, () => {
    /** A folder with a deployment.toml, and the server's side of its database. */
    const setUp = async () => {
      const directory = temporaryDirectory()
      const file = join(directory, 'deployment.toml')
      const to = await database.create()
      const place = 'path' in to ? `path = "${to.path}"` : `url = "${to.url}"`
      const toml = `[server]\ndata = "${directory}"\n[database.identity_db]\ntype = "${to.type}"\n${place}\n[oauth]\nsigning_algorithm = "ES256"\n`
      writeFileSync(file, toml)
      const loaded = parse(toml, file, { variables: {} })
      const config: Config = loaded.config
      const db = await connect(config.database)
      endings.push(() => close(db))
      await migrate(db, new Date())
      const vault = openVault(config.encryption)
      const run = async (...words: string[]) => {
        const child = Bun.spawn([process.execPath, join(root, 'server.ts'), ...words, '--config', file], {
          stdout: 'pipe',
          stderr: 'pipe',
          timeout: 20_000,
        })
        const [stdout, stderr, code] = await Promise.all([
          new Response(child.stdout).text(),
          new Response(child.stderr).text(),
          child.exited,
        ])
        return { stdout, stderr, code }
      }
      const listed = async () => {
        const { stdout } = await run('keys', 'list', '--json')
        const keys: { kid: string; state: string }[] = JSON.parse(stdout)
        return new Map(keys.map(({ kid, state }) => [kid, state]))
      }
      return { directory, config, db, vault, run, listed }
    }

    test('it lists, rotates and retires, and a loaded key follows', async () => {
      const { directory, config, db, vault, run, listed } = await setUp()
      expect((await run('keys', 'list')).stdout).toBe('There is no key yet: the first start makes one.\n')
      const keys = await loadSigningKeys(db, vault, config.oauth.signingAlgorithms)
      const first = keys.jwks().keys[0]?.kid ?? ''
      const stop = await listenForCommands(db, directory, log, keyTasks({ db, vault }, config))
      endings.push(() => stop?.())

      const rotated = await run('keys', 'rotate')
      expect([rotated.code, rotated.stderr]).toEqual([0, ''])
      expect(rotated.stdout).toMatch(/^[\w-]{43} is published now and signs in 900 seconds\.\n$/)
      const next = rotated.stdout.slice(0, 43)
      expect(await listed()).toEqual(
        new Map([
          [next, 'next'],
          [first, 'signs'],
        ]),
      )
      expect((await run('keys', 'list')).stdout).toMatch(
        new RegExp(`^${next} {2}ES256 {2}next .*\n${first} {2}ES256 {2}signs .*, until .*\n$`),
      )
      const atOnce = await run('keys', 'rotate', '--publish-for', '0')
      expect(atOnce.stdout).toMatch(/^[\w-]{43} signs now\.\n$/)
      const second = atOnce.stdout.slice(0, 43)
      await keys.refresh()
      expect(keys.jwks().keys.map(({ kid }) => kid)).toContain(next)
      expect(keys.jwks().keys[0]?.kid).toBe(second)

      const withdrawn = await run('keys', 'retire', first, '--now')
      expect(withdrawn.stdout).toBe(`${first} is withdrawn: the JWKS has it no longer.\n`)
      const retired = await run('keys', 'retire', second)
      expect(retired.stdout).toBe(
        `${second} is retired: it signs no longer, and stays in the JWKS until its last token has ended.\n`,
      )
      await keys.refresh()
      const published = keys.jwks().keys.map(({ kid }) => kid)
      expect([published.includes(first), published.includes(second), published[0] === second]).toEqual([
        false,
        true,
        false,
      ])
      expect((await listed()).get(first)).toBe('gone')
      const events = await db.selectFrom('audit').select(['event', 'target']).orderBy('id').execute()
      expect(events.filter(({ target }) => target === first).map(({ event }) => event)).toEqual([
        'signing-key-created',
        'signing-key-retired',
        'signing-key-retired',
      ])
    }, 60_000)

    test('it refuses what it cannot do, and changes nothing', async () => {
      const { db, run } = await setUp()
      const before = await readRevision(db)
      const unknown = await run('keys', 'retire', 'unknown', '--now')
      expect([unknown.code, unknown.stderr]).toEqual([
        65,
        'mayact: there is no key unknown to be withdrawn\n',
      ])
      for (const words of [
        ['retire'],
        ['retire', 'a', 'b'],
        ['rotate', 'a'],
        ['rotate', '--publish-for'],
        ['rotate', '--publish-for', 'soon'],
        ['rotate', '--publish-for', '31d'],
        ['list', 'a'],
        [],
      ]) {
        expect([words, (await run('keys', ...words)).code]).toEqual([words, 64])
      }
      expect([await readRevision(db), await db.selectFrom('signing_key').select('kid').execute()]).toEqual([
        before,
        [],
      ])
    }, 60_000)
  })
}
