/** `mayact demo` whose mail cannot be written: it plays to the end, names what is missing, and answers 1. */
import { expect, test } from 'bun:test'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../databases.ts'
import { binary, folder } from './binary.ts'

test('a result that is not that of the samples is shown and answered with 1', async () => {
  const temporary = temporaryDirectory()
  const child = Bun.spawn([await binary(), 'demo'], {
    cwd: folder(),
    env: { TMPDIR: temporary },
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 40_000,
  })
  let name: string | undefined
  while (name === undefined && child.exitCode === null) {
    await Bun.sleep(1)
    name = readdirSync(temporary).find((one) => one.startsWith('mayact-demo-'))
  }
  // long before there is mail, a file takes the place of its folder
  const data = join(temporary, name ?? '', 'data')
  mkdirSync(data, { recursive: true, mode: 0o700 })
  writeFileSync(join(data, 'outbox'), '')
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  expect([await child.exited, stderr]).toEqual([1, ''])
  const differs = stdout.split('\n').filter((line) => line.includes('✗'))
  expect(differs.map((line) => line.trim())).toEqual([
    '✗ to the impersonated user',
    '✗ subject',
    '✗ greeting',
    '✗ names the account testuser',
    '✗ names the impersonator Impersonator',
    '✗ says when',
    expect.stringMatching(/^✗ 6 of \d+ comparisons do not hold/),
  ])
  // what has nothing to do with the mail holds
  expect(stdout).toContain('✓ may_act')
  expect(readdirSync(temporary).filter((one) => one.startsWith('mayact-demo-'))).toEqual([])
}, 60_000)
