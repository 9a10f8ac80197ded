/** docs/security.md names tests: each of them has to be there. */
import { expect, test } from 'bun:test'
import { Glob } from 'bun'

const root = new URL('..', import.meta.url).pathname

test('every test that docs/security.md names exists', async () => {
  const document = await Bun.file(`${root}docs/security.md`).text()
  const table = document.split('\n').filter((line) => /^\| \d+ \|/.test(line))
  expect(table).toHaveLength(16)
  const named = table.flatMap((line) =>
    [...(line.split('|')[3] ?? '').matchAll(/`([^`]+)`/g)].map(([, title = '']) => title),
  )
  expect(named.length).toBeGreaterThan(30)
  let tests = ''
  for await (const file of new Glob('test/**/*.test.ts').scan(root))
    tests += `${file}\n${await Bun.file(root + file).text()}`
  expect(named.filter((title) => !tests.includes(title))).toEqual([])
})
