/** The shell completions know what the command line knows; bash is asked by sourcing. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'

const root = new URL('..', import.meta.url).pathname
const folder = join(root, 'docs/operations/completions')
const usage = `${Bun.spawnSync([process.execPath, join(root, 'server.ts'), '--help']).stdout}`
const commands = [...new Set([...usage.matchAll(/^ {2}mayact \[?([a-z]+)/gm)].map(([, name = '']) => name))]
const options = [...new Set([...usage.matchAll(/--[a-z-]+/g)].map(([word]) => word))]

/** What bash offers behind these words. */
const offered = (...words: string[]) => {
  const code = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mayact; printf '%s\\n' "\${COMPREPLY[@]}"`
  const child = Bun.spawnSync(['bash', '-c', code, 'bash', join(folder, 'mayact.bash'), ...words], {
    cwd: folder,
  })
  expect(`${child.stderr}`).toBe('')
  return `${child.stdout}`.split('\n').filter((word) => word !== '')
}

test('bash offers every command and option, and files where there are files', () => {
  expect(commands.length).toBeGreaterThan(6)
  expect(offered('mayact', '').sort()).toEqual([...commands].sort())
  expect(offered('mayact', '--').sort()).toEqual([...options].sort())
  expect(offered('mayact', 'restore', '--fo')).toEqual(['--force'])
  expect(offered('mayact', 'restore', 'saved.db', '--keep-s')).toEqual(['--keep-sessions'])
  expect(offered('mayact', 'import', 'mayact.b')).toEqual(['mayact.bash'])
  expect(offered('mayact', 'restore', 'mayact.b')).toEqual(['mayact.bash'])
  expect(offered('mayact', 'plugins', '')).toEqual(['list', 'types', 'new', 'test'])
  expect(offered('mayact', 'keys', '')).toEqual(['list', 'rotate', 'retire'])
  expect(offered('mayact', 'audit', '')).toEqual(['verify', 'export', 'keys'])
  expect(offered('mayact', 'db', '')).toEqual(['exec'])
})

test.each(['_mayact', 'mayact.fish'])('%s names every command and option', async (file) => {
  const text = await Bun.file(join(folder, file)).text()
  for (const command of commands) expect(text).toMatch(new RegExp(`(-a |')${command}\\b`))
  for (const option of options) expect(text).toMatch(new RegExp(`(--|-l )${option.slice(2)}\\b`))
})
