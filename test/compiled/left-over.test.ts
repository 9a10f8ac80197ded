/** What a killed server leaves behind of its plugins is removed by the next start, and nothing of anybody else. */
import { expect, test } from 'bun:test'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../databases.ts'
import { binary, deployment, folder, freePort } from './binary.ts'

const plugin = `import { claims } from 'mayact'\nexport default claims({ name: 'none', contribute: () => ({}) })\n`

/** A server with one plugin, whose temporary files are in `temporary`. */
const serveIn = async (temporary: string) => {
  const directory = folder({ 'deployment.toml': deployment(await freePort()) })
  mkdirSync(join(directory, 'plugins'))
  writeFileSync(join(directory, 'plugins/none.ts'), plugin)
  const child = Bun.spawn([await binary()], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? '', TMPDIR: temporary },
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: 20_000,
  })
  const { value } = await child.stdout.getReader().read()
  expect(new TextDecoder().decode(value)).toContain('mayact is ready')
  return {
    async end(signal: NodeJS.Signals) {
      child.kill(signal)
      await child.exited
    },
  }
}

test('a start removes the copies of plugins that killed servers left, and those alone', async () => {
  const temporary = temporaryDirectory()
  const here = () => readdirSync(temporary).sort()
  mkdirSync(join(temporary, 'mayact-plugins-without-a-sign'))
  mkdirSync(join(temporary, 'elsewhere'))
  symlinkSync(join(temporary, 'elsewhere'), join(temporary, 'mayact-plugins-link'))
  const others = here()
  const alive = await serveIn(temporary)
  const [ofAlive = ''] = here().filter((name) => !others.includes(name))
  const killed = await serveIn(temporary)
  const [ofKilled = ''] = here().filter((name) => ![...others, ofAlive].includes(name))
  await killed.end('SIGKILL')
  expect(here()).toEqual([...others, ofAlive, ofKilled].sort())

  const next = await serveIn(temporary)
  const [ofNext = '', ...more] = here().filter((name) => ![...others, ofAlive].includes(name))
  expect([ofNext.startsWith('mayact-plugins-'), ofNext === ofKilled, more]).toEqual([true, false, []])
  expect(here()).toEqual([...others, ofAlive, ofNext].sort())
  await next.end('SIGTERM')
  await alive.end('SIGTERM')
  expect(here()).toEqual(others)
}, 30_000)

test('a start that has no place for the copy of its plugins says which, as a misconfiguration', async () => {
  const directory = folder({ 'deployment.toml': deployment(await freePort()) })
  mkdirSync(join(directory, 'plugins'))
  writeFileSync(join(directory, 'plugins/none.ts'), plugin)
  const missing = join(directory, 'nowhere')
  const child = Bun.spawn([await binary()], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? '', TMPDIR: missing },
    stdout: 'ignore',
    stderr: 'pipe',
    timeout: 20_000,
  })
  const said = await child.stderr.text()
  expect([await child.exited, said]).toEqual([78, expect.stringContaining(missing)])
  expect(said).toContain('TMPDIR')
  expect(said).not.toContain(' at ')
})
