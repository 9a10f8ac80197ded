/** `mayact demo` and `mayact check` in the compiled binary, as somebody runs them who has just got it. */
import { afterAll, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setUp } from '../scenario.ts'
import { binary, deployment, folder, freePort, type Running, runCommand, start } from './binary.ts'

/** The folder that the output says it worked in. */
const folderIn = (output: string): string => /\S+mayact-demo-\w+/.exec(output)?.[0] ?? ''

describe('demo', () => {
  test('it shows tokens, mail and audit lines, finds no difference, and leaves nothing behind', async () => {
    const directory = folder()
    const { stdout, stderr, code } = await runCommand(directory, 'demo')
    expect([code, stderr]).toEqual([0, ''])
    for (const part of [
      'POST /commonauth',
      'PATCH /scim2/Me',
      '"may_act": {',
      '"act": {',
      'Hi testuser,',
      'Action=resource-modification-via-impersonation',
      'Action=Set-User-Claim-Values',
      ' | Impersonator : ',
      '✓ may_act',
      'comparisons hold',
    ])
      expect(stdout).toContain(part)
    expect(stdout).not.toContain('\x1b')
    expect(stdout).not.toContain('✗')
    expect(readdirSync(directory)).toEqual([])
    expect(folderIn(stdout)).toStartWith(tmpdir())
    expect(existsSync(folderIn(stdout))).toBe(false)
  })

  test('it speaks JSON, and keeps its folder when asked to', async () => {
    const { stdout, code } = await runCommand(folder(), 'demo', '--json', '--keep')
    const answer = JSON.parse(stdout)
    expect(code).toBe(0)
    expect(answer).toMatchObject({
      ok: true,
      tokens: { accessToken: { header: { typ: 'at+jwt' }, claims: { act: { sub: expect.any(String) } } } },
      mail: { to: 'testuser@example.com' },
      auditLines: [expect.any(String), expect.any(String)],
    })
    expect(existsSync(join(answer.folder, 'data/mayact.db'))).toBe(true)
    rmSync(answer.folder, { recursive: true })
  })

  test('it leaves nothing behind when it is interrupted', async () => {
    const child = Bun.spawn([await binary(), 'demo'], { cwd: folder(), env: {}, stdout: 'pipe' })
    let output = ''
    const decoder = new TextDecoder()
    for await (const chunk of child.stdout) {
      output += decoder.decode(chunk, { stream: true })
      if (folderIn(output) !== '') child.kill('SIGINT')
    }
    expect(await child.exited).toBe(130)
    expect(existsSync(folderIn(output))).toBe(false)
  })

  test('it takes no configuration and no other options', async () => {
    expect((await runCommand(folder(), 'demo', '--config', 'x.toml')).code).toBe(64)
    expect((await runCommand(folder(), 'demo', '--mail')).code).toBe(64)
  })
})

describe('check', () => {
  let server: Running | undefined
  afterAll(() => server?.stop())

  test('it answers 78 with the problems of a configuration, and makes none where there is none', async () => {
    const directory = folder()
    const none = await runCommand(directory, 'check')
    expect([none.code, none.stdout.includes('deployment.toml')]).toEqual([78, true])
    expect(readdirSync(directory)).toEqual([])
    writeFileSync(join(directory, 'deployment.toml'), '[server]\nhostnam = "x"\nport = "y"\n')
    const broken = await runCommand(directory, 'check', '--json')
    expect([broken.code, JSON.parse(broken.stdout)]).toEqual([
      78,
      { ready: false, problems: [expect.stringContaining('port'), expect.stringContaining('hostnam')] },
    ])
  })

  test('it answers 1 before the first start, and makes nothing', async () => {
    const directory = folder({ 'deployment.toml': deployment(await freePort()) })
    const { stdout, code } = await runCommand(directory, 'check')
    expect([code, stdout.includes('✗ database')]).toEqual([1, true])
    expect(readdirSync(directory)).toEqual(['deployment.toml'])
  })

  test('it answers 1, then 0, beside a running server, and after it has stopped', async () => {
    const port = await freePort()
    const directory = folder({ 'deployment.toml': deployment(port) })
    server = await start(directory, port)
    const early = await runCommand(directory, 'check')
    expect(early.code).toBe(1)
    expect(early.stdout).toContain(`POST https://localhost:${port}/api/server/v1/applications`)
    await setUp(server)
    const { code, stdout } = await runCommand(directory, 'check', '--json')
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { ready: true, applications: [{ ready: true }] }])
    await server.stop()
    const files = () => readdirSync(join(directory, 'data')).sort()
    const before = [files(), readFileSync(join(directory, 'data/mayact.db'), 'base64')]
    const after = await runCommand(directory, 'check')
    expect([after.code, after.stdout.includes('✓ impersonation works here')]).toEqual([0, true])
    expect([files(), readFileSync(join(directory, 'data/mayact.db'), 'base64')]).toEqual(before)
  })
})
