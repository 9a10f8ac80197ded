/** API resources as clients look for them: filter, pages, one with its scopes. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemApis } from '../lib/directory/system-apis.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator, stateOf } from './management.ts'

const path = '/api/server/v1/api-resources'

interface List {
  readonly totalResults: number
  readonly links: readonly { readonly rel: string; readonly href: string }[]
  readonly apiResources: readonly { readonly id: string; readonly identifier: string }[]
}

for (const database of databases) {
  describe(`API resources on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const get = async (url: string): Promise<List> => {
      const response = await server.send('GET', url)
      expect(response.status).toBe(200)
      return (await response.json()) as List
    }
    const identifiers = (list: List) => list.apiResources.map(({ identifier }) => identifier)
    const linkOf = (list: List, rel: string) => list.links.find((link) => link.rel === rel)?.href

    test('the one of the seed is found and answered whole', async () => {
      const list = await get(`${path}?filter=identifier+eq+system:impersonation`)
      const [found] = list.apiResources
      const self = `/t/carbon.super${path}/${found?.id}`
      expect(list).toEqual({
        totalResults: 1,
        links: [],
        apiResources: [
          {
            id: expect.any(String),
            name: 'User Impersonation',
            identifier: 'system:impersonation',
            type: 'TENANT',
            requiresAuthorization: true,
            self,
          } as never,
        ],
      })
      const one = await server.send('GET', self)
      expect(one.status).toBe(200)
      expect((await one.json()) as unknown).toEqual({
        ...found,
        description: 'Resource representation of the User Impersonation',
        scopes: [
          {
            id: expect.any(String),
            name: 'internal_user_impersonate',
            displayName: 'User Impersonation Scope',
            description: 'Allows to impersonate another user',
          },
        ],
        authorizationDetailsTypes: [],
        subscribedApplications: [],
        properties: [],
      })
    })

    test.each([
      ['type eq ORGANIZATION', 7],
      ['type ne TENANT', 7],
      ['identifier sw /o/ and identifier ew Users', 1],
      ['name co SCIM2 and type eq TENANT', 4],
      ['name co scim2', 0],
      ['identifier eq /SCIM2/Users', 0],
      ['identifier co %', 0],
      ['identifier sw _', 0],
      ['identifier ew s', systemApis.filter(({ identifier }) => identifier.endsWith('s')).length],
      ['name eq User Impersonation and type eq TENANT', 1],
      ['type ge ORGANIZATION and type lt TENANT', 7],
      ['type gt ORGANIZATION and type le ORGANIZATION', 0],
      ['identifier gt /scim2/R and identifier le /scim2/Roles', 1],
      ['identifier ge /scim2/ro and identifier lt /scim2/ro0', 0],
      ['identifier ew a-value-that-is-longer-than-any-identifier-that-is-stored-here', 0],
    ])('filter %s', async (filter, total) => {
      const list = await get(`${path}?limit=100&filter=${encodeURIComponent(filter)}`)
      expect(list.totalResults).toBe(total)
      expect(list.apiResources).toHaveLength(total)
    })

    test('pages lead through all of them and back', async () => {
      const all = ['system:impersonation', ...systemApis.map(({ identifier }) => identifier)]
      const pages: List[] = []
      for (let url: string | undefined = path; url; url = linkOf(pages.at(-1) as List, 'next'))
        pages.push(await get(url))
      expect(pages.flatMap(identifiers)).toEqual(all)
      const lengths = pages.map((page) => page.apiResources.length)
      expect(lengths).toEqual([...lengths.slice(0, -1).map(() => 10), all.length - 10 * (lengths.length - 1)])
      expect(pages.every((page) => page.totalResults === all.length)).toBe(true)
      expect(linkOf(pages[0] as List, 'previous')).toBeUndefined()
      const back = await get(linkOf(pages[2] as List, 'previous') ?? '')
      expect(identifiers(back)).toEqual(all.slice(10, 20))
      expect(back.links.map(({ rel }) => rel)).toEqual(['previous', 'next'])
      const first = await get(linkOf(back, 'previous') ?? '')
      expect(identifiers(first)).toEqual(all.slice(0, 10))
      expect(first.links.map(({ rel }) => rel)).toEqual(['next'])
    })

    test('links are absolute and keep the filter', async () => {
      const list = await get(`${path}?limit=2&filter=type+eq+TENANT&attributes=properties`)
      expect(linkOf(list, 'next')).toStartWith(
        `https://localhost:9443${path}?limit=2&filter=type%20eq%20TENANT&attributes=properties&after=`,
      )
      expect(list.apiResources[0]).toHaveProperty('properties', [])
    })

    test.each([
      ['limit=0', '60010'],
      ['limit=-1', '60010'],
      ['limit=ten', '60010'],
      ['after=YQ==&before=YQ==', '60011'],
      ['after=%25%25', '60002'],
      ['filter=identifier', '60001'],
      ['filter=identifier+xx+y', '60001'],
      ['limit=99999999999', '60010'],
      ['filter=identifier+eq+', '60001'],
      ['filter=identifier+eq+a%00b', '60001'],
      ['filter=description+eq+x', '60007'],
      ['filter=type+eq+TENANT+and+foo+eq+x', '60007'],
      [`filter=identifier+eq+${'x'.repeat(1_000)}`, '60001'],
      ['attributes=scopes', '60013'],
    ])('it refuses %s', async (query, code) => {
      await expectRefusal(server, () => server.send('GET', `${path}?${query}`), {
        status: 400,
        code: `API-RESOURCE-${code}`,
      })
    })

    test('it refuses an unknown one, and who may not look', async () => {
      await expectRefusal(server, () => server.send('GET', `${path}/nope`), {
        status: 404,
        code: 'API-RESOURCE-60002',
        description: 'Unable to find the API resource with the id: nope in the tenant domain.',
      })
      const headers = await operator(server, 'blind', ['internal_config_view'])
      for (const url of [path, `${path}/x`])
        await expectRefusal(server, () => server.send('GET', url, undefined, headers), {
          status: 403,
          code: 403,
        })
    })

    test('looking changes nothing', async () => {
      const before = await stateOf(server)
      await get(path)
      expect(await stateOf(server)).toEqual(before)
    })
  })
}
