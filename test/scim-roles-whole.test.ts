/** `/scim2/v2/Roles`: replacing, deleting, searching, editions, and roles of groups. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { findPeople } from '../lib/directory/people.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { admin, type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { account } from './fixtures.ts'
import { operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

type Body = Record<string, unknown>

const bodyOf = async (response: Response): Promise<Body> => (await response.json()) as Body
const values = (list: unknown) => (list as { value: string }[]).map(({ value }) => value)
const path = (id: unknown) => `/scim2/v2/Roles/${id}`
const patchOp = (...Operations: readonly Body[]) => ({ Operations })

describe.each(databases)('/scim2/v2/Roles as a whole on $name', (database) => {
  let server: Booted
  let userId: string
  let groupId: string
  beforeAll(async () => {
    server = await boot(database)
    userId = await account(server.db, { userName: 'role-user' })
    const group = await server.send('POST', '/scim2/Groups', { displayName: 'Role group' })
    groupId = String((await bodyOf(group)).id)
  })
  afterAll(() => server.stop())

  const made = async (body: Body): Promise<string> => {
    const response = await server.send('POST', '/scim2/v2/Roles', body)
    expect(response.status).toBe(201)
    return String((await bodyOf(response)).id)
  }
  const refused = async (request: () => Promise<Response>, status: number, scimType?: string) => {
    const { result } = await nothingElse(server.db, {}, request)
    expect({ status: result.status, scimType: (await bodyOf(result)).scimType }).toEqual({ status, scimType })
  }

  test('a role is replaced whole, and deleted with all that hangs on it', async () => {
    const id = await made({
      displayName: 'Whole',
      users: [{ value: userId }],
      groups: [{ value: groupId }],
      permissions: [{ value: 'internal_user_mgt_list' }],
    })
    const group = await server.send('GET', `/scim2/Groups/${groupId}`).then(bodyOf)
    expect(values(group.roles)).toEqual([id])
    const replaced = await server.send('PUT', path(id), {
      displayName: 'Whole again',
      groups: [{ value: groupId }],
      permissions: [{ value: 'internal_user_mgt_view' }],
    })
    const body = await bodyOf(replaced)
    expect([replaced.status, replaced.headers.get('etag'), body.displayName]).toEqual([
      200,
      'W/"2"',
      'Whole again',
    ])
    expect([values(body.users), values(body.groups), values(body.permissions)]).toEqual([
      [],
      [groupId],
      ['internal_user_mgt_view'],
    ])
    const { result, changes } = await nothingElse(
      server.db,
      {
        role: { removed: 1 },
        role_permission: { removed: 1 },
        group_role: { removed: 1 },
        user_group: { changed: 1 },
        population: { added: 1, removed: 1 },
        revision: { changed: 1 },
        audit: { added: 1 },
      },
      () => server.send('DELETE', path(id)),
    )
    expect([result.status, await result.text()]).toEqual([204, ''])
    expect(changes.added.audit).toMatchObject([{ event: 'role-deleted', target: id }])
    await refused(() => server.send('GET', path(id)), 404)
  })

  test('rules and claims see the roles of groups, too, each once', async () => {
    const id = await made({
      displayName: 'Seen by rules',
      users: [{ value: userId }],
      groups: [{ value: groupId }],
    })
    const member = await account(server.db, { userName: 'role-member' })
    const join = patchOp({ op: 'add', path: 'members', value: [{ value: member }, { value: userId }] })
    expect((await server.send('PATCH', `/scim2/Groups/${groupId}`, join)).status).toBe(200)
    const people = await findPeople(server.db, [member, userId])
    for (const one of [member, userId]) {
      expect(people.get(one)?.roles).toEqual([{ id, name: 'Seen by rules' }])
    }
    expect((await server.send('DELETE', path(id))).status).toBe(204)
    expect((await findPeople(server.db, [member])).get(member)?.roles).toEqual([])
  })

  test('a group and a role have new tags when the other, whom they show, is made, renamed or deleted', async () => {
    const tagOf = async (at: string) => {
      const response = await server.send('GET', at)
      const { meta } = (await bodyOf(response)) as { meta: { version: string } }
      expect(response.headers.get('etag')).toBe(meta.version)
      return meta.version
    }
    const response = await server.send('POST', '/scim2/Groups', { displayName: 'Tagged group' })
    const group = `/scim2/Groups/${(await bodyOf(response)).id}`
    const changed = async (at: string, request: () => Promise<Response>) => {
      const before = await tagOf(at)
      expect((await request()).status).toBeLessThan(300)
      expect(await tagOf(at)).not.toBe(before)
      const stale = { Authorization: admin, 'If-None-Match': before }
      expect((await server.send('GET', at, undefined, stale)).status).toBe(200)
    }
    const [, , , value] = group.split('/')
    const roles: string[] = []
    await changed(group, async () => {
      const body = { displayName: 'Tagged role', groups: [{ value }] }
      const answer = await server.send('POST', '/scim2/v2/Roles', body)
      roles.push(path((await bodyOf(answer.clone() as Response)).id))
      return answer
    })
    const role = String(roles[0])
    const rename = (at: string, displayName: string) => () =>
      server.send('PATCH', at, patchOp({ op: 'replace', path: 'displayName', value: displayName }))
    await changed(group, rename(role, 'Tagged role anew'))
    await changed(role, rename(group, 'Tagged group anew'))
    const { id } = await server.send('POST', '/scim2/Groups', { displayName: 'Going' }).then(bodyOf)
    const add = patchOp({ op: 'add', path: 'groups', value: [{ value: id }] })
    await changed(role, () => server.send('PATCH', role, add))
    await changed(role, () => server.send('DELETE', `/scim2/Groups/${id}`))
    await changed(group, () => server.send('DELETE', role))
  })

  test('it refuses what cannot be, and changes nothing', async () => {
    const id = await made({ displayName: 'Refusals' })
    await made({ displayName: 'Taken role' })
    const put = (at: unknown, body: unknown) => () => server.send('PUT', path(at), body)
    const elsewhere = { displayName: 'Refusals', audience: { value: 'elsewhere', type: 'organization' } }
    const cases: readonly (readonly [() => Promise<Response>, number, string?])[] = [
      [put(id, { displayName: 'TAKEN ROLE' }), 409, 'uniqueness'],
      [put(id, {}), 400, 'invalidValue'],
      [put(id, elsewhere), 400, 'mutability'],
      [put(id, { displayName: 'x', groups: [{ value: 'nothing' }] }), 400, 'invalidValue'],
      [put('nothing', { displayName: 'x' }), 404],
      [put(administratorRole.id, { displayName: 'Administrator' }), 403],
      [() => server.send('DELETE', path(administratorRole.id)), 403],
      [() => server.send('DELETE', path('nothing')), 404],
      [() => server.send('DELETE', path(id), undefined, { Authorization: admin, 'If-Match': 'W/"7"' }), 412],
      [() => server.send('POST', '/scim2/v2/Roles/.search', { colour: 1 }), 400, 'invalidSyntax'],
      [
        () => server.send('PATCH', path(id), patchOp({ op: 'remove', path: 'groups[value co "x"]' })),
        400,
        'invalidFilter',
      ],
    ]
    for (const [request, status, scimType] of cases) await refused(request, status, scimType)
    const few = await operator(server, `roles-viewer-${database.name}`, ['internal_role_mgt_view'])
    await refused(() => server.send('DELETE', path(id), undefined, few), 403)
    await refused(() => server.send('PUT', path(id), { displayName: 'x' }, few), 403)
    const searched = await server.send(
      'POST',
      '/scim2/v2/Roles/.search',
      { filter: 'displayName eq "refusals"', attributes: ['users', 'permissions', 'displayName'] },
      few,
    )
    expect(await bodyOf(searched)).toMatchObject({
      totalResults: 1,
      Resources: [{ id, displayName: 'Refusals', users: [], permissions: [] }],
    })
  })
})
