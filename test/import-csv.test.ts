/** CSV as an import reads it: RFC 4180, in pieces of any size, and what is malformed costs its first line only. */
import { expect, test } from 'bun:test'
import { recordsOf } from '../lib/commands/import/csv.ts'
import { linesOf } from '../lib/commands/import/lines.ts'

const read = async (text: string | Uint8Array, size = 65_536) => {
  const bytes = Buffer.from(text)
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  const records: (readonly [number, readonly string[] | string])[] = []
  for await (const { line, fields } of recordsOf(linesOf(chunks()))) {
    records.push([line, 'problem' in fields ? fields.problem : fields])
  }
  return records
}

const text = [
  '\ufeffa,b\r\n',
  '"x\ny",2\n',
  '\n',
  '5" nail,1\n',
  '"open,3\n',
  'c,d\n',
  '"q"x,1\n',
  'e,"""f"""\n',
  ',\n',
  '"last,1',
].join('')

test.each([1, 2, 3, 7, 65_536])('records, quotes and line breaks, in pieces of %i bytes', async (size) => {
  expect(await read(text, size)).toEqual([
    [1, ['a', 'b']],
    [2, ['x\ny', '2']],
    [5, 'A quote stands in a field that does not begin with one.'],
    [6, 'Something stands behind a closing quote.'],
    [7, ['c', 'd']],
    [8, 'Something stands behind a closing quote.'],
    [9, ['e', '"f"']],
    [10, ['', '']],
    [11, 'A quote is never closed.'],
  ])
})

test('a stray quote does not swallow a long file, nor takes it long', async () => {
  const records = await read(`"open\n${'c,d\n'.repeat(100_000)}`)
  expect(records).toHaveLength(100_001)
  expect(records.slice(0, 2)).toEqual([
    [1, 'A record may have 262144 bytes.'],
    [2, ['c', 'd']],
  ])
})

test.each([
  ['escaped quotes', '""'],
  ['the end of a field and the begin of another', '","'],
])('a field over many lines of %s is read once', async (_, line) => {
  const lines = `${line}\n`.repeat(60_000)
  const began = performance.now()
  expect(await read(`a,b\n"${lines}`)).toHaveLength(60_001)
  const [[, fields] = []] = await read(`"${lines}"`)
  expect(fields?.length).toBe(line === '""' ? 1 : 60_001)
  expect(performance.now() - began).toBeLessThan(10_000)
})

test('a line that is no UTF-8 or too long is one line', async () => {
  const bytes = Buffer.concat([Buffer.from([0xff, 0x0a]), Buffer.from(`${'x'.repeat(2_000_000)}\nc,d\n`)])
  expect(await read(bytes)).toEqual([
    [1, 'It is not UTF-8.'],
    [2, 'A record may have 262144 bytes.'],
    [3, ['c', 'd']],
  ])
})
