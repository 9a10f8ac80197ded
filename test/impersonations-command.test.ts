/** `mayact impersonations list|end`, on the database itself and through a running server. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { listenForCommands } from '../lib/commands/control.ts'
import { impersonationTasks } from '../lib/commands/impersonations.ts'
import { createLog } from '../lib/log.ts'
import { boot } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken } from './fixtures.ts'
import { endedRows } from './impersonations.ts'

const root = new URL('..', import.meta.url).pathname

describe.each(databases)('mayact impersonations on $name', (database) => {
  test('it lists and ends, one or all of somebody', async () => {
    const server = await boot(database)
    const to = server.config.database
    const file = join(server.directory, 'deployment.toml')
    const place = 'path' in to ? `path = "${to.path}"` : `url = "${to.url}"`
    await Bun.write(
      file,
      `[server]\ndata = "${server.directory}"\n[database.identity_db]\ntype = "${to.type}"\n${place}\n`,
    )
    const stop = await listenForCommands(
      server.db,
      server.directory,
      createLog({ level: 'silent', format: 'text' }),
      impersonationTasks(server.db),
    )
    const run = async (...words: string[]) => {
      const child = Bun.spawn(
        [process.execPath, join(root, 'server.ts'), 'impersonations', ...words, '--config', file],
        { stdout: 'pipe', stderr: 'pipe', timeout: 20_000 },
      )
      const [stdout, stderr, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ])
      return { stdout, stderr, code }
    }
    expect((await run('list')).stdout).toBe('There is none.\n')
    const shop = await application(server.db, { name: 'Shop' })
    const impersonatorId = await account(server.db, { userName: 'Support' })
    const subjectId = await account(server.db, { userName: 'Customer' })
    const asked = { application: shop, impersonatorId, subjectId, scopes: ['internal_login'] }
    const one = await impersonatedToken(server.db, asked)
    const more = [await impersonatedToken(server.db, asked), await impersonatedToken(server.db, asked)]
    const listed = await run('list', '--state', 'active')
    expect([listed.code, listed.stderr, listed.stdout.split('\n').length]).toEqual([0, '', 4])
    expect(listed.stdout).toContain(`${one.impersonationId}  active `)
    expect(listed.stdout).toContain('Support as Customer through Shop')

    const ended = await run('end', one.impersonationId, '--reason', 'a test')
    expect([ended.code, ended.stderr, ended.stdout]).toEqual([0, '', `${one.impersonationId} is over.\n`])
    expect(
      (await endedRows(server, one.impersonationId)).map(({ initiator, data }) => [initiator, data.comment]),
    ).toEqual([['system', 'a test']])
    expect((await run('end', one.impersonationId)).stdout).toBe(`${one.impersonationId} was over already.\n`)
    expect((await run('end', '--subject', subjectId)).stdout).toBe('2 ended.\n')
    for (const { value } of more) {
      const answer = await server.request('/scim2/Me', { headers: { Authorization: `Bearer ${value}` } })
      expect(answer.status).toBe(401)
    }
    expect((await run('end', '--all')).stdout).toBe('0 ended.\n')
    const shown: { state: string }[] = JSON.parse((await run('list', '--json')).stdout)
    expect(shown.map(({ state }) => state)).toEqual(['ended', 'ended', 'ended'])
    const unknown = await run('end', 'unknown')
    expect([unknown.code, unknown.stderr]).toEqual([65, 'mayact: there is no impersonation unknown\n'])
    for (const words of [
      ['end'],
      ['end', 'a', 'b'],
      ['end', 'a', '--all'],
      ['list', 'a'],
      ['list', '--state', 'gone'],
    ])
      expect([words, (await run(...words)).code]).toEqual([words, 64])
    stop?.()
    await server.stop()
  }, 60_000)
})
