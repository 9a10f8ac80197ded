import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readRevision } from '../lib/database/commit.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { admin, type Booted, basic, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { account, apiResource, application, impersonatedToken, role, state } from './fixtures.ts'

type Body = Record<string, unknown>
type Headers = Record<string, string>

const roleSchema = 'urn:ietf:params:scim:schemas:extension:2.0:Role'
const organizationId = '10084a8d-113f-4211-a0d5-efe36b082211'

const operations = (...list: readonly Body[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: list,
})
const bodyOf = async (response: Response): Promise<Body> => (await response.json()) as Body
const values = (list: unknown) => (list as { value: string }[]).map(({ value }) => value)

for (const database of databases) {
  describe(`/scim2/v2/Roles on ${database.name}`, () => {
    let server: Booted
    let app: { readonly id: string; readonly clientId: string }
    beforeAll(async () => {
      server = await boot(database)
      app = await application(server.db, {
        name: 'app',
        scopes: ['internal_user_impersonate', 'internal_user_mgt_list', 'internal_user_mgt_view'],
      })
    })
    afterAll(() => server.stop())

    const events = async (work: () => Promise<unknown>) => {
      const before = (await server.audit()).length
      await work()
      return (await server.audit()).slice(before)
    }
    const patch = (id: string, ...list: readonly Body[]) =>
      server.send('PATCH', `/scim2/v2/Roles/${id}`, operations(...list))
    const versionOf = async (id: string) => {
      const { version } = await server.db
        .selectFrom('account')
        .select('version')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      return version
    }
    const adminId = async () => {
      const { id } = await server.db
        .selectFrom('account')
        .select('id')
        .where('user_name', '=', 'admin')
        .executeTakeFirstOrThrow()
      return id
    }
    const refused = async (
      asked: readonly [string, string, Body?, Headers?],
      status: number,
      detail?: string,
      scimType?: string,
    ) => {
      const before = [await state(server.db), await readRevision(server.db)]
      const response = await server.send(...asked)
      const body = await bodyOf(response)
      expect([response.status, body]).toEqual([
        status,
        {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
          ...(scimType ? { scimType } : {}),
          detail: detail ?? body.detail,
          status: String(status),
        },
      ])
      expect([await state(server.db), await readRevision(server.db)]).toEqual(before)
    }

    test('it creates the role of the documented call and gives it to a user', async () => {
      const userId = await account(server.db, { userName: 'Impersonator' })
      const revision = await readRevision(server.db)
      let response: Response | undefined
      const created = await events(async () => {
        response = await server.send('POST', '/scim2/v2/Roles', {
          schemas: [],
          displayName: 'ImpersonatorRole',
          audience: { value: app.id, type: 'APPLICATION' },
          permissions: [{ value: 'internal_user_impersonate' }],
        })
      })
      expect(response?.status).toBe(201)
      const body = await bodyOf(response as Response)
      const id = String(body.id)
      const location = `${origin}/scim2/v2/Roles/${id}`
      const summary = {
        displayName: 'ImpersonatorRole',
        meta: {
          created: expect.any(String),
          lastModified: expect.any(String),
          location,
          resourceType: 'Role',
          version: 'W/"1"',
        },
        schemas: [roleSchema],
        id,
        audience: { value: app.id, display: 'app', type: 'application' },
      }
      expect(body).toEqual(summary)
      expect(response?.headers.get('location')).toBe(location)
      expect(created).toMatchObject([
        {
          event: 'role-created',
          initiator: await adminId(),
          target: id,
          data: {
            name: 'ImpersonatorRole',
            audience: { type: 'application', id: app.id },
            permissions: ['internal_user_impersonate'],
            users: [],
          },
          outcome: 'Success',
        },
      ])
      expect(await readRevision(server.db)).toBe(revision + 1)
      let patched: Response | undefined
      const joined = await events(async () => {
        patched = await patch(id, { op: 'add', path: 'users', value: [{ value: userId }] })
      })
      expect(patched?.status).toBe(200)
      const whole = {
        ...summary,
        meta: { ...summary.meta, version: 'W/"2"' },
        users: [{ value: userId, display: 'Impersonator', $ref: `${origin}/scim2/Users/${userId}` }],
        groups: [],
        permissions: [
          {
            value: 'internal_user_impersonate',
            display: 'User Impersonation Scope',
            $ref: expect.stringContaining('/api/server/v1/api-resources/'),
          },
        ],
        associatedApplications: [
          { value: app.id, display: 'app', $ref: `${origin}/api/server/v1/applications/${app.id}` },
        ],
        properties: [],
      }
      expect(await bodyOf(patched as Response)).toEqual(whole)
      expect(joined).toMatchObject([
        { event: 'role-updated', target: id, data: { name: 'ImpersonatorRole', addedUsers: [userId] } },
      ])
      // membership concerns the account alone
      expect([await versionOf(userId), await readRevision(server.db)]).toEqual([2, revision + 1])
      const shown = await server.send('GET', `/scim2/v2/Roles/${id}`)
      expect([shown.status, await bodyOf(shown)]).toEqual([200, whole])
      // who has it already is not given it again
      expect(await events(() => patch(id, { op: 'add', path: 'users', value: [{ value: userId }] }))).toEqual(
        [],
      )
      expect(await versionOf(userId)).toBe(2)
    })

    test('without an audience it is the organization’s', async () => {
      const response = await server.send('POST', '/scim2/v2/Roles', { displayName: 'Everywhere' })
      expect(response.status).toBe(201)
      expect(await bodyOf(response)).toMatchObject({
        audience: { value: organizationId, display: 'Super', type: 'organization' },
      })
    })

    const asked = (change: Body): Body => ({
      displayName: 'Wanted',
      audience: { value: app.id, type: 'application' },
      ...change,
    })

    test('it refuses what no role can be', async () => {
      const other = await application(server.db, { name: 'organizational', allowedAudience: 'ORGANIZATION' })
      await role(server.db, { name: 'Existing', applicationId: app.id })
      const cases: readonly (readonly [Body, number, string | undefined, string])[] = [
        [{ displayName: 'Existing' }, 409, undefined, 'uniqueness'],
        [{ displayName: undefined }, 400, undefined, 'invalidValue'],
        [{ displayName: 'system_role' }, 400, undefined, 'invalidValue'],
        [{ displayName: 'a/b' }, 400, undefined, 'invalidValue'],
        [{ audience: { value: 'x', type: 'tenant' } }, 400, 'Invalid role audience', 'invalidValue'],
        [
          { audience: { value: 'nowhere', type: 'organization' } },
          400,
          'Invalid audience. Given Organization id: nowhere is invalid',
          'invalidValue',
        ],
        [
          { audience: { value: 'nothing', type: 'application' } },
          400,
          'Invalid audience. No application found with application id: nothing and tenant domain : carbon.super',
          'invalidValue',
        ],
        [
          { audience: { value: other.id, type: 'application' } },
          400,
          `Application: ${other.id} does not have Application role audience type`,
          'invalidValue',
        ],
        [
          { permissions: [{ value: 'readBooking' }] },
          400,
          'Permission: readBooking not found',
          'invalidValue',
        ],
        [
          { permissions: [{ value: 'internal_role_mgt_view' }] },
          400,
          `Permission : internal_role_mgt_view is not authorized for application with ID: ${app.id}`,
          'invalidValue',
        ],
        [{ permissions: 'x', users: [{}] }, 400, undefined, 'invalidValue'],
        [
          { users: [{ value: 'nobody' }] },
          400,
          "User can't be resolved from the given user Id.",
          'invalidValue',
        ],
        [{ groups: [{ value: 'group' }] }, 400, undefined, 'invalidValue'],
        [{ shoeSize: 42 }, 400, undefined, 'invalidSyntax'],
      ]
      for (const [change, status, detail, scimType] of cases) {
        await refused(['POST', '/scim2/v2/Roles', asked(change)], status, detail, scimType)
      }
      await refused(['GET', '/scim2/v2/Roles/nothing'], 404)
      await refused(
        ['PATCH', '/scim2/v2/Roles/nothing', operations({ op: 'add', path: 'users', value: [] })],
        404,
      )
    })

    test('an externalId is not kept, and a change of it is refused', async () => {
      const made = await server.send('POST', '/scim2/v2/Roles', { displayName: 'Without externalId' })
      const { id } = (await made.json()) as { id: string }
      for (const op of [
        { op: 'replace', path: 'externalId', value: 'x' },
        { op: 'add', value: { externalId: 'x' } },
      ]) {
        const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
        const body = { schemas, Operations: [op] }
        const answer = await server.send('PATCH', `/scim2/v2/Roles/${id}`, body)
        expect([answer.status, await answer.json()]).toMatchObject([400, { scimType: 'mutability' }])
      }
    })

    test('it refuses operations that mean nothing', async () => {
      const id = await role(server.db, { name: 'Unpatched', applicationId: app.id })
      const cases: readonly (readonly [Body, number, string | undefined])[] = [
        [{ op: 'remove' }, 400, 'noTarget'],
        [{ op: 'remove', path: 'users[value co x]' }, 400, 'invalidFilter'],
        [{ op: 'remove', path: 'users[value eq]' }, 400, 'invalidSyntax'],
        [{ op: 'remove', path: 'displayName' }, 400, 'mutability'],
        [{ op: 'replace', path: 'audience', value: {} }, 400, 'mutability'],
        [{ op: 'replace', path: 'id', value: 'x' }, 400, 'mutability'],
        [{ op: 'replace', path: 'nothing', value: 'x' }, 400, 'invalidPath'],
        [{ op: 'add', path: 'users[value eq x]', value: 'x' }, 400, 'invalidPath'],
        [{ op: 'add', path: 'users', value: [{ value: 'nobody' }] }, 400, 'invalidValue'],
        [{ op: 'add', path: 'groups', value: [{ value: 'group' }] }, 400, 'invalidValue'],
        [
          { op: 'add', path: 'permissions', value: [{ value: 'internal_role_mgt_view' }] },
          400,
          'invalidValue',
        ],
        [{ op: 'add', path: 'permissions', value: [{ value: 'nothing' }] }, 400, 'invalidValue'],
        [{ op: 'replace', path: 'displayName', value: 'system_x' }, 400, 'invalidValue'],
        [{ op: 'replace', value: 'x' }, 400, 'invalidValue'],
      ]
      for (const [operation, status, scimType] of cases) {
        await refused(['PATCH', `/scim2/v2/Roles/${id}`, operations(operation)], status, undefined, scimType)
      }
    })

    test('it renames, and changes users and permissions, in one commit', async () => {
      const [anna, bert, cleo] = [
        await account(server.db, { userName: 'anna' }),
        await account(server.db, { userName: 'bert' }),
        await account(server.db, { userName: 'cleo' }),
      ]
      const id = await role(server.db, {
        name: 'Before',
        applicationId: app.id,
        permissions: ['internal_user_mgt_list'],
        users: [anna, bert],
      })
      const revision = await readRevision(server.db)
      let response: Response | undefined
      const audit = await events(async () => {
        response = await patch(
          id,
          { op: 'replace', path: 'displayName', value: 'After' },
          { op: 'remove', path: `users[value eq ${anna}]` },
          { op: 'add', path: 'users', value: [{ value: cleo }] },
          { op: 'replace', value: { permissions: [{ value: 'internal_user_mgt_view' }] } },
        )
      })
      expect(response?.status).toBe(200)
      const body = await bodyOf(response as Response)
      expect(body).toMatchObject({ displayName: 'After' })
      expect(values(body.users).sort()).toEqual([bert, cleo].sort())
      expect(values(body.permissions)).toEqual(['internal_user_mgt_view'])
      expect(audit).toMatchObject([
        {
          event: 'role-updated',
          data: {
            name: 'Before',
            renamedTo: 'After',
            addedUsers: [cleo],
            removedUsers: [anna],
            addedPermissions: ['internal_user_mgt_view'],
            removedPermissions: ['internal_user_mgt_list'],
          },
        },
      ])
      expect(await readRevision(server.db)).toBe(revision + 1)
      expect(await Promise.all([anna, bert, cleo].map(versionOf))).toEqual([2, 1, 2])
      const replaced = await patch(id, { op: 'replace', path: 'users', value: [{ value: anna }] })
      expect(values((await bodyOf(replaced)).users)).toEqual([anna])
      const emptied = await patch(id, { op: 'remove', path: 'users' })
      expect((await bodyOf(emptied)).users).toEqual([])
      expect(await readRevision(server.db)).toBe(revision + 1)
      await role(server.db, { name: 'Third', applicationId: app.id })
      await refused(
        [
          'PATCH',
          `/scim2/v2/Roles/${id}`,
          operations({ op: 'replace', path: 'displayName', value: 'Third' }),
        ],
        409,
        undefined,
        'uniqueness',
      )
    })

    test('it finds roles by name and audience', async () => {
      await role(server.db, {
        name: 'Findable one',
        applicationId: app.id,
        permissions: ['internal_user_mgt_list'],
      })
      await role(server.db, { name: 'Findable two' })
      const found = async (query: Record<string, string>) => {
        const response = await server.send('GET', `/scim2/v2/Roles?${new URLSearchParams(query)}`)
        expect(response.status).toBe(200)
        return (await bodyOf(response)) as Body & { Resources: (Body & { displayName: string })[] }
      }
      const names = async (filter: string) =>
        (await found({ filter })).Resources.map(({ displayName }) => displayName).sort()
      expect(await names('displayName sw findable')).toEqual(['Findable one', 'Findable two'])
      expect(await names(`displayName sw Findable and audience.value eq ${app.id}`)).toEqual(['Findable one'])
      expect(await names('displayName co able and audience.type ne APPLICATION')).toEqual(['Findable two'])
      expect(await names('displayName ew "able two"')).toEqual(['Findable two'])
      expect(await names('displayName eq Administrator')).toEqual(['Administrator'])
      const page = await found({ filter: 'displayName sw findable', count: '1' })
      expect(page).toMatchObject({ totalResults: 2, startIndex: 1, itemsPerPage: 1 })
      expect(page.Resources[0]).not.toHaveProperty('permissions')
      const shown = await found({
        filter: 'displayName eq "Findable one"',
        attributes: 'displayName,permissions',
      })
      expect(shown.Resources).toEqual([
        {
          displayName: 'Findable one',
          schemas: [roleSchema],
          id: expect.any(String),
          permissions: [expect.objectContaining({ value: 'internal_user_mgt_list' })],
        },
      ])
      expect(await names('displayName eq "findable ONE" or displayName eq "Findable two"')).toEqual([
        'Findable one',
        'Findable two',
      ])
      for (const filter of ['users co x', 'colour eq x', 'properties[name eq "x"]', 'audience.type lt']) {
        const query = new URLSearchParams({ filter })
        await refused(['GET', `/scim2/v2/Roles?${query}`], 400, undefined, 'invalidFilter')
      }
      const sorted = await found({
        filter: 'displayName sw findable',
        sortBy: 'displayName',
        sortOrder: 'descending',
      })
      expect(sorted.Resources.map(({ displayName }) => displayName)).toEqual(['Findable two', 'Findable one'])
      await refused(['GET', '/scim2/v2/Roles?sortBy=colour'], 400, undefined, 'invalidFilter')
    })

    test('nobody hands out what he does not hold', async () => {
      await apiResource(server.db, 'https://bookings.example', ['bookings_write'])
      const id = await account(server.db, { userName: 'manager', password: 'Password@123' })
      const own = ['create', 'view', 'update'].map((verb) => `internal_role_mgt_${verb}`)
      const managers = await role(server.db, { name: 'Managers', permissions: own, users: [id] })
      const headers = { Authorization: basic('manager', 'Password@123') }
      const strong = await role(server.db, { name: 'Strong', permissions: ['internal_user_mgt_delete'] })
      const weak = await role(server.db, { name: 'Weak', permissions: ['internal_role_mgt_view'] })
      const detail = 'A role can be given only by who has all of its permissions.'
      const path = (role: string) => `/scim2/v2/Roles/${role}`
      const join = operations({ op: 'add', path: 'users', value: [{ value: id }] })
      for (const permission of ['internal_user_mgt_delete', 'internal_user_impersonate', 'bookings_write']) {
        const body = { displayName: 'Wanted', permissions: [{ value: permission }] }
        await refused(['POST', '/scim2/v2/Roles', body, headers], 403, detail)
        const add = operations({ op: 'add', path: 'permissions', value: [{ value: permission }] })
        await refused(['PATCH', path(managers), add, headers], 403, detail)
      }
      await refused(['PATCH', path(strong), join, headers], 403, detail)
      await refused(['PATCH', path(administratorRole.id), join, headers], 403, detail)
      const depose = operations({ op: 'remove', path: 'users' })
      await refused(['PATCH', path(administratorRole.id), depose, headers], 403, detail)
      expect((await server.send('PATCH', path(weak), join, headers)).status).toBe(200)
      const fine = {
        displayName: 'Fine',
        permissions: own.map((value) => ({ value })),
        users: [{ value: id }],
      }
      expect((await server.send('POST', '/scim2/v2/Roles', fine, headers)).status).toBe(201)
    })

    test('Administrator stays what it is, and keeps somebody who can use it', async () => {
      const path = `/scim2/v2/Roles/${administratorRole.id}`
      const fixed = 'Administrator can be neither renamed nor deleted nor deprived of permissions.'
      const rename = operations({ op: 'replace', path: 'displayName', value: 'Boss' })
      await refused(['PATCH', path, rename], 403, fixed)
      await refused(['PATCH', path, operations({ op: 'remove', path: 'permissions' })], 403, fixed)
      const first = await adminId()
      const locked = await account(server.db, { userName: 'locked', locked: true })
      const second = await account(server.db, { userName: 'second', password: 'Password@123' })
      const last = 'The last active administrator cannot lose Administrator.'
      const leave = { op: 'remove', path: `users[value eq "${first}"]` }
      await refused(['PATCH', path, operations(leave)], 403, last)
      await refused(
        ['PATCH', path, operations({ op: 'replace', path: 'users', value: [{ value: locked }] })],
        403,
        last,
      )
      expect(
        (await patch(administratorRole.id, { op: 'add', path: 'users', value: { value: second } })).status,
      ).toBe(200)
      // each deposes the other at once: one of them stays
      const headers = { Authorization: basic('second', 'Password@123') }
      const both = await Promise.all([
        server.send('PATCH', path, operations({ op: 'remove', path: `users[value eq ${second}]` })),
        server.send('PATCH', path, operations(leave), headers),
      ])
      expect(both.filter(({ status }) => status === 200)).toHaveLength(1)
      const members = await server.db
        .selectFrom('account_role')
        .select('account_id')
        .where('role_id', '=', administratorRole.id)
        .execute()
      expect(members).toHaveLength(1)
      const winner = members[0]?.account_id === first ? admin : headers.Authorization
      const swap = operations({
        op: 'replace',
        path: 'users',
        value: [{ value: members[0]?.account_id === first ? second : first }],
      })
      expect((await server.send('PATCH', path, swap, { Authorization: winner })).status).toBe(200)
    })

    test('an impersonated token has no business with roles', async () => {
      const permissions = ['internal_role_mgt_view', 'internal_role_mgt_create', 'internal_role_mgt_update']
      const roles = await application(server.db, { name: 'roles', scopes: permissions })
      const subjectId = await account(server.db, { userName: 'subject' })
      const impersonatorId = await account(server.db, { userName: 'impersonator-b' })
      const token = await impersonatedToken(server.db, {
        application: roles,
        subjectId,
        impersonatorId,
        scopes: permissions,
      })
      const headers = { Authorization: `Bearer ${token.value}` }
      const before = await state(server.db)
      const id = await role(server.db, { name: 'Existing', applicationId: app.id })
      const rename = operations({ op: 'replace', path: 'displayName', value: 'x' })
      for (const [method, path, body] of [
        ['GET', '/scim2/v2/Roles'],
        ['GET', `/scim2/v2/Roles/${id}`],
        ['POST', '/scim2/v2/Roles', { displayName: 'x' }],
        ['PATCH', `/scim2/v2/Roles/${id}`, rename],
      ] as const) {
        const response = await server.send(method, path, body, headers)
        expect([response.status, await bodyOf(response)]).toEqual([
          403,
          expect.objectContaining({ status: 403 }),
        ])
      }
      const after = await state(server.db)
      expect(after).toEqual({
        ...before,
        counts: { ...before.counts, audit: (before.counts.audit ?? 0) + 2 },
      })
      expect((await server.audit()).slice(-2).map(({ event, outcome }) => [event, outcome])).toEqual([
        ['resource-creation-via-impersonation', '403'],
        ['resource-modification-via-impersonation', '403'],
      ])
    })
  })
}
