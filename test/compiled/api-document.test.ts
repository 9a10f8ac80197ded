/** docs/api.md leads where it says: its blocks, pasted one by one into a shell beside an empty server. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { freePort } from '../databases.ts'
import { blocksOf } from '../markdown.ts'
import { paste, run } from '../shell.ts'
import { deployment, folder, type Running, start } from './binary.ts'

let port: number
let server: Running
let shell: ReturnType<typeof run>

beforeAll(async () => {
  port = await freePort()
  const directory = folder({ 'deployment.toml': deployment(port) })
  server = await start(directory, port)
  shell = run(['sh', '-eu'], directory, 'pipe')
}, 60_000)

afterAll(async () => {
  shell.signal('SIGKILL')
  await server.stop()
}, 20_000)

test('its blocks lead from an empty server to an impersonation', async () => {
  const seen: string[] = []
  for (const { text } of (await blocksOf('docs/api.md')).filter(({ kind }) => kind === 'sh')) {
    const asked = text.replace('BASE=https://localhost:9443', `BASE=https://localhost:${port}`)
    seen.push(await paste(shell, asked))
  }
  const [, type, users = '', application, missing = '', ready, token = '', bob = ''] = seen
  expect(type).toContain('"name":"IMPERSONATION_CONFIGURATION"')
  expect(JSON.parse(users)).toMatchObject({ totalResults: 1, Resources: [{ userName: 'bob' }] })
  expect(application).toMatch(/^the application is [\w-]{36}\n/)
  expect(missing.trim()).not.toBe('')
  expect(ready?.trim()).toBe('true')
  const claims = JSON.parse(token) as { sub: string; act: { sub: string }; scope: string }
  expect(claims.act.sub).toMatch(/^[\w-]{36}$/)
  expect(claims.scope.split(' ')).toContain('internal_user_mgt_view')
  expect(JSON.parse(bob)).toMatchObject({ id: claims.sub, userName: 'bob' })
  expect(server.output()).not.toContain('"level":"error"')
}, 60_000)
