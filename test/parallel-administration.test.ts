/** Many who administer at once, through several servers on one database: nobody is turned away, and nothing is lost. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { admin, type Booted, basic, boot } from './boot.ts'
import { databases } from './databases.ts'
import { account } from './fixtures.ts'
import { operator } from './management.ts'

const times = <T>(n: number, work: (at: number) => T): T[] => Array.from({ length: n }, (_, at) => work(at))

describe.each(databases)('at the same time on $name', (database) => {
  let server: Booted
  /** Another server on the same database. */
  let second: Booted

  beforeAll(async () => {
    server = await boot(database)
    second = await boot(database, { beside: server })
  })
  afterAll(async () => {
    await second.stop()
    await server.stop()
  })

  test('20 administrative changes at each of two servers all arrive', async () => {
    const create = async (of: Booted, name: string) => {
      const body = { name, identifier: name, scopes: [{ name: `${name}-scope` }] }
      const response = await of.send('POST', '/api/server/v1/api-resources', body)
      return response.status
    }
    const asked = [server, second].flatMap((of, at) => times(20, (n) => create(of, `api-${at}-${n}`)))
    expect(new Set(await Promise.all(asked))).toEqual(new Set([201]))
    const found = await server.send('GET', '/api/server/v1/api-resources?limit=100&filter=name+sw+api-')
    const { apiResources } = (await found.json()) as { apiResources: unknown[] }
    expect(apiResources).toHaveLength(40)
    const rows = (await server.audit()).filter(({ event }) => event === 'api-resource-created')
    expect(rows).toHaveLength(40)
  })

  test('a Bulk that others overtake comes through, too', async () => {
    const roles = (of: Booted, name: string) =>
      of.request('/scim2/Bulk', {
        method: 'POST',
        headers: { Authorization: admin, 'Content-Type': 'application/scim+json' },
        body: JSON.stringify({
          schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
          Operations: times(5, (n) => ({
            method: 'POST',
            path: '/v2/Roles',
            bulkId: `r${n}`,
            data: { displayName: `${name}-${n}` },
          })),
        }),
      })
    const asked = [server, second].flatMap((of, at) => times(4, (n) => roles(of, `bulk-${at}-${n}`)))
    const statuses: number[] = []
    for (const response of await Promise.all(asked)) {
      const { Operations } = (await response.json()) as { Operations: { status: { code: number } }[] }
      statuses.push(...Operations.map(({ status }) => status.code))
    }
    expect(statuses).toEqual(times(40, () => 201))
  })

  test('100 calls by Basic that nobody has seen yet: one hashes, all are let in, and later ones cost nothing', async () => {
    const headers = await operator(server, 'crowd', ['internal_user_mgt_list'])
    const call = async () => (await server.request('/scim2/Users?count=0', { headers })).status
    const began = performance.now()
    expect(new Set(await Promise.all(times(100, call)))).toEqual(new Set([200]))
    const first = performance.now() - began
    const then = performance.now()
    for (let n = 0; n < 100; n += 1) expect(await call()).toBe(200)
    // a hash alone is most of the first
    expect(performance.now() - then).toBeLessThan(Math.max(10 * first, 2_000))
  })

  test('of a wrong password each attempt counts', async () => {
    const userName = 'Guessed'
    await account(server.db, { userName, password: 'Right@123' })
    const wrong = { Authorization: basic(userName, 'Wrong@123') }
    const call = async () => (await server.request('/scim2/Me', { headers: wrong })).status
    expect(new Set(await Promise.all(times(4, call)))).toEqual(new Set([401]))
    const failed = (await server.audit()).filter(
      ({ event, initiator }) => event === 'login-failed' && initiator,
    )
    expect(failed).toHaveLength(4)
  })
})
