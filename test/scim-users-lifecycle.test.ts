import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, basic, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken, userToken } from './fixtures.ts'
import { operator } from './management.ts'
import { changesOf, nothingElse } from './nothing-else.ts'

type Body = Record<string, unknown>
const wso2 = 'urn:scim:wso2:schema'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const password = 'Password@123'
const patchOf = (...Operations: Body[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
})

for (const database of databases) {
  describe(`the life of a user on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database, {
        toml: '[password_policy]\nmin_length = 9\nmin_uppercase = 1\nmin_digits = 2\nmin_special = 1',
      })
    })
    afterAll(() => server.stop())

    const create = async (userName: string, more: Body = {}) => {
      const response = await server.send('POST', '/scim2/Users', { userName, password, ...more })
      expect(response.status).toBe(201)
      return (await response.json()) as Body & { id: string }
    }
    const read = async (id: string) =>
      (await (await server.send('GET', `/scim2/Users/${id}`)).json()) as Body & { id: string }
    const refused = async (
      status: number,
      scimType: string | undefined,
      request: () => Promise<Response>,
    ): Promise<Body> => {
      const { result } = await nothingElse(server.db, {}, async () => {
        const response = await request()
        const body = (await response.json()) as Body
        expect([response.status, body.scimType]).toEqual([status, scimType])
        return body
      })
      return result
    }

    test.each(['Short@12', 'password@123', 'Password@1', 'Password123', 42])(
      'the password %j does not meet the policy, wherever it is set',
      async (bad) => {
        const { id } = await create(`policy${Math.abs(Bun.hash.crc32(String(bad)))}`)
        const value = { op: 'replace', path: 'password', value: bad }
        await refused(400, 'invalidValue', () =>
          server.send('POST', '/scim2/Users', { userName: 'policy', password: bad }),
        )
        await refused(400, 'invalidValue', () => server.send('PATCH', `/scim2/Users/${id}`, patchOf(value)))
        await refused(400, 'invalidValue', () => server.send('PATCH', '/scim2/Me', patchOf(value)))
      },
    )

    test('PUT replaces what it names and takes away what it does not, but neither password nor status', async () => {
      const { id } = await create('replaced', {
        name: { givenName: 'Old', familyName: 'Name' },
        title: 'Dr',
        emails: ['old@example.com'],
        [enterprise]: { department: 'X' },
        [wso2]: { country: 'Spain', emailVerified: true, phoneVerified: true },
      })
      const { result, changes } = await changesOf(server.db, () =>
        server.send('PUT', `/scim2/Users/${id}`, {
          schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
          id: 'whatever',
          meta: { created: 'ignored' },
          groups: [{ value: 'ignored' }],
          USERNAME: 'replaced',
          name: { givenName: 'New' },
          emails: [{ value: 'new@example.com', type: 'work' }],
        }),
      )
      expect(result.status).toBe(200)
      expect(result.headers.get('etag')).toBe('W/"2.1"')
      const body = (await result.json()) as Body
      expect(body).toEqual({
        schemas: expect.any(Array),
        id,
        userName: 'replaced',
        active: true,
        name: { givenName: 'New' },
        emails: [{ value: 'new@example.com', type: 'work' }],
        // the other proof was one of the old address
        [wso2]: { accountLocked: false, accountDisabled: false, phoneVerified: true },
        meta: {
          created: expect.any(String),
          lastModified: expect.any(String),
          location: `${origin}/scim2/Users/${id}`,
          resourceType: 'User',
          version: 'W/"2.1"',
        },
      })
      expect(changes.added.audit).toHaveLength(1)
      expect(changes.changed.account).toHaveLength(1)
      const values = await server.db
        .selectFrom('account_value')
        .select(['path', 'value_key'])
        .where('account_id', '=', id)
        .orderBy('path')
        .execute()
      expect(values).toEqual([
        { path: 'emails.type', value_key: 'work' },
        { path: 'emails.value', value_key: 'new@example.com' },
        { path: 'name.givenname', value_key: 'new' },
        { path: 'urn:scim:wso2:schema:phoneverified', value_key: 'true' },
      ])
      const headers = { Authorization: basic('replaced', password) }
      expect((await server.send('GET', '/scim2/Me', undefined, headers)).status).toBe(200)
    })

    test('what was read can be put back, and switches a user off and on again', async () => {
      const { id } = await create('roundtrip', { emails: ['round@example.com'], [wso2]: { country: 'Peru' } })
      const before = await read(id)
      await nothingElse(server.db, {}, async () => {
        const response = await server.send('PUT', `/scim2/Users/${id}`, before)
        expect(await response.json()).toEqual(before)
      })
      const off = await server.send('PUT', `/scim2/Users/${id}`, { ...before, active: false })
      expect(await off.json()).toMatchObject({ active: false, [wso2]: { accountDisabled: true } })
      const on = await server.send('PUT', `/scim2/Users/${id}`, { ...(await read(id)), active: true })
      expect(await on.json()).toMatchObject({ active: true, [wso2]: { accountDisabled: false } })
    })

    test.each<[string, Body, number, string | undefined]>([
      ['another user name', { userName: 'other' }, 400, 'mutability'],
      ['no user name', { title: 'x' }, 400, 'invalidValue'],
      ['an unknown attribute', { userName: 'putter', shoeSize: 42 }, 400, 'invalidSyntax'],
      ['a value of the wrong type', { userName: 'putter', title: 42 }, 400, 'invalidValue'],
      ['a text that is too long', { userName: 'putter', title: 'x'.repeat(1_025) }, 400, 'invalidValue'],
      ['too many values', { userName: 'putter', emails: Array(101).fill('a@b') }, 400, 'invalidValue'],
    ])('PUT refuses %s', async (_, body, status, scimType) => {
      const id = await account(server.db, { userName: 'putter' })
      await refused(status, scimType, () => server.send('PUT', `/scim2/Users/${id}`, body))
    })

    test('what there is none of is a 404', async () => {
      const body = { userName: 'nobody' }
      const put = await refused(404, undefined, () => server.send('PUT', '/scim2/Users/nobody', body))
      expect(put.detail).toBe('No user exists with the given id: nobody')
      const gone = await refused(404, undefined, () => server.send('DELETE', '/scim2/Users/nobody'))
      expect(gone.detail).toBe('Specified resource (e.g., User) or endpoint does not exist.')
    })

    test('each change has its edition: a stale one is refused, a known one is not sent again', async () => {
      const { id } = await create('edition')
      const path = `/scim2/Users/${id}`
      const send = (method: string, body: unknown, headers: Record<string, string>) =>
        server.send(method, path, body, { Authorization: basic('admin', 'admin'), ...headers })
      const change = patchOf({ op: 'add', path: 'title', value: 'Dr' })
      expect((await send('GET', undefined, { 'If-None-Match': 'W/"1.1"' })).status).toBe(304)
      expect((await send('PATCH', change, { 'If-Match': 'W/"1.1"' })).headers.get('etag')).toBe('W/"2.1"')
      expect((await send('GET', undefined, { 'If-None-Match': 'W/"1.1"' })).headers.get('etag')).toBe(
        'W/"2.1"',
      )
      for (const [method, body] of [
        ['PATCH', change],
        ['PUT', { userName: 'edition' }],
        ['DELETE', undefined],
      ] as const) {
        await refused(412, undefined, () => send(method, body, { 'If-Match': 'W/"1.1"' }))
      }
      // nothing changes, and so does the edition
      expect((await send('PATCH', change, {})).headers.get('etag')).toBe('W/"2.1"')
      expect((await send('PATCH', change, { 'If-Match': '*' })).status).toBe(200)
      expect((await send('DELETE', undefined, { 'If-Match': '"2.1"' })).status).toBe(204)
    })

    test('whoever joins a role is another edition, since he is shown with it', async () => {
      const { id } = await create('joining')
      const users = [{ value: id }]
      const made = await server.send('POST', '/scim2/v2/Roles', { displayName: 'Joined', users })
      expect(made.status).toBe(201)
      const headers = { Authorization: basic('admin', 'admin'), 'If-None-Match': 'W/"1.1"' }
      const response = await server.send('GET', `/scim2/Users/${id}`, undefined, headers)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({ roles: [{ display: 'Joined' }] })
    })

    test('so is whoever is shown with what his groups have got, and a change of his own is not stale by it', async () => {
      const { id } = await create('grouped')
      const make = async (path: string, body: Body) => {
        const response = await server.send('POST', path, body)
        expect(response.status).toBe(201)
        return ((await response.json()) as { id: string }).id
      }
      const group = await make('/scim2/Groups', { displayName: 'Grouped', members: [{ value: id }] })
      const roleId = await make('/scim2/v2/Roles', { displayName: 'Through a group' })
      const headers = (more: Record<string, string>) => ({ Authorization: basic('admin', 'admin'), ...more })
      const read = (path: string, tag = '') =>
        server.send('GET', path, undefined, headers({ 'If-None-Match': tag }))
      const tagOf = async (path: string) => (await read(path)).headers.get('etag') ?? ''
      const path = `/scim2/Users/${id}`
      const before = await tagOf(path)
      expect((await read(path, before)).status).toBe(304)
      for (const [changed, change] of [
        [`/scim2/v2/Roles/${roleId}`, patchOf({ op: 'add', path: 'groups', value: [{ value: group }] })],
        [`/scim2/v2/Roles/${roleId}`, patchOf({ op: 'replace', path: 'displayName', value: 'Called so' })],
        [`/scim2/Groups/${group}`, patchOf({ op: 'replace', path: 'displayName', value: 'Regrouped' })],
      ] as const) {
        const known = await tagOf(path)
        expect((await server.send('PATCH', changed, change)).status).toBe(200)
        expect((await read(path, known)).status).toBe(200)
      }
      const narrow = (await read(`${path}?attributes=title`)).headers.get('etag') ?? ''
      const title = patchOf({ op: 'add', path: 'title', value: 'Dr' })
      const write = (tag: string) => server.send('PATCH', path, title, headers({ 'If-Match': tag }))
      expect((await write(before)).status).toBe(200)
      expect((await write(narrow)).status).toBe(412)
      // groups and roles are shown without him when he is gone
      await server.send(
        'PATCH',
        `/scim2/v2/Roles/${roleId}`,
        patchOf({ op: 'add', path: 'users', value: [{ value: id }] }),
      )
      const shown = [`/scim2/Groups/${group}`, `/scim2/v2/Roles/${roleId}`]
      const tags = await Promise.all(shown.map(tagOf))
      expect((await server.send('DELETE', path)).status).toBe(204)
      for (const [index, one] of shown.entries()) expect((await read(one, tags[index])).status).toBe(200)
    })

    test('of two changes of one edition at once one is made', async () => {
      const { id } = await create('racing')
      const answers = await Promise.all(
        Array.from({ length: 5 }, (_, n) =>
          server.send('PATCH', `/scim2/Users/${id}`, patchOf({ op: 'add', path: 'title', value: `${n}` }), {
            Authorization: basic('admin', 'admin'),
            'If-Match': 'W/"1.1"',
          }),
        ),
      )
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412])
    })

    test('values are added once, one is primary, and those named are removed', async () => {
      const { id } = await create('valued', { emails: [{ value: 'a@x', type: 'work', primary: true }] })
      const patch = async (...list: Body[]) => {
        const response = await server.send('PATCH', `/scim2/Users/${id}`, patchOf(...list))
        const body = (await response.json()) as Body
        expect([response.status, body.detail]).toEqual([200, undefined])
        return body
      }
      const b = { value: 'b@x', type: 'home' }
      expect(
        await patch(
          { op: 'add', path: 'emails', value: [b, { value: 'a@x', type: 'work', primary: true }] },
          { op: 'add', path: 'emails', value: b },
        ),
      ).toMatchObject({ emails: [{ value: 'a@x', primary: true }, b] })
      expect(
        await patch({ op: 'replace', path: 'emails[not (type eq "work")].primary', value: 'True' }),
      ).toMatchObject({
        emails: [
          { value: 'a@x', type: 'work' },
          { ...b, primary: true },
        ],
      })
      expect(
        await patch({ op: 'add', path: 'emails[type eq "other" and value eq "c@x"].display', value: 'C' }),
      ).toMatchObject({ emails: [{}, {}, { type: 'other', value: 'c@x', display: 'C' }] })
      expect(
        await patch({
          op: 'remove',
          path: 'emails[(type eq "work" or type eq "other") and value co "@x"]',
        }),
      ).toMatchObject({ emails: [{ value: 'b@x' }] })
      await patch({ op: 'add', path: 'emails', value: ['d@x', 'e@x'] })
      expect(await patch({ op: 'remove', path: 'emails', value: [{ value: 'd@x' }] })).toMatchObject({
        emails: [{ value: 'b@x' }, { value: 'e@x' }],
      })
      expect(
        await patch(
          { op: 'add', value: { 'name.givenName': 'Dotted', 'emails[type eq "home"].display': 'Home' } },
          { op: 'add', path: `${enterprise}:manager.value`, value: 'M' },
          { op: 'add', path: enterprise, value: { schemas: [enterprise], department: 'Y' } },
        ),
      ).toMatchObject({
        name: { givenName: 'Dotted' },
        emails: [{ display: 'Home' }, {}],
        [enterprise]: { manager: { value: 'M' }, department: 'Y' },
      })
      expect(await patch({ op: 'remove', path: enterprise })).not.toHaveProperty([enterprise])
      expect(await patch({ op: 'replace', value: { name: null, emails: [] } })).not.toHaveProperty('emails')
    })

    test.each<[Body, string]>([
      [{ op: 'add', path: 'groups', value: [{ value: 'x' }] }, 'mutability'],
      [{ op: 'replace', path: 'roles', value: [] }, 'mutability'],
      [{ op: 'replace', path: 'id', value: 'x' }, 'mutability'],
      [{ op: 'add', value: { meta: { created: 'x' } } }, 'mutability'],
      [{ op: 'remove', path: 'meta.created' }, 'invalidPath'],
      [{ op: 'remove', path: 'emails[value eq "nobody@x"]' }, 'noTarget'],
      [{ op: 'remove' }, 'noTarget'],
      [{ op: 'remove', path: 'emails[value eq' }, 'invalidFilter'],
      [{ op: 'remove', path: 'emails[value eq "a@x"' }, 'invalidFilter'],
      [{ op: 'remove', path: 'title[value eq "a@x"]' }, 'invalidPath'],
      [{ op: 'remove', path: 'emails[emails[value eq "x"]]' }, 'invalidFilter'],
      [{ op: 'add', path: 'emails[type eq "x"].shoe', value: 'x' }, 'invalidPath'],
      [{ op: 'add', path: '', value: 'x' }, 'invalidValue'],
      [{ op: 'add', path: 'title', value: ['x'] }, 'invalidValue'],
      [{ op: 'add', path: 'active', value: 'perhaps' }, 'invalidValue'],
    ])('PATCH refuses %j', async (operation, scimType) => {
      const id = await account(server.db, { userName: 'patchee', email: 'a@x' })
      await refused(400, scimType, () => server.send('PATCH', `/scim2/Users/${id}`, patchOf(operation)))
    })

    test('DELETE ends all that hangs on the account, and keeps the audit', async () => {
      const { db } = server
      const { id } = await create('leaver', { emails: ['leaver@example.com'] })
      const app = await application(db, { name: 'leaving' })
      const impersonatorId = await account(db, { userName: 'leaver-friend' })
      const own = await userToken(db, { application: app, subjectId: id, scopes: ['internal_login'] })
      const { value: over } = await impersonatedToken(db, {
        application: app,
        subjectId: id,
        impersonatorId,
        scopes: ['internal_login'],
      })
      const bearer = (value: string) => ({ Authorization: `Bearer ${value}` })
      expect((await server.send('GET', '/scim2/Me', undefined, bearer(own))).status).toBe(200)
      const { result, changes } = await changesOf(db, () => server.send('DELETE', `/scim2/Users/${id}`))
      expect([result.status, await result.text()]).toEqual([204, ''])
      expect(changes.added.audit).toMatchObject([
        { event: 'user-deleted', target: id, subject_id: id, outcome: 'Success' },
      ])
      expect(Object.keys(changes.removed).sort()).toEqual(
        expect.arrayContaining(['account', 'account_value']),
      )
      expect(
        changes.changed.population ?? changes.removed.population ?? changes.added.population,
      ).toHaveLength(1)
      for (const value of [own, over]) {
        expect((await server.send('GET', '/scim2/Me', undefined, bearer(value))).status).toBe(401)
      }
      expect((await server.send('GET', `/scim2/Users/${id}`)).status).toBe(404)
      const { totalResults } = (await (
        await server.send('GET', `/scim2/Users?filter=userName%20eq%20%22leaver%22`)
      ).json()) as Body
      expect(totalResults).toBe(0)
      await create('leaver')
    })

    test('nobody deletes a user who may more, nor the last administrator', async () => {
      const weak = await operator(server, 'weak-deleter', ['internal_user_mgt_delete'])
      await operator(server, 'strong-one', ['internal_user_mgt_delete', 'internal_role_mgt_delete'])
      const idOf = async (name: string) =>
        (
          await server.db
            .selectFrom('account')
            .select('id')
            .where('user_name', '=', name)
            .executeTakeFirstOrThrow()
        ).id
      const [strong, administrator] = await Promise.all([idOf('strong-one'), idOf('admin')])
      await refused(403, undefined, () => server.send('DELETE', `/scim2/Users/${strong}`, undefined, weak))
      const last = await refused(403, undefined, () => server.send('DELETE', `/scim2/Users/${administrator}`))
      expect(last.detail).toBe('The last active administrator cannot be deleted.')
      await refused(403, undefined, () => server.send('DELETE', '/scim2/Me'))
      expect((await server.send('DELETE', '/scim2/Me', undefined, weak)).status).toBe(204)
      expect((await server.send('GET', '/scim2/Me', undefined, weak)).status).toBe(401)
    })

    test('who acts for another neither replaces, deletes nor makes users', async () => {
      const { db } = server
      const scopes = ['internal_login', 'internal_user_mgt_create', 'internal_user_mgt_delete']
      const app = await application(db, { name: 'acting' })
      const [subjectId, impersonatorId] = [
        await account(db, { userName: 'acted-for' }),
        await account(db, { userName: 'actor-one' }),
      ]
      const { value } = await impersonatedToken(db, { application: app, subjectId, impersonatorId, scopes })
      const headers = { Authorization: `Bearer ${value}` }
      for (const [method, path, body] of [
        ['PUT', '/scim2/Me', { userName: 'acted-for' }],
        ['DELETE', '/scim2/Me', undefined],
        ['POST', '/scim2/Me', { userName: 'made-up', password }],
        ['DELETE', `/scim2/Users/${impersonatorId}`, undefined],
        ['PUT', `/scim2/Users/${impersonatorId}`, { userName: 'actor-one' }],
        ['POST', '/scim2/Users/.search', {}],
      ] as const) {
        expect((await server.send(method, path, body, headers)).status).toBe(403)
      }
    })

    test('an owner replaces his own account, but not his status', async () => {
      const { id } = await create('owner', { emails: ['owner@example.com'] })
      const headers = { Authorization: basic('owner', password) }
      const me = (await (await server.send('GET', '/scim2/Me', undefined, headers)).json()) as Body
      const put = (body: Body) => server.send('PUT', '/scim2/Me', body, headers)
      const done = await put({ ...me, title: 'Dr', emails: ['mine@example.com'] })
      expect(await done.json()).toMatchObject({ id, title: 'Dr', emails: ['mine@example.com'] })
      await refused(403, undefined, () => put({ ...me, active: false }))
      await refused(403, undefined, () => put({ ...me, [wso2]: { emailVerified: true } }))
      await refused(400, 'mutability', () => put({ ...me, userName: 'somebody' }))
    })

    test('POST to Me makes a user, for who may', async () => {
      const body = { userName: 'by-me', password }
      const made = await server.send('POST', '/scim2/Me', body)
      expect(made.status).toBe(201)
      expect(made.headers.get('location')).toStartWith(`${origin}/scim2/Users/`)
      await refused(409, 'uniqueness', () => server.send('POST', '/scim2/Me', body))
      const headers = { Authorization: basic('by-me', password) }
      const second = { userName: 'by-me-2', password }
      expect((await server.send('POST', '/scim2/Me', second, headers)).status).toBe(403)
    })
  })
}
