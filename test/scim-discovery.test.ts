/** What SCIM says of itself: for anybody, but for the schemas; and it is so. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot, origin } from './boot.ts'
import { databases } from './databases.ts'

type Body = Record<string, unknown>

const bodyOf = async (response: Response): Promise<Body> => (await response.json()) as Body

describe.each(databases)('SCIM discovery on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  const open = (path: string) => server.send('GET', `/scim2${path}`, undefined, {})

  test('anybody learns what is supported', async () => {
    const response = await open('/ServiceProviderConfig')
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/scim+json;charset=UTF-8',
    ])
    expect(await bodyOf(response)).toMatchObject({
      patch: { supported: true },
      bulk: { supported: true, maxOperations: 1_000, maxPayloadSize: 1_048_576 },
      filter: { supported: true, maxResults: 200 },
      changePassword: { supported: true },
      sort: { supported: true },
      etag: { supported: true },
      pagination: { cursor: true, index: true },
      authenticationSchemes: [
        { type: 'oauthbearertoken', primary: true },
        { type: 'httpbasic', primary: false },
      ],
    })
    const types = await open('/ResourceTypes').then(bodyOf)
    expect((types.Resources as Body[]).map(({ id, name, endpoint }) => [id, name, endpoint])).toEqual([
      ['User', 'User', '/Users'],
      ['Group', 'Group', '/Groups'],
      ['RoleV2', 'Role', '/v2/Roles'],
    ])
    for (const type of types.Resources as Body[]) {
      const { location } = type.meta as { location: string }
      expect(location).toStartWith(origin)
      const one = await open(new URL(location).pathname.replace('/scim2', ''))
      expect([one.status, await bodyOf(one)]).toEqual([200, type])
      expect((await server.send('GET', `/scim2${type.endpoint}`)).status).toBe(200)
    }
    expect((await open('/ResourceTypes/nothing')).status).toBe(404)
    expect((await open('/ResourceTypes?filter=id eq "User"')).status).toBe(403)
  })

  test('who is signed in reads the schemas, and each attribute is what it is said to be', async () => {
    expect((await open('/Schemas')).status).toBe(401)
    const list = await server.send('GET', '/scim2/Schemas').then(bodyOf)
    const schemas = list.Resources as (Body & { id: string; attributes: Body[] })[]
    expect(schemas.map(({ id }) => id)).toEqual([
      'urn:ietf:params:scim:schemas:core:2.0:User',
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
      'urn:scim:wso2:schema',
      'urn:scim:schemas:extension:custom:User',
      'urn:ietf:params:scim:schemas:core:2.0:Group',
      'urn:ietf:params:scim:schemas:extension:2.0:Role',
    ])
    const find = (index: number, name: string) => schemas[index]?.attributes.find((one) => one.name === name)
    expect(find(0, 'userName')).toMatchObject({
      required: true,
      uniqueness: 'server',
      mutability: 'immutable',
    })
    expect(find(0, 'password')).toMatchObject({ mutability: 'writeOnly', returned: 'never', caseExact: true })
    expect(find(0, 'groups')).toMatchObject({ mutability: 'readOnly', multiValued: true, type: 'complex' })
    expect(find(0, 'active')).toMatchObject({ type: 'boolean' })
    expect(find(0, 'id')).toBeUndefined()
    expect(find(2, 'accountLocked')).toMatchObject({ type: 'boolean', mutability: 'readWrite' })
    expect(find(4, 'members')).toMatchObject({ type: 'complex', multiValued: true })
    expect(find(5, 'audience')).toMatchObject({ mutability: 'immutable' })
    for (const schema of schemas) {
      const one = await server.send('GET', `/scim2/Schemas/${schema.id}`)
      expect([one.status, await bodyOf(one)]).toEqual([200, schema])
    }
    expect((await server.send('GET', '/scim2/Schemas/urn:nothing')).status).toBe(404)
  })

  test('roles of the first version are not there', async () => {
    expect((await server.send('GET', '/scim2/Roles')).status).toBe(501)
    expect((await server.send('GET', '/scim2/v3/Roles')).status).toBe(404)
  })
})
