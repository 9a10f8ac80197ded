/** `/scim2/Groups`: each operation with its errors, and what a group with roles means for those who manage it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { bump, commit, write } from '../lib/database/commit.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { type Booted, basic, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken, role } from './fixtures.ts'
import { operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

type Body = Record<string, unknown>

const patchOp = (...Operations: readonly Body[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
})
const groupSchema = 'urn:ietf:params:scim:schemas:core:2.0:Group'
const bodyOf = async (response: Response): Promise<Body> => (await response.json()) as Body
const values = (list: unknown) => (list as { value: string }[]).map(({ value }) => value)
const all = ['create', 'view', 'update', 'delete'].map((verb) => `internal_group_mgt_${verb}`)

describe.each(databases)('/scim2/Groups on $name', (database) => {
  let server: Booted
  let people: readonly string[]
  let manager: Record<string, string>
  beforeAll(async () => {
    server = await boot(database)
    people = await Promise.all(
      ['ann', 'bob', 'cid'].map((userName) =>
        account(server.db, { userName, password: 'Password@123', email: `${userName}@example.com` }),
      ),
    )
    manager = await operator(server, 'groups-manager', all)
  })
  afterAll(() => server.stop())

  const path = (id: unknown) => `/scim2/Groups/${id}`
  const made = async (displayName: string, members: readonly string[] = []): Promise<Body> => {
    const body = { schemas: [groupSchema], displayName, members: members.map((value) => ({ value })) }
    const response = await server.send('POST', '/scim2/Groups', body)
    expect(response.status).toBe(201)
    return bodyOf(response)
  }
  const giveRole = async (roleId: string, groupId: unknown) =>
    expect(
      await commit(server.db, [
        write(server.db.insertInto('group_role').values({ role_id: roleId, group_id: String(groupId) })),
        bump,
      ]),
    ).toBe('committed')
  const versionOf = async (id: string) =>
    server.db
      .selectFrom('account')
      .select(['version', 'edition'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  const refused = async (
    request: () => Promise<Response>,
    status: number,
    scimType?: string,
    detail?: string | RegExp,
  ) => {
    const { result } = await nothingElse(server.db, {}, request)
    const body = await bodyOf(result)
    expect({ status: result.status, scimType: body.scimType }).toEqual({ status, scimType })
    if (typeof detail === 'string') expect(body.detail).toBe(detail)
    else if (detail) expect(body.detail).toMatch(detail)
    expect(body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error'])
    expect(String(body.status)).toBe(String(status))
  }

  test('a group is made with its members, read, changed, replaced and deleted', async () => {
    const [ann = '', bob = ''] = people
    const before = await versionOf(ann)
    const { result: created, changes } = await nothingElse(
      server.db,
      {
        user_group: { added: 1 },
        group_member: { added: 1 },
        account: { changed: 1 },
        population: { added: 1 },
        audit: { added: 1 },
      },
      () =>
        server.send('POST', '/scim2/Groups', {
          schemas: [groupSchema],
          displayName: 'PRIMARY/Engineers',
          externalId: 'e-1',
          members: [{ value: ann, display: 'ann', type: 'User' }],
        }),
    )
    const body = await bodyOf(created)
    const location = `${origin}${path(body.id)}`
    expect([created.status, created.headers.get('location'), created.headers.get('etag')]).toEqual([
      201,
      location,
      'W/"1"',
    ])
    expect(body).toEqual({
      schemas: [groupSchema],
      id: body.id,
      externalId: 'e-1',
      displayName: 'Engineers',
      members: [{ value: ann, display: 'ann', $ref: `${origin}/scim2/Users/${ann}`, type: 'User' }],
      meta: {
        created: expect.any(String),
        lastModified: expect.any(String),
        location,
        resourceType: 'Group',
        version: 'W/"1"',
      },
    })
    expect(changes.added.audit).toMatchObject([{ event: 'group-created', target: body.id }])
    expect(await versionOf(ann)).toEqual({ version: before.version + 1, edition: before.edition + 1 })
    const read = await server.send('GET', path(body.id))
    expect([read.status, await bodyOf(read)]).toEqual([200, body])

    const { result: patched } = await nothingElse(
      server.db,
      {
        user_group: { changed: 1 },
        group_member: { added: 1, removed: 1 },
        account: { changed: 2 },
        audit: { added: 1 },
      },
      () =>
        server.send(
          'PATCH',
          path(body.id),
          patchOp(
            { op: 'add', path: 'members', value: [{ value: bob }] },
            { op: 'remove', path: `members[value eq "${ann}"]` },
            { op: 'replace', value: { displayName: 'Builders' } },
          ),
        ),
    )
    const shown = await bodyOf(patched)
    expect([patched.status, patched.headers.get('etag'), shown.displayName, values(shown.members)]).toEqual([
      200,
      'W/"2"',
      'Builders',
      [bob],
    ])
    expect((await server.audit()).at(-1)).toMatchObject({
      event: 'group-updated',
      data: { name: 'Engineers', renamedTo: 'Builders', addedMembers: [bob], removedMembers: [ann] },
    })
    // nothing to change is nothing done
    await nothingElse(server.db, {}, () =>
      server.send('PATCH', path(body.id), patchOp({ op: 'add', path: 'members', value: [{ value: bob }] })),
    )
    const replaced = await server.send('PUT', path(body.id), { displayName: 'Makers' })
    const now = await bodyOf(replaced)
    expect([replaced.status, now.displayName, now.members, now.externalId]).toEqual([
      200,
      'Makers',
      [],
      undefined,
    ])
    const { result: gone } = await nothingElse(
      server.db,
      { user_group: { removed: 1 }, population: { added: 1, removed: 1 }, audit: { added: 1 } },
      () => server.send('DELETE', path(body.id)),
    )
    expect([gone.status, await gone.text()]).toEqual([204, ''])
    expect((await server.audit()).at(-1)).toMatchObject({ event: 'group-deleted', data: { name: 'Makers' } })
    await refused(() => server.send('GET', path(body.id)), 404)
  })

  test('it refuses what no group can be, and changes nothing', async () => {
    const [ann = ''] = people
    const group = await made('Taken', [ann])
    const other = await made('Other')
    const post = (body: unknown) => () => server.send('POST', '/scim2/Groups', body)
    const patch =
      (...list: readonly Body[]) =>
      () =>
        server.send('PATCH', path(group.id), patchOp(...list))
    const cases: readonly (readonly [() => Promise<Response>, number, string?])[] = [
      [post({ displayName: 'TAKEN' }), 409, 'uniqueness'],
      [post({}), 400, 'invalidValue'],
      [post({ displayName: 7 }), 400, 'invalidValue'],
      [post({ displayName: 'a/b' }), 400, 'invalidValue'],
      [post({ displayName: 'x'.repeat(256) }), 400, 'invalidValue'],
      [post({ displayName: 'x', colour: 'red' }), 400, 'invalidSyntax'],
      [post({ displayName: 'x', members: [{ value: 'nobody' }] }), 400, 'invalidValue'],
      [post({ displayName: 'x', members: [{ value: other.id }] }), 400, 'invalidValue'],
      [post({ displayName: 'x', members: [{ value: ann, type: 'Group' }] }), 400, 'invalidValue'],
      [post({ displayName: 'x', members: [{ display: 'ann' }] }), 400, 'invalidValue'],
      [post({ displayName: 'x', members: [{ value: ann, role: 'x' }] }), 400, 'invalidSyntax'],
      [post([]), 400, 'invalidSyntax'],
      [patch({ op: 'replace', path: 'displayName', value: 'other' }), 409, 'uniqueness'],
      [patch({ op: 'remove', path: 'displayName' }), 400, 'mutability'],
      [patch({ op: 'add', path: 'roles', value: [{ value: 'x' }] }), 400, 'mutability'],
      [patch({ op: 'replace', path: 'id', value: 'x' }), 400, 'mutability'],
      [patch({ op: 'add', path: 'colour', value: 'x' }), 400, 'invalidPath'],
      [patch({ op: 'remove' }), 400, 'noTarget'],
      [patch({ op: 'remove', path: 'members[value eq' }), 400, 'invalidSyntax'],
      [patch({ op: 'remove', path: 'members[value co "x"]' }), 400, 'invalidFilter'],
      [patch({ op: 'replace', path: 'members.display', value: 'x' }), 400, 'mutability'],
      [() => server.send('GET', path('nothing')), 404],
      [() => server.send('PUT', path('nothing'), { displayName: 'x' }), 404],
      [() => server.send('DELETE', path('nothing')), 404],
      [() => server.send('GET', '/scim2/Groups?filter=colour eq "x"'), 400, 'invalidFilter'],
      [() => server.send('GET', '/scim2/Groups?sortBy=colour'), 400, 'invalidFilter'],
      [() => server.send('GET', '/scim2/Groups?cursor=x'), 400, 'invalidCursor'],
      [() => server.send('POST', '/scim2/Groups/.search', { colour: 1 }), 400, 'invalidSyntax'],
    ]
    for (const [request, status, scimType] of cases) await refused(request, status, scimType)
  })

  test('each operation needs its permission', async () => {
    const { id } = await made('Guarded')
    const nobody = await operator(server, 'groups-nobody', [])
    const requests: readonly (readonly [string, string, unknown?])[] = [
      ['POST', '/scim2/Groups', { displayName: 'x' }],
      ['GET', '/scim2/Groups'],
      ['POST', '/scim2/Groups/.search', {}],
      ['GET', path(id)],
      ['PUT', path(id), { displayName: 'x' }],
      ['PATCH', path(id), patchOp({ op: 'remove', path: 'members' })],
      ['DELETE', path(id)],
    ]
    for (const [method, at, body] of requests) {
      await refused(() => server.send(method, at, body, nobody), 403)
      await refused(() => server.send(method, at, body, {}), 401)
    }
  })

  test('a stale If-Match is 412, one that fits is obeyed, a known tag is 304', async () => {
    const { id } = await made('Tagged')
    const put = (tag: string) =>
      server.send(
        'PUT',
        path(id),
        { displayName: 'Tagged again' },
        { Authorization: basic('admin', 'admin'), 'If-Match': tag },
      )
    await refused(() => put('W/"7"'), 412)
    expect((await put('W/"1"')).headers.get('etag')).toBe('W/"2"')
    await refused(() => put('W/"1"'), 412)
    const known = await server.send('GET', path(id), undefined, {
      Authorization: basic('admin', 'admin'),
      'If-None-Match': 'W/"2"',
    })
    expect([known.status, await known.text()]).toEqual([304, ''])
  })

  test('groups are found by the whole grammar, sorted and paged', async () => {
    const [ann = '', bob = ''] = people
    for (const name of ['Red one', 'Red two', 'Red three'])
      await made(name, name === 'Red two' ? [bob] : [ann])
    const names = async (query: Record<string, string>) => {
      const response = await server.send('GET', `/scim2/Groups?${new URLSearchParams(query)}`)
      expect(response.status).toBe(200)
      const { Resources } = (await bodyOf(response)) as { Resources: { displayName: string }[] }
      return Resources.map(({ displayName }) => displayName)
    }
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ['displayName eq "RED one"', ['Red one']],
      ['displayName sw "red t"', ['Red three', 'Red two']],
      [`displayName sw "red" and members.value eq "${bob}"`, ['Red two']],
      [`displayName sw "red" and members[display eq "ann"]`, ['Red one', 'Red three']],
      ['displayName sw "red" and not (displayName co "two")', ['Red one', 'Red three']],
      ['displayName sw "red" and roles pr', []],
      ['displayName eq "Red one" or displayName eq "Red two"', ['Red one', 'Red two']],
      [
        'displayName sw "red" and meta.created gt "2000-01-01T00:00:00Z"',
        ['Red one', 'Red three', 'Red two'],
      ],
    ]
    for (const [filter, found] of cases) {
      expect([filter, await names({ filter, sortBy: 'displayName' })]).toEqual([filter, [...found]])
    }
    const red = { filter: 'displayName sw "red"', sortBy: 'displayName' }
    expect(await names({ ...red, sortOrder: 'descending', startIndex: '2', count: '1' })).toEqual([
      'Red three',
    ])
    // a list shows members to who names them
    const list = (query: Record<string, string>) =>
      server.send('GET', `/scim2/Groups?${new URLSearchParams({ ...red, ...query })}`).then(bodyOf)
    const first = (body: Body) => (body.Resources as Body[])[0]
    expect(first(await list({}))).not.toHaveProperty('members')
    expect(values(first(await list({ attributes: 'members' }))?.members)).toEqual([ann])
    const { id } = first(await list({})) ?? {}
    const without = await server.send('GET', `${path(id)}?excludedAttributes=members`)
    expect(await bodyOf(without)).not.toHaveProperty('members')
    const searched = await server.send('POST', '/scim2/Groups/.search', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
      filter: 'displayName eq "Red one"',
      attributes: ['displayName'],
    })
    expect(await bodyOf(searched)).toMatchObject({ totalResults: 1, Resources: [{ displayName: 'Red one' }] })
    // by cursor everything comes once, in one order
    for (const query of [{}, red]) {
      const seen: string[] = []
      let cursor: string | undefined = ''
      while (cursor !== undefined) {
        const page: Body = await server
          .send('GET', `/scim2/Groups?${new URLSearchParams({ ...query, count: '2', cursor })}`)
          .then(bodyOf)
        seen.push(...(page.Resources as Body[]).map((one) => String(one.id)))
        cursor = page.nextCursor as string | undefined
      }
      const { Resources } = await server
        .send('GET', `/scim2/Groups?${new URLSearchParams(query)}`)
        .then(bodyOf)
      expect(seen).toEqual((Resources as Body[]).map((one) => String(one.id)))
    }
  })

  test('who puts somebody into a group must hold what its roles permit', async () => {
    const [, bob = '', cid = ''] = people
    const strong = await role(server.db, {
      name: 'Strong of a group',
      permissions: ['internal_user_mgt_delete'],
    })
    const group = await made('Strong ones', [cid])
    await giveRole(strong, group.id)
    const join = patchOp({ op: 'add', path: 'members', value: [{ value: bob }] })
    await refused(() => server.send('PATCH', path(group.id), join, manager), 403)
    const replaced = { displayName: 'Strong ones', members: [{ value: bob }] }
    await refused(() => server.send('PUT', path(group.id), replaced, manager), 403)
    // who leaves loses, and that is no gift
    const leave = patchOp({ op: 'remove', path: `members[value eq "${cid}"]` })
    expect((await server.send('PATCH', path(group.id), leave, manager)).status).toBe(200)
    expect((await server.send('PATCH', path(group.id), join)).status).toBe(200)
    // bob may now what the group's role permits
    const victim = await account(server.db, { userName: `victim-${database.name}` })
    const headers = { Authorization: basic('bob', 'Password@123') }
    expect((await server.send('DELETE', `/scim2/Users/${victim}`, undefined, headers)).status).toBe(204)
    const shown = await server.send('GET', path(group.id)).then(bodyOf)
    expect(values(shown.roles)).toEqual([strong])
    // giving a role to a group is handing it out as well
    const roles = await operator(server, `roles-manager-${database.name}`, ['internal_role_mgt_update'])
    const give = patchOp({ op: 'add', path: 'groups', value: [{ value: group.id }] })
    await refused(() => server.send('PATCH', `/scim2/v2/Roles/${administratorRole.id}`, give, roles), 403)
    await refused(
      () =>
        server.send(
          'PATCH',
          `/scim2/v2/Roles/${strong}`,
          patchOp({ op: 'add', path: 'groups', value: [{ value: 'nothing' }] }),
        ),
      400,
      'invalidValue',
      "Group can't be resolved from the given group Id.",
    )
  })

  test('the last administrator stays one, also by a group', async () => {
    const { id: admin } = await server.db
      .selectFrom('account')
      .select('id')
      .where('user_name', '=', 'admin')
      .executeTakeFirstOrThrow()
    const group = await made('Administrators', [admin])
    const administrator = `/scim2/v2/Roles/${administratorRole.id}`
    const give = await server.send(
      'PATCH',
      administrator,
      patchOp({ op: 'add', path: 'groups', value: [{ value: group.id }] }),
    )
    expect(values((await bodyOf(give)).groups)).toEqual([String(group.id)])
    // he has it by the group, so the role itself may go
    const leave = patchOp({ op: 'remove', path: `users[value eq "${admin}"]` })
    expect((await server.send('PATCH', administrator, leave)).status).toBe(200)
    const lock = patchOp({ op: 'replace', value: { 'urn:scim:wso2:schema': { accountLocked: true } } })
    const last = /last active administrator/
    await refused(
      () => server.send('PATCH', path(group.id), patchOp({ op: 'remove', path: 'members' })),
      403,
      undefined,
      last,
    )
    await refused(
      () => server.send('PUT', path(group.id), { displayName: 'Administrators' }),
      403,
      undefined,
      last,
    )
    await refused(() => server.send('DELETE', path(group.id)), 403, undefined, last)
    await refused(() => server.send('PATCH', `/scim2/Users/${admin}`, lock), 403, undefined, last)
    await refused(() => server.send('DELETE', `/scim2/Users/${admin}`), 403, undefined, last)
    const take = patchOp({ op: 'remove', path: `groups[value eq "${group.id}"]` })
    await refused(() => server.send('PATCH', administrator, take), 403, undefined, last)
    // nobody but an administrator deposes one
    await refused(
      () => server.send('PATCH', path(group.id), patchOp({ op: 'remove', path: 'members' }), manager),
      403,
    )
    await refused(() => server.send('DELETE', path(group.id), undefined, manager), 403)
    // two, of whom each would rely on the other: one stays
    const [ann = ''] = people
    const both = await server.send(
      'PATCH',
      path(group.id),
      patchOp({ op: 'add', path: 'members', value: [{ value: ann }] }),
    )
    expect(both.status).toBe(200)
    const annHeaders = { Authorization: basic('ann', 'Password@123') }
    const out = (id: string, headers?: Record<string, string>) =>
      server.send(
        'PATCH',
        path(group.id),
        patchOp({ op: 'remove', path: `members[value eq "${id}"]` }),
        headers,
      )
    await Promise.all([out(ann, annHeaders), out(admin)])
    const left = await server.db
      .selectFrom('group_member')
      .select('account_id')
      .where('group_id', '=', String(group.id))
      .execute()
    expect(left.length).toBe(1)
    const survivor = left[0]?.account_id === admin ? undefined : annHeaders
    const back = patchOp({ op: 'add', path: 'users', value: [{ value: admin }] })
    expect((await server.send('PATCH', administrator, back, survivor)).status).toBe(200)
    expect((await server.send('DELETE', path(group.id))).status).toBe(204)
  })

  test('who acts for somebody else changes no group that has roles, and joins none himself', async () => {
    const [ann = '', bob = ''] = people
    const subject = await account(server.db, { userName: 'subject-of-groups' })
    const app = await application(server.db, { name: 'groups-app', scopes: all })
    const token = await impersonatedToken(server.db, {
      application: app,
      subjectId: subject,
      impersonatorId: ann,
      scopes: all,
    })
    const headers = { Authorization: `Bearer ${token.value}` }
    const plain = await made('Plain')
    const powerful = await made('Powerful')
    await giveRole(await role(server.db, { name: 'Some role of a group' }), powerful.id)
    const join = (id: string) => patchOp({ op: 'add', path: 'members', value: [{ value: id }] })
    const status = async (method: string, at: string, body?: unknown) =>
      (await server.send(method, at, body, headers)).status
    expect(await status('GET', path(plain.id))).toBe(200)
    expect(await status('PATCH', path(plain.id), join(bob))).toBe(200)
    expect(await status('PATCH', path(plain.id), join(ann))).toBe(403)
    expect(await status('POST', '/scim2/Groups', { displayName: 'Mine', members: [{ value: ann }] })).toBe(
      403,
    )
    expect(await status('PATCH', path(powerful.id), join(bob))).toBe(403)
    expect(await status('PUT', path(powerful.id), { displayName: 'Powerless' })).toBe(403)
    expect(await status('DELETE', path(powerful.id))).toBe(403)
    expect(await status('GET', '/scim2/v2/Roles')).toBe(403)
  })

  test('one joins a large group without all others being read', async () => {
    const [ann = ''] = people
    const group = await made('Large')
    const ids = Array.from({ length: 1_200 }, () => Bun.randomUUIDv7())
    const at = new Date().toISOString()
    const rows = ids.map((id, index) => ({
      id,
      organization_id: '10084a8d-113f-4211-a0d5-efe36b082211',
      user_name: `large-${index}`,
      user_name_key: `large-${index}`,
      version: 1,
      attributes: '{}',
      created_at: at,
      modified_at: at,
    }))
    await commit(server.db, [
      write(server.db.insertInto('account').values(rows)),
      write(
        server.db
          .insertInto('group_member')
          .values(ids.map((account_id) => ({ account_id, group_id: String(group.id) }))),
      ),
    ])
    const join = patchOp({ op: 'add', path: 'members', value: [{ value: ann }] })
    const joined = await server.send('PATCH', path(group.id), join)
    expect([joined.status, joined.headers.get('etag'), await joined.text()]).toEqual([204, 'W/"2"', ''])
    const asked = await server.send('PATCH', `${path(group.id)}?attributes=displayName`, join)
    expect([asked.status, (await bodyOf(asked)).displayName]).toEqual([200, 'Large'])
    const whole = await server.send('GET', path(group.id)).then(bodyOf)
    expect(values(whole.members).length).toBe(1_201)
  })
})
