import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { admin, type Booted, basic, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken, role, state, userToken } from './fixtures.ts'

const patchSchema = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const errorSchema = 'urn:ietf:params:scim:api:messages:2.0:Error'
const wso2 = 'urn:scim:wso2:schema'

type Body = Record<string, unknown>

const bodyOf = async (response: Response): Promise<Body> => (await response.json()) as Body
const operations = (...list: readonly Body[]) => ({ schemas: [patchSchema], Operations: list })
const bearer = (value: string) => ({ Authorization: `Bearer ${value}` })

for (const database of databases) {
  describe(`/scim2/Users on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const create = async (userName: string, more: Body = {}) => {
      const body = { schemas: [], userName, password: `${userName}@123`, ...more }
      const response = await server.send('POST', '/scim2/Users', body)
      expect(response.status).toBe(201)
      return (await bodyOf(response)) as Body & { id: string }
    }
    const row = (id: string) =>
      server.db.selectFrom('account').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const events = async (work: () => Promise<unknown>) => {
      const before = (await server.audit()).length
      await work()
      return (await server.audit()).slice(before)
    }
    const adminId = async () => {
      const { id } = await server.db
        .selectFrom('account')
        .select('id')
        .where('user_name', '=', 'admin')
        .executeTakeFirstOrThrow()
      return id
    }

    /** The request is refused so, and nothing else happened. */
    const refused = async (
      asked: readonly [string, string, Body?, Record<string, string>?],
      status: number,
      detail?: string,
      scimType?: string,
    ) => {
      const before = await state(server.db)
      const response = await server.send(...asked)
      expect(response.status).toBe(status)
      const body = await bodyOf(response)
      expect(body).toEqual({
        schemas: [errorSchema],
        ...(scimType ? { scimType } : {}),
        detail: detail ?? body.detail,
        status: String(status),
      })
      expect(await state(server.db)).toEqual(before)
    }

    test('it creates the user of the documented call', async () => {
      let response: Response | undefined
      const audit = await events(async () => {
        response = await server.send('POST', '/scim2/Users', {
          schemas: [],
          userName: 'Impersonator',
          password: 'Impersonator@123',
          name: { givenName: 'Ida' },
          emails: ['Impersonator@wso2.com'],
        })
      })
      expect(response?.status).toBe(201)
      expect(response?.headers.get('content-type')).toBe('application/scim+json;charset=UTF-8')
      const body = await bodyOf(response as Response)
      const { id } = body
      const location = `${origin}/scim2/Users/${id}`
      expect(response?.headers.get('location')).toBe(location)
      expect(body).toEqual({
        schemas: [
          'urn:ietf:params:scim:schemas:core:2.0:User',
          'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
          wso2,
        ],
        id: expect.any(String),
        userName: 'Impersonator',
        name: { givenName: 'Ida' },
        emails: ['Impersonator@wso2.com'],
        [wso2]: { accountLocked: false, accountDisabled: false },
        active: true,
        meta: {
          created: expect.any(String),
          lastModified: expect.any(String),
          location,
          resourceType: 'User',
          version: 'W/"1.1"',
        },
      })
      expect(response?.headers.get('etag')).toBe('W/"1.1"')
      const stored = await row(String(id))
      expect(stored.email).toBe('Impersonator@wso2.com')
      expect(stored.password_hash).toStartWith('$argon2id$')
      expect(stored.attributes).not.toContain('Impersonator@123')
      expect(audit).toMatchObject([
        {
          event: 'user-created',
          initiator: await adminId(),
          target: id,
          data: { userName: 'I**********r' },
          outcome: 'Success',
          subject_id: id,
          actor_id: null,
        },
      ])
      const signedIn = await server.send('GET', '/scim2/Me', undefined, {
        Authorization: basic('impersonator', 'Impersonator@123'),
      })
      expect(signedIn.status).toBe(200)
    })

    test('it refuses a name that is taken, whatever its case', async () => {
      await create('Taken.Name')
      await refused(
        ['POST', '/scim2/Users', { userName: 'taken.NAME', password: 'Password@123' }],
        409,
        'User with the name: taken.NAME already exists in the system.',
        'uniqueness',
      )
    })

    test('it makes one user of ten who ask for one name at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          server.send('POST', '/scim2/Users', { userName: 'racer', password: 'Password@123' }),
        ),
      )
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
    })

    test.each([
      ['a user name that is too short', { userName: 'ab' }, 'invalidValue'],
      ['a user name with white space', { userName: 'a b c' }, 'invalidValue'],
      ['no user name', { userName: undefined }, 'invalidValue'],
      ['a password that is too short', { password: '1234567' }, 'invalidValue'],
      ['a password that is too long', { password: 'x'.repeat(1_025) }, 'invalidValue'],
      ['a password that is empty', { password: '' }, 'invalidValue'],
      ['something that is no e-mail address', { emails: ['nobody\r\nBcc: x@y'] }, 'invalidValue'],
      [
        'two primary addresses',
        {
          emails: [
            { value: 'a@b', primary: true },
            { value: 'c@d', primary: true },
          ],
        },
        'invalidValue',
      ],
      ['an unknown attribute', { shoeSize: 42 }, 'invalidSyntax'],
      ['an unknown sub-attribute', { name: { shoeSize: '42' } }, 'invalidSyntax'],
      ['an unknown extension', { 'urn:example:unknown': { a: 'b' } }, 'invalidSyntax'],
      ['an attribute of the wrong type', { name: 'Ida' }, 'invalidValue'],
      ['a constructor', { 'urn:scim:schemas:extension:custom:User': { constructor: 'x' } }, 'invalidSyntax'],
    ])('it refuses %s', async (_, change, scimType) => {
      const body = { userName: 'wanted', password: 'Password@123', ...change }
      await refused(['POST', '/scim2/Users', body], 400, undefined, scimType)
    })

    test('it refuses a prototype, JSON that is none, another media type and too much', async () => {
      const before = await state(server.db)
      const post = (body: string, headers: Record<string, string> = {}) =>
        server.request('/scim2/Users', {
          method: 'POST',
          headers: { Authorization: admin, 'Content-Type': 'application/json', ...headers },
          body,
        })
      const user = '{"userName":"wanted","password":"Password@123"'
      expect((await post(`${user},"__proto__":{"x":"y"}}`)).status).toBe(400)
      expect((await post(`${user},"name":{"__proto__":{"x":"y"}}}`)).status).toBe(400)
      expect((await post(`${user},"title":"\\u0000"}`)).status).toBe(400)
      expect((await post(`${user},"title":"\\ud800"}`)).status).toBe(400)
      expect((await post('{')).status).toBe(400)
      expect((await post('[]')).status).toBe(400)
      expect((await post('['.repeat(500_000))).status).toBe(400)
      const text = await post(`${user}}`, { 'Content-Type': 'text/plain' })
      expect([text.status, await bodyOf(text)]).toEqual([
        406,
        { schemas: [errorSchema], detail: 'text/plain is not supported.', status: '406' },
      ])
      expect((await post(`${user}}`, { Accept: 'text/html' })).status).toBe(406)
      expect((await post(`${user},"title":"${'x'.repeat(1_048_576)}"}`)).status).toBe(413)
      expect(await state(server.db)).toEqual(before)
    })

    test('it answers the gate’s refusals with a number for status', async () => {
      const before = await state(server.db)
      const nobody = await server.send('GET', '/scim2/Users', undefined, {})
      expect(nobody.status).toBe(401)
      expect(nobody.headers.get('www-authenticate')).toBe('Bearer realm="localhost"')
      expect(await bodyOf(nobody)).toEqual({
        status: 401,
        detail: 'Authorization failure. Authorization information was invalid or missing from your request.',
        schemas: [errorSchema],
      })
      await account(server.db, { userName: 'plain', password: 'Password@123' })
      const headers = { Authorization: basic('plain', 'Password@123') }
      const forbidden = await server.send('POST', '/scim2/Users', { userName: 'wanted' }, headers)
      expect(forbidden.status).toBe(403)
      expect(await bodyOf(forbidden)).toEqual({
        status: 403,
        detail: 'Operation is not permitted. You do not have permissions to make this request.',
        schemas: [errorSchema],
      })
      const after = await state(server.db)
      expect(after.counts).toEqual({ ...before.counts, account: (before.counts.account ?? 0) + 1 })
      expect((await server.send('GET', '/scim2/Nothing', undefined, {})).status).toBe(401)
      await refused(
        ['GET', '/scim2/Nothing'],
        404,
        'Specified resource (e.g., User) or endpoint does not exist.',
      )
    })

    test('it finds users by filter, page by page', async () => {
      for (const name of ['list-anna', 'list-bert', 'list-cleo']) {
        await create(name, {
          name: { givenName: `${name} Ö%_`, familyName: 'Lister' },
          emails: [`${name}@example.com`],
          [wso2]: { country: 'Spain' },
        })
      }
      const found = async (query: Record<string, string>): Promise<Body & { names: string[] }> => {
        const response = await server.send('GET', `/scim2/Users?${new URLSearchParams(query)}`)
        expect([response.status, query]).toEqual([200, query])
        const body = await bodyOf(response)
        const resources = body.Resources as { userName: string }[]
        return { ...body, names: resources.map(({ userName }) => userName) }
      }
      const names = async (filter: string) => (await found({ filter })).names
      expect(await names('userName eq LIST-ANNA')).toEqual(['list-anna'])
      expect(await names('userName eq "list-anna"')).toEqual(['list-anna'])
      expect(await names('userName sw list- and userName ew "cleo"')).toEqual(['list-cleo'])
      expect(await names('userName co t-b')).toEqual(['list-bert'])
      expect(await names('emails eq list-bert@example.com')).toEqual(['list-bert'])
      expect(await names('emails.value sw LIST-c')).toEqual(['list-cleo'])
      expect(await names('name.givenName eq "list-anna Ö%_"')).toEqual(['list-anna'])
      expect(await names('name.givenName co "anna Ö%_"')).toEqual(['list-anna'])
      expect(await names('name.givenName co "list%"')).toEqual([])
      expect(await names(`${wso2}:country eq spain and name.familyName eq lister`)).toHaveLength(3)
      expect(await names('userName sw list- and meta.created ge 2020-01-01T00:00:00Z')).toHaveLength(3)
      expect(await names('userName sw list- and meta.created lt 2020-01-01T00:00:00Z')).toEqual([])
      expect(await found({ filter: 'userName eq nobody-there' })).toEqual({
        totalResults: 0,
        startIndex: 1,
        itemsPerPage: 0,
        schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
        Resources: [],
        names: [],
      })
      const page = await found({ filter: 'userName sw list-', startIndex: '2', count: '1' })
      expect(page).toMatchObject({ totalResults: 3, startIndex: 2, itemsPerPage: 1, names: ['list-bert'] })
      expect(await found({ filter: 'userName sw list-', count: '0' })).toMatchObject({
        totalResults: 3,
        names: [],
      })
      expect(await found({ filter: 'userName sw list-', count: '-1' })).toMatchObject({
        totalResults: 3,
        names: [],
      })
      expect(
        await found({ filter: 'userName eq list-anna', attributes: 'userName,name.familyName' }),
      ).toMatchObject({
        Resources: [
          {
            schemas: expect.any(Array),
            id: expect.any(String),
            userName: 'list-anna',
            name: { familyName: 'Lister' },
          },
        ],
      })
      const { Resources } = (await found({
        filter: 'userName eq list-anna',
        excludedAttributes: `id,emails,name.givenName,${wso2}:country,meta`,
      })) as unknown as { Resources: Body[] }
      expect(Resources).toEqual([
        {
          schemas: expect.any(Array),
          id: expect.any(String),
          userName: 'list-anna',
          name: { familyName: 'Lister' },
          [wso2]: { accountLocked: false, accountDisabled: false },
          active: true,
        },
      ])
    })

    test.each([
      ['userName eq', 400, 'invalidFilter'],
      ['userName eq a or', 400, 'invalidFilter'],
      ['(userName eq a', 400, 'invalidFilter'],
      ['not userName eq a', 400, 'invalidFilter'],
      ['userName xx a', 400, 'invalidFilter'],
      ['userName', 400, 'invalidFilter'],
      ['shoeSize eq 42', 400, 'invalidFilter'],
      ['name eq x', 400, 'invalidFilter'],
      ['emails[shoe eq x]', 400, 'invalidFilter'],
      ['emails[type eq work', 400, 'invalidFilter'],
      ['name[givenName eq x]', 400, 'invalidFilter'],
      ['active gt true', 400, 'invalidFilter'],
      ['active eq maybe', 400, 'invalidFilter'],
      ['userName gt null', 400, 'invalidFilter'],
      ['meta.created co 2020', 400, 'invalidFilter'],
      [Array(60).fill('title pr').join(' or '), 400, 'invalidFilter'],
      [`${'('.repeat(30)}title pr${')'.repeat(30)}`, 400, 'invalidFilter'],
      ['userName eq "\\u0000"', 400, 'invalidFilter'],
      ['password eq x', 400, 'invalidFilter'],
      ['roles.shoe eq x', 400, 'invalidFilter'],
      [`title eq "${'x'.repeat(3_000)}"`, 400, 'invalidFilter'],
      ['meta.created ge yesterday', 400, 'invalidFilter'],
    ])('it refuses the filter %s', async (filter, status, scimType) => {
      await refused(['GET', `/scim2/Users?${new URLSearchParams({ filter })}`], status, undefined, scimType)
    })

    test.each([
      ['startIndex=x'],
      ['count=1e9'],
      ['sortBy=shoeSize'],
      ['sortBy=name'],
      ['sortBy=password'],
      ['sortBy=userName&sortOrder=sideways'],
      ['domain=SECONDARY'],
    ])('it refuses the list %s', async (query) => {
      await refused(['GET', `/scim2/Users?${query}`], 400, undefined, 'invalidValue')
    })

    test.each(['nonsense', 'e30', 'bnVsbA'])('it refuses the cursor %s', async (cursor) => {
      await refused(['GET', `/scim2/Users?cursor=${cursor}`], 400, undefined, 'invalidCursor')
    })

    test('it says which user there is none of', async () => {
      await refused(['GET', '/scim2/Users/nobody'], 404, 'User not found in the user store.')
      await refused(['GET', '/scim2/Users/%00'], 404, 'User not found in the user store.')
      await refused(
        ['PATCH', '/scim2/Users/nobody', operations({ op: 'add', path: 'title', value: 'x' })],
        404,
        'No user with the id : nobody in the user store.',
      )
    })

    test('it patches with and without paths', async () => {
      const { id } = await create('patched', { emails: ['one@example.com'] })
      const patch = async (...list: readonly Body[]) => {
        const response = await server.send('PATCH', `/scim2/Users/${id}`, operations(...list))
        expect(response.status).toBe(200)
        const { schemas: _, meta: __, id: ___, active: ____, ...rest } = await bodyOf(response)
        return rest
      }
      const status = { accountLocked: false, accountDisabled: false }
      expect(
        await patch(
          { op: 'Replace', value: { NAME: { givenName: 'Ida' }, [wso2]: { Country: 'Spain' } } },
          { op: 'add', path: 'name.familyName', value: 'Example' },
          { op: 'add', path: 'urn:ietf:params:scim:schemas:core:2.0:User:title', value: 'Dr' },
          {
            op: 'add',
            path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',
            value: 'X',
          },
          { op: 'add', path: 'urn:scim:schemas:extension:custom:User:team', value: 'red' },
        ),
      ).toEqual({
        userName: 'patched',
        name: { givenName: 'Ida', familyName: 'Example' },
        emails: ['one@example.com'],
        title: 'Dr',
        [wso2]: { ...status, country: 'Spain' },
        'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { department: 'X' },
        'urn:scim:schemas:extension:custom:User': { team: 'red' },
      })
      expect(
        await patch(
          { op: 'add', path: 'emails', value: [{ type: 'work', value: 'work@example.com' }] },
          { op: 'add', path: 'emails[type eq "home"].value', value: 'home@example.com' },
          { op: 'replace', path: 'emails[type eq work].value', value: 'office@example.com' },
          { op: 'replace', path: `${wso2}:country`, value: 'Sweden' },
          { op: 'remove', path: 'name.givenName' },
          { op: 'remove', path: 'title' },
          { op: 'remove', path: 'urn:scim:schemas:extension:custom:User:team' },
          { op: 'remove', path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department' },
        ),
      ).toEqual({
        userName: 'patched',
        name: { familyName: 'Example' },
        emails: [
          'one@example.com',
          { type: 'work', value: 'office@example.com' },
          { type: 'home', value: 'home@example.com' },
        ],
        [wso2]: { ...status, country: 'Sweden' },
      })
      expect((await row(id)).email).toBe('one@example.com')
      await patch(
        { op: 'replace', path: 'emails[type eq "home"].primary', value: true },
        { op: 'remove', path: 'emails[type eq "work"]' },
      )
      expect((await row(id)).email).toBe('home@example.com')
      expect(await patch({ op: 'replace', path: 'emails', value: 'last@example.com' })).toMatchObject({
        emails: ['last@example.com'],
      })
      expect(await patch({ op: 'remove', path: 'emails' })).not.toHaveProperty('emails')
      const after = await row(id)
      // plain attributes are no matter of decisions
      expect([after.email, after.version]).toEqual([null, 1])
    })

    test('it tells the audit of changed claims, masked, and writes nothing for no change', async () => {
      const { id } = await create('testUser', { [wso2]: { country: 'France' } })
      const change = operations({ op: 'replace', value: { [wso2]: { country: 'Spain' } } })
      const audit = await events(() => server.send('PATCH', `/scim2/Users/${id}`, change))
      expect(audit).toMatchObject([
        {
          event: 'user-claims-changed',
          action: 'Set-User-Claim-Values',
          initiator: await adminId(),
          target: 't******r',
          outcome: 'Success',
          subject_id: id,
        },
      ])
      expect(audit[0]?.data).toEqual({
        ServiceProviderName: 'mayact',
        Claims: {
          'http://wso2.org/claims/country': 'S***n',
          'http://wso2.org/claims/modified': '2*************************Z',
          profileConfiguration: 'd*****t',
        },
      })
      expect(await events(() => server.send('PATCH', `/scim2/Users/${id}`, change))).toEqual([])
      const named = await events(() =>
        server.send(
          'PATCH',
          `/scim2/Users/${id}`,
          operations({ op: 'add', value: { name: { familyName: 'Example' }, emails: ['a@example.com'] } }),
        ),
      )
      expect(named[0]?.data.Claims).toMatchObject({
        'http://wso2.org/claims/lastname': 'E*****e',
        'http://wso2.org/claims/emailaddress': 'a***********m',
      })
    })

    test.each([
      [{ op: 'replace', path: 'id', value: 'x' }, 400, 'mutability'],
      [{ op: 'replace', value: { meta: {} } }, 400, 'mutability'],
      [{ op: 'add', path: 'roles', value: [{ value: 'x' }] }, 400, 'mutability'],
      [{ op: 'remove', path: 'groups' }, 400, 'mutability'],
      [{ op: 'replace', path: `${wso2}:oneTimePassword`, value: '123456' }, 400, 'mutability'],
      [{ op: 'replace', path: 'userName', value: 'somebody' }, 400, 'mutability'],
      [{ op: 'remove' }, 400, 'noTarget'],
      [{ op: 'replace', path: 'emails[type eq "none"].value', value: 'a@b' }, 400, 'noTarget'],
      [{ op: 'replace', path: 'emails[shoe eq "none"].value', value: 'a@b' }, 400, 'invalidFilter'],
      [{ op: 'replace', path: 'emails[type eq "none"].value', value: 'a@b' }, 400, 'noTarget'],
      [{ op: 'remove', path: 'userName' }, 400, 'mutability'],
      [{ op: 'replace', path: 'nothing', value: 'x' }, 400, 'invalidPath'],
      [{ op: 'replace', path: 'name.nothing', value: 'x' }, 400, 'invalidPath'],
      [{ op: 'replace', path: 'title[type eq "x"]', value: 'x' }, 400, 'invalidPath'],
      [{ op: 'replace', path: '__proto__.x', value: 'x' }, 400, 'invalidPath'],
      [
        { op: 'replace', path: 'urn:scim:schemas:extension:custom:User:constructor', value: 'x' },
        400,
        'invalidPath',
      ],
      [{ op: 'remove', path: 'urn:scim:schemas:extension:custom:User' }, 400, 'invalidPath'],
      [{ op: 'move', path: 'title', value: 'x' }, 400, 'invalidSyntax'],
      [{ op: 'replace', path: 'title' }, 400, 'invalidValue'],
      [{ op: 'replace', path: 'title', value: 5 }, 400, 'invalidValue'],
      [{ op: 'replace', path: 'password', value: 'short' }, 400, 'invalidValue'],
    ])('it refuses the operation %j', async (operation, status, scimType) => {
      const id = await account(server.db, { userName: 'unpatched' })
      await refused(['PATCH', `/scim2/Users/${id}`, operations(operation)], status, undefined, scimType)
    })

    test('it refuses a PATCH that is none', async () => {
      const id = await account(server.db, { userName: 'unpatched' })
      const path = `/scim2/Users/${id}`
      await refused(['PATCH', path, { Operations: [] }], 400, undefined, 'invalidSyntax')
      await refused(['PATCH', path, {}], 400, undefined, 'invalidSyntax')
      const schemas = { schemas: ['urn:x'], Operations: [{ op: 'add', path: 'title', value: 'x' }] }
      await refused(['PATCH', path, schemas], 400, undefined, 'invalidSyntax')
    })

    test('locking ends what the account has, and unlocking lets it begin anew', async () => {
      const { id } = await create('lockable')
      const app = await application(server.db, { name: 'locks' })
      const value = await userToken(server.db, {
        application: app,
        subjectId: id,
        scopes: ['internal_login'],
      })
      const me = () => server.send('GET', '/scim2/Me', undefined, bearer(value))
      expect((await me()).status).toBe(200)
      const lock = (accountLocked: unknown) => () =>
        server.send(
          'PATCH',
          `/scim2/Users/${id}`,
          operations({ op: 'replace', value: { [wso2]: { accountLocked } } }),
        )
      expect(await events(lock(true))).toMatchObject([{ event: 'user-locked', target: id, data: {} }])
      expect((await me()).status).toBe(401)
      expect(await events(lock('false'))).toMatchObject([{ event: 'user-unlocked', target: id }])
      expect((await me()).status).toBe(401)
      const after = await row(id)
      expect([after.locked_at, after.version]).toEqual([null, 3])
      const ended = await server.db
        .selectFrom('lineage')
        .select('ended_by')
        .where('ended_by', 'is not', null)
        .execute()
      expect(ended).toEqual([{ ended_by: await adminId() }])
      const disable = (active: boolean) => () =>
        server.send(
          'PATCH',
          `/scim2/Users/${id}`,
          operations({ op: 'replace', path: 'active', value: active }),
        )
      expect(await events(disable(false))).toMatchObject([{ event: 'user-disabled' }])
      const shown = await bodyOf(await server.send('GET', `/scim2/Users/${id}`))
      expect(shown).toMatchObject({ active: false, [wso2]: { accountDisabled: true } })
      expect(await events(disable(true))).toMatchObject([{ event: 'user-enabled' }])
    })

    test('a new password ends the old one, and is told of without its value', async () => {
      const { id } = await create('forgetful')
      const change = operations({ op: 'replace', value: { password: 'Another@123' } })
      const audit = await events(() => server.send('PATCH', `/scim2/Users/${id}`, change))
      expect(audit).toMatchObject([{ event: 'password-changed', target: id, data: {} }])
      expect((await row(id)).version).toBe(2)
      const signIn = (password: string) =>
        server.send('GET', '/scim2/Me', undefined, { Authorization: basic('forgetful', password) })
      expect((await signIn('forgetful@123')).status).toBe(401)
      expect((await signIn('Another@123')).status).toBe(200)
    })

    test('nobody writes credentials, contact data or status of somebody who may more', async () => {
      const helper = { Authorization: basic('helper', 'Password@123') }
      const id = await account(server.db, { userName: 'helper', password: 'Password@123' })
      await role(server.db, {
        name: 'Help desk',
        permissions: ['internal_user_mgt_update', 'internal_user_mgt_view'],
        users: [id],
      })
      const boss = `/scim2/Users/${await adminId()}`
      for (const operation of [
        { op: 'replace', path: 'password', value: 'Another@123' },
        { op: 'add', path: 'emails', value: ['helper@example.com'] },
        { op: 'replace', path: `${wso2}:accountLocked`, value: true },
        { op: 'replace', path: 'active', value: false },
        { op: 'add', path: 'phoneNumbers', value: [{ type: 'mobile', value: '1' }] },
        { op: 'replace', path: 'userName', value: 'admin' },
      ]) {
        await refused(['PATCH', boss, operations(operation), helper], 403)
      }
      const title = operations({ op: 'add', path: 'title', value: 'Boss' })
      expect((await server.send('PATCH', boss, title, helper)).status).toBe(200)
      const peer = await account(server.db, { userName: 'peer' })
      const password = operations({ op: 'replace', path: 'password', value: 'Another@123' })
      expect((await server.send('PATCH', `/scim2/Users/${peer}`, password, helper)).status).toBe(200)
      const own = operations({ op: 'replace', path: 'emails', value: ['helper@example.com'] })
      expect((await server.send('PATCH', `/scim2/Users/${id}`, own, helper)).status).toBe(200)
    })

    test('the last active administrator stays one', async () => {
      for (const attribute of ['accountLocked', 'accountDisabled']) {
        await refused(
          [
            'PATCH',
            `/scim2/Users/${await adminId()}`,
            operations({ op: 'replace', path: `${wso2}:${attribute}`, value: true }),
          ],
          403,
          'The last active administrator can be neither locked nor disabled.',
        )
      }
    })

    test('changes at once lose nothing', async () => {
      const { id } = await create('busy-one')
      const names = ['title', 'nickName', 'locale', 'timezone']
      const answers = await Promise.all(
        names.map(async (path) => {
          for (;;) {
            const change = operations({ op: 'add', path, value: path })
            const { status } = await server.send('PATCH', `/scim2/Users/${id}`, change)
            if (status !== 503) return status
          }
        }),
      )
      expect(answers).toEqual([200, 200, 200, 200])
      expect(JSON.parse((await row(id)).attributes)).toEqual(
        Object.fromEntries(names.map((name) => [name, name])),
      )
    })

    test('an impersonated token lists, reads and updates with the scope, but touches nothing sensitive', async () => {
      const scopes = ['list', 'view', 'create', 'update'].map((verb) => `internal_user_mgt_${verb}`)
      const app = await application(server.db, { name: 'POSTMAN_SBA', scopes })
      const subjectId = await account(server.db, { userName: 'subject-a' })
      const impersonatorId = await account(server.db, { userName: 'impersonator-a' })
      const other = await account(server.db, { userName: 'somebody' })
      const token = await impersonatedToken(server.db, {
        application: app,
        subjectId,
        impersonatorId,
        scopes,
      })
      const headers = bearer(token.value)
      expect((await server.send('GET', '/scim2/Users?count=1', undefined, headers)).status).toBe(200)
      expect((await server.send('GET', `/scim2/Users/${other}`, undefined, headers)).status).toBe(200)
      const audit = await events(() =>
        server.send(
          'PATCH',
          `/scim2/Users/${other}`,
          operations({ op: 'add', path: 'title', value: 'x' }),
          headers,
        ),
      )
      expect(audit).toMatchObject([
        {
          event: 'resource-modification-via-impersonation',
          outcome: 'AUTHORIZED',
          initiator: impersonatorId,
        },
        { event: 'user-claims-changed', initiator: subjectId, actor_id: impersonatorId },
      ])
      const before = await state(server.db)
      const create = await server.send(
        'POST',
        '/scim2/Users',
        { userName: 'made', password: 'Password@123' },
        headers,
      )
      expect(create.status).toBe(403)
      for (const operation of [
        { op: 'replace', path: 'password', value: 'Another@123' },
        { op: 'replace', value: { title: 'y', emails: ['x@example.com'] } },
        { op: 'remove', path: 'phoneNumbers' },
        { op: 'replace', path: 'userName', value: 'somebody' },
        { op: 'replace', path: `${wso2}:totpEnabled`, value: false },
        { op: 'replace', path: `${wso2}:oneTimePassword`, value: '1' },
        { op: 'replace', path: `${wso2}:accountLocked`, value: false },
        {
          op: 'add',
          path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:forcePasswordReset',
          value: true,
        },
      ]) {
        const answer = await server.send('PATCH', `/scim2/Users/${other}`, operations(operation), headers)
        expect([answer.status, operation]).toEqual([403, operation])
      }
      const after = await state(server.db)
      expect({ ...after, counts: {} }).toEqual({ ...before, counts: {} })
      const refusals = (await server.audit()).slice(-9)
      expect(refusals.map(({ event, outcome }) => [event, outcome])).toEqual([
        ['resource-creation-via-impersonation', '403'],
        ...Array(8).fill(['resource-modification-via-impersonation', '403']),
      ])
      expect(after.counts).toEqual({ ...before.counts, audit: (before.counts.audit ?? 0) + 9 })
    })
  })
}
