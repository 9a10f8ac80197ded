/** Bodies and methods that no API of ours takes: each answers in its own shape, and nothing happens. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { admin, type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { nothingElse } from './nothing-else.ts'

const limit = 65_536
const bytes = (text: string) => new TextEncoder().encode(text)

/** A body whose length nobody says. */
const streamed = (size: number) => {
  const chunk = bytes(' '.repeat(16_384))
  let sent = 0
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent >= size) return controller.close()
      sent += chunk.byteLength
      controller.enqueue(chunk)
    },
  })
}

const places = [
  { method: 'POST', path: '/api/server/v1/applications', type: 'application/json' },
  { method: 'POST', path: '/api/server/v1/api-resources', type: 'application/json' },
  { method: 'POST', path: '/api/server/v1/oidc/scopes', type: 'application/json' },
  { method: 'POST', path: '/api/identity/config-mgt/v1.0/resource-type', type: 'application/json' },
  { method: 'PATCH', path: '/api/server/v1/configs/impersonation', type: 'application/json' },
  { method: 'POST', path: '/scim2/Users', type: 'application/scim+json' },
  { method: 'PATCH', path: '/scim2/Me', type: 'application/scim+json' },
  { method: 'POST', path: '/scim2/Users/.search', type: 'application/scim+json' },
  { method: 'POST', path: '/scim2/Groups', type: 'application/scim+json' },
  { method: 'POST', path: '/scim2/v2/Roles', type: 'application/scim+json' },
  { method: 'POST', path: '/scim2/Bulk', type: 'application/scim+json' },
] as const

type RequestBody = NonNullable<RequestInit['body']>

const bodies: readonly (readonly [string, number, () => RequestBody])[] = [
  ['nothing', 400, () => ''],
  ['no JSON', 400, () => '{"name":'],
  ['what is not UTF-8', 400, () => bytes('{"name":"\xff"}').fill(0xff, 9, 10)],
  ['a NUL', 400, () => '{"name":"\\u0000"}'],
  ['half a surrogate', 400, () => '{"name":"\\ud800"}'],
  ['a prototype', 400, () => '{"name":{"__proto__":{}}}'],
  ['a number without end', 400, () => '{"name":1e999}'],
  ['brackets without end', 400, () => '['.repeat(60_000)],
  ['deep objects', 400, () => `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`],
  ['no object', 400, () => '"text"'],
  ['10 MB', 413, () => bytes(' '.repeat(10_000_000))],
  ['10 MB in pieces', 413, () => streamed(10_000_000)],
]

describe.each(databases)('bad input on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database, { toml: '' })
  })
  afterAll(() => server.stop())

  const expectShape = async (path: string, response: Response) => {
    const body = (await response.json()) as Record<string, unknown>
    if (path.startsWith('/scim2')) {
      expect(body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error'])
      expect(String(body.status)).toBe(String(response.status))
    } else {
      expect(body).toMatchObject({ code: expect.anything(), message: expect.any(String) })
      expect(body.traceId).toBe(response.headers.get('activityid'))
    }
  }

  test.each(places)('$method $path refuses it in its own words', async ({ method, path, type }) => {
    await nothingElse(server.db, {}, async () => {
      for (const [title, status, body] of bodies) {
        const headers = { Authorization: admin, 'Content-Type': type }
        const response = await server.request(path, { method, headers, body: body() })
        expect({ title, status: response.status }).toEqual({ title, status })
        await expectShape(path, response)
      }
    })
  })

  test('a path has its methods: another one is told which, and a stranger hears nothing', async () => {
    const cases = [
      ['/api/server/v1/applications', 'GET, POST'],
      ['/t/carbon.super/api/server/v1/applications', 'GET, POST'],
      ['/api/server/v1/applications/x/owner', 'PUT'],
      ['/api/openapi.json', 'GET'],
      ['/api/docs', 'GET'],
      ['/scim2/Users', 'GET, POST'],
      ['/scim2/Users/.search', 'POST'],
      ['/scim2/Bulk', 'POST'],
      ['/scim2/ServiceProviderConfig', 'GET'],
      ['/scim2/Schemas/x', 'GET'],
    ] as const
    await nothingElse(server.db, {}, async () => {
      for (const [path, allowed] of cases) {
        const response = await server.request(path, { method: 'TRACE', headers: { Authorization: admin } })
        const had = (response.headers.get('allow') ?? '').split(', ')
        expect({ path, status: response.status }).toEqual({ path, status: 405 })
        for (const method of allowed.split(', ')) expect(had).toContain(method)
        expect(had).not.toContain('TRACE')
        await expectShape(path.replace('/t/carbon.super', ''), response)
        const stranger = await server.request(path, { method: 'TRACE' })
        expect({ path, status: stranger.status }).toEqual({ path, status: 401 })
        expect(stranger.headers.get('allow')).toBeNull()
      }
      for (const path of ['/api/no/such', '/scim2/NoSuch', '/api', '/scim2']) {
        const response = await server.request(path, { headers: { Authorization: admin } })
        expect({ path, status: response.status }).toEqual({ path, status: 404 })
      }
    })
  })

  test('HEAD answers as GET does, without the body', async () => {
    for (const path of ['/api/server/v1/applications', '/scim2/Users', '/scim2/Me', '/api/openapi.json']) {
      const [head, get] = await Promise.all(
        ['HEAD', 'GET'].map((method) => server.request(path, { method, headers: { Authorization: admin } })),
      )
      expect({ path, status: head?.status }).toEqual({ path, status: 200 })
      expect(head?.headers.get('content-type')).toBe(get?.headers.get('content-type') ?? '')
      expect(await head?.text()).toBe('')
    }
  })
})

test('[server] max_body_size is what a body may have, and what Bulk announces', async () => {
  const [database] = databases
  if (!database) throw new Error('no database')
  const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()
  const toml = shipped.replace('[server]\n', `[server]\nmax_body_size = ${limit}\n`)
  const server = await boot(database, { insteadOfShipped: toml })
  try {
    const config = await server.send('GET', '/scim2/ServiceProviderConfig')
    expect(await config.json()).toMatchObject({ bulk: { maxPayloadSize: limit } })
    for (const { method, path, type } of places) {
      const ask = (body: string) =>
        server.request(path, { method, headers: { Authorization: admin, 'Content-Type': type }, body })
      expect({ path, status: (await ask(' '.repeat(limit))).status }).toEqual({ path, status: 400 })
      expect({ path, status: (await ask(' '.repeat(limit + 1))).status }).toEqual({ path, status: 413 })
    }
  } finally {
    await server.stop()
  }
})
