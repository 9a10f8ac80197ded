/** `If-Match` at every route that heeds it, by the list of the document: what changed since it was read is not written over. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { type At, call, made, type Resource, store, table } from './editions.ts'
import { stateOf } from './management.ts'
import { nothingElse } from './nothing-else.ts'
import { seedType } from './scenario.ts'

/** What names no edition at all, or another one. */
const foreign = ['garbage', '"', '""', 'W/"', ',', '"a", W/"b"', "'*'", '**', 'w/"1"']

describe.each(databases)('If-Match on $name', (database) => {
  let server: Booted
  let count = 0
  beforeAll(async () => {
    server = await boot(database)
    await made(server, `${store}/resource-type`, seedType)
  })
  afterAll(() => server.stop())

  const tagOf = async ({ read }: Resource, at: At): Promise<string> => {
    const response = await call(server, 'GET', read, at, undefined)
    const tag = response.headers.get('etag') ?? ''
    expect([read, response.status, tag]).toEqual([read, 200, expect.stringMatching(/^W\/".+"$/)])
    return tag
  }
  const rows = async () => (await stateOf(server)).audit ?? 0
  /** By every row on one database; on the other, where that takes its time, by how many there are. */
  const nothing = async (work: () => Promise<void>) => {
    if (database.name === 'SQLite') return nothingElse(server.db, {}, work)
    const before = await stateOf(server)
    await work()
    return expect(await stateOf(server)).toEqual(before)
  }
  const make = async (resource: Resource) => {
    count += 1
    const at = await resource.make(server, `Tagged-${count}`)
    return { at, tag: await tagOf(resource, at) }
  }

  test.each(table)('$name, read at $read', async ({ name, body, resource }) => {
    const [method = '', path = ''] = name.split(' ')
    const sent = (at: At, match: string) => call(server, method, path, at, body, match)
    const { at, tag } = await make(resource)
    for (const [method, path, other] of resource.touch) {
      const touched = await call(server, method, path, at, other)
      expect([path, touched.status < 300 ? 'touched' : await touched.text()]).toEqual([path, 'touched'])
    }
    const current = await tagOf(resource, at)
    expect(current).not.toBe(tag)
    await nothing(async () => {
      for (const match of [tag, tag.slice(2), `${tag}, "other"`, ...foreign]) {
        const response = await sent(at, match)
        const problem = (await response.json()) as Record<string, unknown>
        const code = path.startsWith('/scim2') ? { status: '412' } : { code: 'UE-10012' }
        expect([match, response.status, problem]).toEqual([match, 412, expect.objectContaining(code)])
      }
    })
    expect(await tagOf(resource, at)).toBe(current)
    const forms = [
      (known: string) => known,
      (known: string) => known.slice(2),
      (known: string) => `"other", ${known}`,
      () => '*',
    ]
    // how a header is read has nothing to do with the database
    const tried = database.name === 'SQLite' ? forms : forms.slice(0, 1)
    for (const [n, form] of tried.entries()) {
      const one = n === 0 ? { at, tag: current } : await make(resource)
      const known = await rows()
      const result = await sent(one.at, form(one.tag))
      expect([form(one.tag), result.status < 300 ? 'done' : await result.text()]).toEqual([
        form(one.tag),
        'done',
      ])
      expect(await rows()).toBe(known + 1)
    }
  })

  test('there is no other route that heeds it', async () => {
    const response = await server.send('GET', '/api/openapi.json')
    const { paths } = (await response.json()) as {
      paths: Record<string, Record<string, { parameters?: { name: string }[] }>>
    }
    const heeding = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { parameters = [] }]) =>
        parameters.some(({ name }) => name === 'If-Match') ? [`${method.toUpperCase()} ${path}`] : [],
      ),
    )
    expect([...new Set(table.map(({ name }) => name))].sort()).toEqual(heeding.sort())
  })
})
