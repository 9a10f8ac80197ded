/** The commands in the documents work: `sh` blocks are run, `console` blocks are parsed. */
import { describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { binary, deployment, folder, freePort, type Running, start } from './compiled/binary.ts'
import { temporaryDirectory } from './databases.ts'
import { blocksOf, root } from './markdown.ts'

/** A folder with the binary under the name that documents call it by. */
const path = async () => {
  const place = join(temporaryDirectory(), 'bin')
  mkdirSync(place)
  symlinkSync(await binary(), join(place, 'mayact'))
  return `${place}:${dirname(process.execPath)}:${process.env.PATH ?? ''}`
}

const bash = async (text: string, cwd: string, ...options: string[]) => {
  const child = Bun.spawn(['bash', ...options, '-c', text], {
    cwd,
    env: { PATH: await path(), HOME: process.env.HOME ?? '' },
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 45_000,
  })
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, output: stdout + stderr }
}

/**
 * CONTRIBUTING is about this folder, operations about one where mayact is deployed. The README is pasted into a clean
 * copy of the repository, by test/readme.test.ts.
 */
const runHere = [
  { name: 'docs/operations.md', inRepository: false },
  { name: 'docs/import.md', inRepository: false },
  { name: 'CONTRIBUTING.md', inRepository: true },
]

test.each(runHere)(
  '$name: every shell block that can be run does run',
  async ({ name, inRepository }) => {
    const blocks = (await blocksOf(name)).filter(({ kind }) => kind === 'sh')
    const port = await freePort()
    const directory = inRepository ? root : folder({ 'deployment.toml': deployment(port) })
    const script = blocks.map(({ text }) => text.replaceAll('localhost:9443', `localhost:${port}`)).join('\n')
    let server: Running | undefined
    if (script.includes(`localhost:${port}`)) server = await start(directory, port)
    try {
      const { code, output } = await bash(script, directory, '-euo', 'pipefail')
      expect([code, code === 0 ? '' : output]).toEqual([0, ''])
    } finally {
      await server?.stop()
    }
  },
  60_000,
)

describe.each([{ name: 'README.md' }, { name: 'docs/webhooks.md' }, ...runHere])('$name', ({ name }) => {
  test('every other shell block is at least one', async () => {
    for (const { kind, text } of await blocksOf(name)) {
      if (kind !== 'console') continue
      expect([text, await bash(text.replaceAll(/^\$ /gm, ''), root, '-n')]).toEqual([
        text,
        { code: 0, output: '' },
      ])
    }
  })

  test('every file that it links to is there', async () => {
    const text = await Bun.file(join(root, name)).text()
    const links = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, link = '']) => link)
    expect(links.filter((link) => !existsSync(join(root, dirname(name), link)))).toEqual([])
  })
})

test('the completions know every command', async () => {
  const run = await Bun.file(join(root, 'lib/commands/run.ts')).text()
  const table = /const commands.*= \{\n([\s\S]*?)\n\}/.exec(run)?.[1] ?? ''
  const commands = [...table.matchAll(/^ {2}'?(\w+)[\w ]*'?:/gm)].map(([, command = '']) => command)
  expect(commands).toContain('backup')
  for (const file of ['mayact.bash', '_mayact', 'mayact.fish']) {
    const text = await Bun.file(join(root, 'docs/operations/completions', file)).text()
    expect([file, commands.filter((command) => !text.includes(command))]).toEqual([file, []])
  }
  const completed = await bash(
    `source docs/operations/completions/mayact.bash; COMP_WORDS=(mayact re) COMP_CWORD=1; _mayact; echo "\${COMPREPLY[*]}"`,
    root,
  )
  expect(completed).toEqual({ code: 0, output: 'restore\n' })
})
