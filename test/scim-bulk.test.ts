/** `/scim2/Bulk`: references between operations, one judgement and one audit row each, and its limits. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { administratorRole } from '../lib/directory/permissions.ts'
import { type Booted, basic, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { account, role } from './fixtures.ts'
import { operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

type Body = Record<string, unknown>
interface Result {
  readonly bulkId?: string
  readonly method: string
  readonly location?: string
  readonly version?: string
  readonly status: { readonly code: number }
  readonly response?: Body
}

const bulk = (Operations: readonly unknown[], failOnErrors?: number) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
  ...(failOnErrors === undefined ? {} : { failOnErrors }),
  Operations,
})

describe.each(databases)('/scim2/Bulk on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  const send = async (
    operations: readonly unknown[],
    failOnErrors?: number,
    headers?: Record<string, string>,
  ) => {
    const response = await server.send('POST', '/scim2/Bulk', bulk(operations, failOnErrors), headers)
    expect(response.status).toBe(200)
    const body = (await response.json()) as { schemas: string[]; Operations: Result[] }
    expect(body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:BulkResponse'])
    return body.Operations
  }
  const codes = (results: readonly Result[]) => results.map(({ status }) => status.code)
  const user = (bulkId: string, userName: string) => ({
    method: 'POST',
    path: '/Users',
    bulkId,
    data: { userName, password: 'Password@123' },
  })

  test('what an operation makes is known to the others, wherever they stand', async () => {
    const before = (await server.audit()).length
    const results = await send([
      {
        method: 'POST',
        path: '/Groups',
        bulkId: 'g',
        data: { displayName: 'Bulk', members: [{ value: 'bulkId:u' }] },
      },
      user('u', 'bulk-user'),
      {
        method: 'POST',
        path: '/v2/Roles',
        bulkId: 'r',
        data: { displayName: 'Bulk', groups: [{ value: 'bulkId:g' }] },
      },
      {
        method: 'PATCH',
        path: '/Groups/bulkId:g',
        data: { Operations: [{ op: 'remove', path: 'members[value eq "bulkId:u"]' }] },
      },
      { method: 'DELETE', path: '/v2/Roles/bulkId:r' },
    ])
    expect(codes(results)).toEqual([201, 201, 201, 200, 204])
    expect(results.map(({ bulkId }) => bulkId)).toEqual(['g', 'u', 'r', undefined, undefined])
    for (const { location } of results) expect(location).toStartWith(`${origin}/scim2/`)
    expect(results[0]?.version).toBe('W/"1"')
    const group = await server.send('GET', new URL(results[0]?.location ?? '').pathname)
    expect(await group.json()).toMatchObject({ displayName: 'Bulk', members: [] })
    expect((await server.audit()).slice(before).map(({ event }) => event)).toEqual([
      'user-created',
      'group-created',
      'role-created',
      'group-updated',
      'role-deleted',
    ])
  })

  test('an error stops nothing, or everything after so many', async () => {
    const wrong = (bulkId: string) => ({ ...user(bulkId, 'x'), data: { userName: 'x' } })
    const tolerant = await send([wrong('a'), user('b', 'bulk-b'), user('c', 'bulk-b')])
    expect(codes(tolerant)).toEqual([400, 201, 409])
    expect(tolerant[0]?.response).toMatchObject({ scimType: 'invalidValue', status: '400' })
    const strict = await send([user('a', 'bulk-d'), wrong('b'), user('c', 'bulk-e')], 1)
    expect(codes(strict)).toEqual([201, 400])
    const missing = await send([wrong('u'), { method: 'DELETE', path: '/Users/bulkId:u' }])
    expect(codes(missing)).toEqual([400, 400])
    const unknown = await send([{ method: 'DELETE', path: '/Users/bulkId:nobody' }])
    expect(codes(unknown)).toEqual([400])
  })

  test('operations that refer to each other in a circle are refused', async () => {
    const group = (bulkId: string, other: string) => ({
      method: 'POST',
      path: '/Groups',
      bulkId,
      data: { displayName: bulkId, members: [{ value: `bulkId:${other}` }] },
    })
    const { result } = await nothingElse(server.db, {}, () =>
      send([group('one', 'two'), group('two', 'one'), group('three', 'one'), group('self', 'self')]),
    )
    expect(codes(result)).toEqual([409, 409, 409, 409])
  })

  test('each operation needs the permission of its own route, and hands out nothing the caller does not hold', async () => {
    const id = await account(server.db, { userName: 'bulk-climber', password: 'Password@123' })
    await role(server.db, {
      name: 'Bulk and roles',
      permissions: ['internal_bulk_resource_create', 'internal_role_mgt_update'],
      users: [id],
    })
    const headers = { Authorization: basic('bulk-climber', 'Password@123') }
    const { result } = await nothingElse(server.db, {}, () =>
      send(
        [
          user('u', 'bulk-refused'),
          { method: 'POST', path: '/Groups', bulkId: 'g', data: { displayName: 'Refused' } },
          { method: 'DELETE', path: `/Users/${id}` },
          {
            method: 'PATCH',
            path: `/v2/Roles/${administratorRole.id}`,
            data: { Operations: [{ op: 'add', path: 'users', value: [{ value: id }] }] },
          },
        ],
        undefined,
        headers,
      ),
    )
    expect(codes(result)).toEqual([403, 403, 403, 403])
    const nobody = await operator(server, 'bulk-nobody', [])
    const refused = await server.send('POST', '/scim2/Bulk', bulk([user('u', 'bulk-x')]), nobody)
    expect(refused.status).toBe(403)
    expect((await server.send('POST', '/scim2/Bulk', bulk([]), {})).status).toBe(401)
  })

  test('a stale version is 412; a path that is no resource is 404', async () => {
    const [made] = await send([
      { method: 'POST', path: '/Groups', bulkId: 'g', data: { displayName: 'Versioned' } },
    ])
    const path = new URL(made?.location ?? '').pathname.replace('/scim2', '')
    const { result } = await nothingElse(server.db, {}, () =>
      send([
        { method: 'DELETE', path, version: 'W/"9"' },
        { method: 'PUT', path: '/Users', data: {} },
        { method: 'POST', path: '/Bulk', bulkId: 'b', data: {} },
        { method: 'POST', path: '/Users/.search', bulkId: 's', data: {} },
        { method: 'DELETE', path: '/Groups/../Users' },
      ]),
    )
    expect(codes(result)).toEqual([412, 404, 404, 404, 404])
    expect(codes(await send([{ method: 'DELETE', path, version: 'W/"1"' }]))).toEqual([204])
  })

  test.each(['/Users/..', '/Users/.', '/Groups/..', '/v2/Roles/.'])(
    'DELETE of %s is a 404 of its own, and the rest is done',
    async (path) => {
      const name = `behind ${path.replaceAll('/', ' ')}`
      const results = await send([
        { method: 'DELETE', path },
        { method: 'POST', path: '/Groups', bulkId: 'g', data: { displayName: name } },
      ])
      expect(codes(results)).toEqual([404, 201])
    },
  )

  test('it refuses what is no Bulk request, or too much of one', async () => {
    const operation = user('u', 'bulk-never')
    const many = Array.from({ length: 1_001 }, (_, index) => user(`u${index}`, `bulk-never-${index}`))
    const cases: readonly (readonly [unknown, number])[] = [
      [{}, 400],
      [bulk([]), 400],
      [bulk(['x']), 400],
      [bulk([{ ...operation, method: 'GET' }]), 400],
      [bulk([{ ...operation, bulkId: undefined }]), 400],
      [bulk([{ ...operation, data: undefined }]), 400],
      [bulk([{ ...operation, path: 'https://elsewhere.example/Users' }]), 400],
      [bulk([operation, operation]), 400],
      [{ ...bulk([operation]), schemas: ['x'] }, 400],
      [{ ...bulk([operation]), failOnErrors: 'x' }, 400],
      [bulk(many), 413],
      [{ ...bulk([operation]), padding: 'x'.repeat(1_048_576) }, 413],
    ]
    for (const [body, status] of cases) {
      const { result } = await nothingElse(server.db, {}, () => server.send('POST', '/scim2/Bulk', body))
      expect([JSON.stringify(body).slice(0, 200), result.status]).toEqual([
        JSON.stringify(body).slice(0, 200),
        status,
      ])
    }
  })
})
