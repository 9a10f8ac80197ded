/** API resources and scopes made, changed and removed: each operation, each refusal, and what goes with a scope. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Describe } from '../lib/access/operation.ts'
import { operations } from '../lib/api/api-resources/operations.ts'
import { systemApis } from '../lib/directory/system-apis.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, role, userToken } from './fixtures.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

const path = '/api/server/v1/api-resources'

interface Scope {
  readonly id: string
  readonly name: string
  readonly displayName: string
  readonly description?: string
}

interface Resource {
  readonly id: string
  readonly name: string
  readonly description?: string
  readonly scopes: readonly Scope[]
  readonly subscribedApplications: readonly { readonly name: string }[]
}

let made = 0

for (const database of databases) {
  describe(`changes of API resources on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const read = async (id: string) => {
      const response = await server.send('GET', `${path}/${id}`)
      expect(response.status).toBe(200)
      return (await response.json()) as Resource
    }
    const lastAudit = async () => {
      const row = (await server.audit()).at(-1)
      return { event: row?.event, target: row?.target, data: row?.data, outcome: row?.outcome }
    }
    /** An API resource of its own, with scopes `KEY.read` and `KEY.write`. */
    const create = async (more: object = {}) => {
      made += 1
      const key = `books${made}`
      const response = await server.send('POST', path, {
        name: `Books ${made}`,
        identifier: `https://api.example/${key}`,
        scopes: [
          { name: `${key}.read`, displayName: 'Read', description: 'Reads books' },
          { name: `${key}.write` },
        ],
        ...more,
      })
      expect(response.status).toBe(201)
      const resource = (await response.json()) as Resource
      return { ...resource, key, url: `${path}/${resource.id}`, response }
    }
    const idOf = async (identifier: string) => {
      const filter = encodeURIComponent(`identifier eq ${identifier}`)
      const list = await (await server.send('GET', `${path}?filter=${filter}`)).json()
      return String((list as { apiResources: { id: string }[] }).apiResources[0]?.id)
    }

    describe('an API resource', () => {
      test('is made with its scopes, which Administrator holds at once', async () => {
        const { result } = await nothingElse(
          server.db,
          {
            api_resource: { added: 1 },
            scope: { added: 2 },
            role_permission: { added: 2 },
            role: { changed: 1 },
            audit: { added: 1 },
            revision: { changed: 1 },
          },
          () => create({ description: 'All books' }),
        )
        const { response, key, url, id } = result
        const self = `/t/carbon.super${url}`
        expect(response.headers.get('location')).toBe(`https://localhost:9443${self}`)
        expect(response.headers.get('etag')).toBe('W/"1"')
        expect(await read(id)).toEqual({
          id,
          name: `Books ${made}`,
          identifier: `https://api.example/${key}`,
          description: 'All books',
          type: 'BUSINESS',
          requiresAuthorization: true,
          scopes: [
            { id: expect.any(String), name: `${key}.read`, displayName: 'Read', description: 'Reads books' },
            { id: expect.any(String), name: `${key}.write`, displayName: `${key}.write` },
          ],
          authorizationDetailsTypes: [],
          subscribedApplications: [],
          properties: [],
          self,
        } as never)
        expect(await lastAudit()).toEqual({
          event: 'api-resource-created',
          target: id,
          data: {
            identifier: `https://api.example/${key}`,
            name: `Books ${made}`,
            type: 'BUSINESS',
            requiresAuthorization: true,
            scopes: [`${key}.read`, `${key}.write`],
          },
          outcome: 'Success',
        })
        const scopes = await server.send('GET', `/api/server/v1/scopes?filter=name+sw+${key}`)
        expect(await scopes.json()).toEqual(result.scopes)
      })

      test('is open to everybody, an MCP server, or without scopes when the request says so', async () => {
        const open = await create({ requiresAuthorization: false, resourceType: 'MCP', scopes: null })
        expect(await read(open.id)).toMatchObject({ requiresAuthorization: false, type: 'MCP', scopes: [] })
        // one of type MCP is no system API
        expect((await server.send('DELETE', open.url)).status).toBe(204)
      })

      test('is renamed, described and given scopes; nothing new writes nothing', async () => {
        const { id, key, url, scopes } = await create()
        const { result } = await nothingElse(
          server.db,
          {
            api_resource: { changed: 1 },
            scope: { added: 1 },
            role_permission: { added: 1 },
            role: { changed: 1 },
            audit: { added: 1 },
            revision: { changed: 1 },
          },
          () =>
            server.send('PATCH', url, {
              name: 'Library',
              description: 'Everything to read',
              addedScopes: [{ name: `${key}.burn`, displayName: 'Burn' }],
              addedAuthorizationDetailsTypes: [],
            }),
        )
        expect([result.status, await result.text()]).toEqual([204, ''])
        const after = await read(id)
        expect(after).toMatchObject({ name: 'Library', description: 'Everything to read' })
        expect(after.scopes.map(({ name }) => name)).toEqual([`${key}.burn`, `${key}.read`, `${key}.write`])
        expect(after.scopes.slice(1)).toEqual([...scopes])
        expect(await lastAudit()).toMatchObject({
          event: 'api-resource-updated',
          target: id,
          data: {
            identifier: `https://api.example/${key}`,
            renamedTo: 'Library',
            description: 'Everything to read',
            addedScopes: [`${key}.burn`],
          },
        })
        await nothingElse(server.db, {}, async () => {
          for (const same of [
            {},
            { name: 'Library' },
            { name: null, description: null },
            { addedScopes: [] },
          ])
            expect((await server.send('PATCH', url, same)).status).toBe(204)
        })
      })

      test('is removed with its scopes; one that is not there is removed already', async () => {
        const { id, key, url } = await create()
        const { result } = await nothingElse(
          server.db,
          {
            api_resource: { removed: 1 },
            scope: { removed: 2 },
            role_permission: { removed: 2 },
            role: { changed: 1 },
            audit: { added: 1 },
            revision: { changed: 1 },
          },
          () => server.send('DELETE', url),
        )
        expect([result.status, await result.text()]).toEqual([204, ''])
        expect(await lastAudit()).toMatchObject({
          event: 'api-resource-deleted',
          target: id,
          data: { identifier: `https://api.example/${key}`, removedScopes: [`${key}.read`, `${key}.write`] },
        })
        await nothingElse(server.db, {}, async () => {
          for (const gone of [url, `${path}/nobodys`, `${path}/${'x'.repeat(2_000)}`])
            expect((await server.send('DELETE', gone)).status).toBe(204)
        })
      })

      test('has an edition: a stale If-Match changes nothing, a current one or none does', async () => {
        const { id, key, url, scopes } = await create()
        const tag = async () => (await server.send('GET', url)).headers.get('etag') ?? ''
        const first = await tag()
        const byName = `${url}/scopes/${key}.read`
        const byId = `${url}/scopes/id/${scopes[0]?.id}`
        const admin = server.send
        const conditional = (method: string, at: string, body: unknown, ifMatch: string) =>
          server.request(at, {
            method,
            headers: {
              Authorization: `Basic ${btoa('admin:admin')}`,
              'If-Match': ifMatch,
              ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          })
        expect((await conditional('PATCH', url, { name: 'Second' }, first)).status).toBe(204)
        const second = await tag()
        expect(second).not.toBe(first)
        for (const [method, at, body] of [
          ['PATCH', url, { name: 'Third' }],
          ['PUT', `${url}/scopes`, []],
          ['PATCH', byName, { displayName: 'R' }],
          ['PATCH', byId, { displayName: 'R' }],
          ['DELETE', byName, undefined],
          ['DELETE', byId, undefined],
          ['DELETE', url, undefined],
        ] as const)
          await expectRefusal(server, () => conditional(method, at, body, first), {
            status: 412,
            code: 'UE-10012',
          })
        expect((await conditional('PATCH', byName, { displayName: 'R' }, second)).status).toBe(204)
        const changed = await admin('PATCH', byId, { displayName: 'S' })
        expect(changed.status).toBe(200)
        expect(await changed.json()).toEqual({ ...scopes[0], displayName: 'S' })
        expect(changed.headers.get('etag')).toBe(await tag())
        const list = await admin('GET', `${url}/scopes`)
        expect(list.headers.get('etag')).toBe(await tag())
        const known = await server.request(`${url}/scopes`, {
          headers: { Authorization: `Basic ${btoa('admin:admin')}`, 'If-None-Match': await tag() },
        })
        expect([known.status, await known.text()]).toEqual([304, ''])
        expect((await conditional('DELETE', url, undefined, await tag())).status).toBe(204)
        expect((await admin('GET', `${path}/${id}`)).status).toBe(404)
      })
    })

    describe('the scopes of an API resource', () => {
      test('are replaced: those that stay keep their ids, the others come and go', async () => {
        const { id, key, url, scopes } = await create()
        const [first] = scopes
        const { result } = await nothingElse(
          server.db,
          {
            api_resource: { changed: 1 },
            scope: { added: 1, removed: 1, changed: 1 },
            role_permission: { added: 1, removed: 1 },
            role: { changed: 1 },
            audit: { added: 1 },
            revision: { changed: 1 },
          },
          () =>
            server.send('PUT', `${url}/scopes`, [
              { ...first, displayName: 'Look' },
              { name: `${key}.lend`, description: 'Lends books' },
            ]),
        )
        expect([result.status, await result.text()]).toEqual([204, ''])
        const after = (await (await server.send('GET', `${url}/scopes`)).json()) as Scope[]
        expect(after).toEqual([
          {
            id: expect.any(String),
            name: `${key}.lend`,
            displayName: `${key}.lend`,
            description: 'Lends books',
          },
          { ...(first as Scope), displayName: 'Look' },
        ])
        expect(await lastAudit()).toMatchObject({
          event: 'api-resource-updated',
          target: id,
          data: {
            addedScopes: [`${key}.lend`],
            removedScopes: [`${key}.write`],
            changedScopes: [`${key}.read`],
          },
        })
        await nothingElse(server.db, {}, async () => {
          expect((await server.send('PUT', `${url}/scopes`, after)).status).toBe(204)
        })
        expect((await server.send('PUT', `${url}/scopes`, [])).status).toBe(204)
        expect((await read(id)).scopes).toEqual([])
      })

      test('are described and removed by name and by id', async () => {
        const { id, key, url, scopes } = await create()
        const [first, second] = scopes
        const by = (scope: Scope | undefined) => `${url}/scopes/id/${scope?.id}`
        const changes = { api_resource: { changed: 1 }, audit: { added: 1 }, revision: { changed: 1 } }
        await nothingElse(server.db, { ...changes, scope: { changed: 1 } }, async () => {
          const described = await server.send('PATCH', `${url}/scopes/${key}.read`, { description: 'Looks' })
          expect([described.status, await described.text()]).toEqual([204, ''])
        })
        await nothingElse(server.db, { ...changes, scope: { changed: 1 } }, async () => {
          const renamed = await server.send('PATCH', by(second), { displayName: 'Write' })
          expect(renamed.status).toBe(200)
          expect(await renamed.json()).toEqual({ ...second, displayName: 'Write' })
        })
        expect((await read(id)).scopes).toEqual([
          { ...(first as Scope), description: 'Looks' },
          { ...(second as Scope), displayName: 'Write' },
        ])
        // a blank display name leaves it, as there
        await nothingElse(server.db, {}, async () => {
          expect((await server.send('PATCH', by(second), { displayName: ' ' })).status).toBe(200)
        })
        const removal = {
          ...changes,
          scope: { removed: 1 },
          role_permission: { removed: 1 },
          role: { changed: 1 },
        }
        await nothingElse(server.db, removal, async () => {
          expect((await server.send('DELETE', `${url}/scopes/${key}.read`)).status).toBe(204)
        })
        await nothingElse(server.db, removal, async () => {
          expect((await server.send('DELETE', by(second))).status).toBe(204)
        })
        expect(await lastAudit()).toMatchObject({
          event: 'api-resource-updated',
          data: { removedScopes: [`${key}.write`] },
        })
        await nothingElse(server.db, {}, async () => {
          for (const gone of [
            `${url}/scopes/${key}.read`,
            by(second),
            `${path}/nobodys/scopes/x`,
            `${path}/nobodys/scopes/id/x`,
          ])
            expect((await server.send('DELETE', gone)).status).toBe(204)
        })
      })

      test('have names with any character of a scope-token', async () => {
        const { url, id } = await create({ scopes: [] })
        const names = ['https://api.example/read', 'read:all', "it's", 'a%2Fb', '*', 'id']
        expect(
          (
            await server.send(
              'PUT',
              `${url}/scopes`,
              names.map((name) => ({ name })),
            )
          ).status,
        ).toBe(204)
        for (const name of names)
          expect((await server.send('DELETE', `${url}/scopes/${encodeURIComponent(name)}`)).status).toBe(204)
        expect((await read(id)).scopes).toEqual([])
      })
    })

    describe('what goes with a scope', () => {
      /** An application that is authorized, a role and a user with a token: all that can have a scope. */
      const use = async (key: string) => {
        const scopes = [`${key}.read`, `${key}.write`]
        const asked = await application(server.db, { name: `app of ${key}`, scopes })
        const roleId = await role(server.db, {
          name: `role of ${key}`,
          applicationId: asked.id,
          permissions: scopes,
        })
        const subjectId = await account(server.db, { userName: `reader of ${key}`, roles: [roleId] })
        const value = await userToken(server.db, {
          application: asked,
          subjectId,
          scopes: ['internal_login', `${key}.writer`, ...scopes, 'internal_api_resource_view'],
        })
        const { commit, write } = await import('../lib/database/commit.ts')
        const row = {
          account_id: subjectId,
          application_id: asked.id,
          scopes: `${key}.read openid ${key}.write`,
          given_at: new Date().toISOString(),
        }
        expect(await commit(server.db, [write(server.db.insertInto('consent').values(row))])).toBe(
          'committed',
        )
        const introspect = async () => {
          const response = await server.request('/oauth2/introspect', {
            method: 'POST',
            headers: { Authorization: `Basic ${btoa('admin:admin')}` },
            body: new URLSearchParams({ token: value }),
          })
          return ((await response.json()) as { scope: string }).scope.split(' ')
        }
        const held = async () => {
          const [ofRole, ofApplication, consent, token] = await Promise.all([
            server.db
              .selectFrom('role_permission')
              .select('scope_name as name')
              .where('role_id', '=', roleId)
              .execute(),
            server.db
              .selectFrom('application_scope')
              .select('scope_name as name')
              .where('application_id', '=', asked.id)
              .execute(),
            server.db
              .selectFrom('consent')
              .select('scopes')
              .where('account_id', '=', subjectId)
              .executeTakeFirstOrThrow(),
            introspect(),
          ])
          return {
            role: ofRole.map(({ name }) => name).sort(),
            application: ofApplication.map(({ name }) => name).sort(),
            consent: consent.scopes,
            token: token.filter((name) => name.startsWith(key)),
          }
        }
        return { held, asked }
      }

      test('is taken from roles, applications, consents and tokens at once, and only that scope', async () => {
        const { key, url } = await create()
        const { held } = await use(key)
        expect(await held()).toEqual({
          role: [`${key}.read`, `${key}.write`],
          application: [`${key}.read`, `${key}.write`],
          consent: `${key}.read openid ${key}.write`,
          token: [`${key}.writer`, `${key}.read`, `${key}.write`],
        })
        await nothingElse(
          server.db,
          {
            api_resource: { changed: 1 },
            scope: { removed: 1 },
            application_scope: { removed: 1 },
            role_permission: { removed: 2 },
            // Administrator, and the role that had it
            role: { changed: 2 },
            application: { changed: 1 },
            consent: { added: 1, removed: 1 },
            token: { changed: 1 },
            audit: { added: 1 },
            revision: { changed: 1 },
          },
          () => server.send('DELETE', `${url}/scopes/${key}.write`),
        )
        expect(await held()).toEqual({
          role: [`${key}.read`],
          application: [`${key}.read`],
          consent: `${key}.read openid`,
          token: [`${key}.writer`, `${key}.read`],
        })
      })

      test.each(['DELETE of the scope', 'PUT of the others', 'DELETE of the API resource'])(
        'after a %s, one of the same name is new to everybody',
        async (way) => {
          const first = await create()
          const { key, url } = first
          const { held, asked } = await use(key)
          const before = await server.send('GET', `/api/server/v1/applications/${asked.id}`)
          expect(before.status).toBe(200)
          const whole = way === 'DELETE of the API resource'
          const removed = whole
            ? await server.send('DELETE', url)
            : way === 'DELETE of the scope'
              ? await server.send('DELETE', `${url}/scopes/${key}.read`)
              : await server.send('PUT', `${url}/scopes`, [{ name: `${key}.write` }])
          expect(removed.status).toBe(204)
          const scopes = [{ name: `${key}.read` }]
          const identifier = `https://api.example/${key}`
          const again = whole
            ? await server.send('POST', path, { name: 'Other', identifier, scopes })
            : await server.send('PATCH', url, { addedScopes: scopes })
          expect(again.status).toBe(whole ? 201 : 204)
          const left = whole ? [] : [`${key}.write`]
          expect(await held()).toEqual({
            role: left,
            application: left,
            consent: ['openid', ...left].join(' '),
            token: [`${key}.writer`, ...left],
          })
          // and though the application is authorized anew
          const id = await idOf(identifier)
          const apis = await server.db
            .selectFrom('application_api')
            .select('api_resource_id')
            .where('application_id', '=', asked.id)
            .execute()
          expect(apis.map((api) => api.api_resource_id)).toEqual(whole ? [] : [id])
          if (!whole) return
          const authorized = await server.send(
            'POST',
            `/api/server/v1/applications/${asked.id}/authorized-apis`,
            {
              id,
              policyIdentifier: 'RBAC',
              scopes: [`${key}.read`],
            },
          )
          expect(authorized.status).toBe(200)
          expect((await held()).token).toEqual([`${key}.writer`])
        },
      )

      test('a hundred scopes go at once, whatever stands between them', async () => {
        const { db } = server
        const all = Array.from({ length: 120 }, (_, n) => `${n % 2 ? 'odd' : 'even'}-${n}`)
        const { id, url } = await create({ scopes: all.map((name) => ({ name })) })
        const asked = await application(db, { name: `app of ${id}`, scopes: all })
        const subjectId = await account(db, { userName: `of ${id}` })
        const scopes = ['even', ...all.slice(0, 60), 'even-1', ...all.slice(60), 'odd-1000', 'x.odd-1']
        await userToken(db, { application: asked, subjectId, scopes })
        await userToken(db, { application: asked, subjectId, scopes: all })
        expect((await server.send('DELETE', url)).status).toBe(204)
        const rows = await db
          .selectFrom('token')
          .select('scopes')
          .where('subject_id', '=', subjectId)
          .orderBy('scopes')
          .execute()
        expect(rows).toEqual([{ scopes: '' }, { scopes: 'even even-1 odd-1000 x.odd-1' }])
      })

      test('the API resource shows who is subscribed, and its removal ends that', async () => {
        const { key, url, id } = await create()
        const { asked } = await use(key)
        expect((await read(id)).subscribedApplications).toEqual([{ name: `app of ${key}` }])
        expect((await server.send('DELETE', url)).status).toBe(204)
        const left = await server.db
          .selectFrom('application_api')
          .select('api_resource_id')
          .where('application_id', '=', asked.id)
          .execute()
        expect(left).toEqual([])
      })
    })

    describe('a refusal', () => {
      const body = (more: object = {}) => ({ name: 'Refused', identifier: 'refused', ...more })
      const scoped = (...names: unknown[]) => body({ scopes: names.map((name) => ({ name })) })

      test.each([
        ['no name', { identifier: 'refused' }, 400, 'UE-10000'],
        ['a blank name', body({ name: ' ' }), 400, 'API-RESOURCE-60003'],
        ['a name of 256', body({ name: 'x'.repeat(256) }), 400, 'UE-10000'],
        ['a name with unseen characters', body({ name: 'a\u202eb' }), 400, 'UE-10000'],
        ['no identifier', { name: 'Refused' }, 400, 'UE-10000'],
        ['an empty identifier', body({ identifier: '' }), 400, 'API-RESOURCE-60004'],
        ['an identifier with a space', body({ identifier: 'a b' }), 400, 'UE-10000'],
        ['a reserved identifier', body({ identifier: 'system:impersonation2' }), 400, 'API-RESOURCE-60007'],
        ['a reserved one', body({ identifier: 'org:impersonation' }), 400, 'API-RESOURCE-60007'],
        ['a taken identifier', body({ identifier: '/scim2/Users' }), 409, 'API-RESOURCE-60003'],
        ['a scope without a name', body({ scopes: [{}] }), 400, 'UE-10000'],
        ['a scope with a blank name', scoped(' '), 400, 'API-RESOURCE-60005'],
        ['a scope with a space', scoped('a b'), 400, 'API-RESOURCE-60005'],
        ['a scope with a quote', scoped('a"b'), 400, 'API-RESOURCE-60005'],
        ['a permission of the server', scoped('internal_user_mgt_delete'), 400, 'API-RESOURCE-60008'],
        ['one that looks like it', scoped('Internal_x'), 400, 'API-RESOURCE-60008'],
        ['the permission to impersonate', scoped('internal_user_impersonate'), 400, 'API-RESOURCE-60008'],
        ['a console scope', scoped('console:users'), 400, 'API-RESOURCE-60008'],
        ['SYSTEM', scoped('SYSTEM'), 400, 'API-RESOURCE-60008'],
        ['openid', scoped('openid'), 400, 'API-RESOURCE-60009'],
        ['roles', scoped('roles'), 400, 'API-RESOURCE-60009'],
        ['offline_access', scoped('offline_access'), 400, 'API-RESOURCE-60009'],
        ['a scope twice', scoped('twice', 'twice'), 409, 'API-RESOURCE-60004'],
        [
          'more than 1000 scopes',
          scoped(...Array.from({ length: 1_001 }, (_, n) => `s${n}`)),
          400,
          'UE-10000',
        ],
        ['a type that is not made here', body({ resourceType: 'TENANT' }), 400, 'UE-10000'],
        ['an unknown attribute', body({ type: 'TENANT' }), 400, 'UE-10000'],
        ['details types', body({ authorizationDetailsTypes: [{ type: 'x' }] }), 400, 'UE-10000'],
        ['no object', [], 400, 'UE-10000'],
        ['NUL', body({ description: 'a\0b' }), 400, 'UE-10000'],
      ])('of a new one with %s', async (_, sent, status, code) => {
        await expectRefusal(server, () => server.send('POST', path, sent), { status, code })
      })

      test('of an identifier that is a client id, and of a taken scope', async () => {
        const { key } = await create()
        const { clientId } = await application(server.db, { name: 'named like an API' })
        await expectRefusal(server, () => server.send('POST', path, body({ identifier: clientId })), {
          status: 400,
          code: 'API-RESOURCE-60007',
        })
        await expectRefusal(server, () => server.send('POST', path, scoped(`${key}.read`)), {
          status: 409,
          code: 'API-RESOURCE-60004',
        })
        expect(
          (
            await server.send('POST', '/api/server/v1/oidc/scopes', {
              name: 'hr',
              displayName: 'HR',
              claims: [],
            })
          ).status,
        ).toBe(201)
        await expectRefusal(server, () => server.send('POST', path, scoped('hr')), {
          status: 400,
          code: 'API-RESOURCE-60009',
        })
        await server.send('DELETE', '/api/server/v1/oidc/scopes/hr')
      })

      test('of a change', async () => {
        const [one, other] = [await create(), await create()]
        const at = (rest: string) => `${one.url}${rest}`
        const added = (name: string) => ({ addedScopes: [{ name }] })
        for (const [method, url, sent, status, code] of [
          ['PATCH', one.url, { removedScopes: [`${one.key}.read`] }, 501, 'API-RESOURCE-60006'],
          ['PATCH', one.url, { removedScopes: [] }, 501, 'API-RESOURCE-60006'],
          ['PATCH', one.url, { addedAuthorizationDetailsTypes: [{ type: 'x' }] }, 400, 'UE-10000'],
          ['PATCH', one.url, { name: '' }, 400, 'API-RESOURCE-60003'],
          ['PATCH', one.url, { identifier: 'other' }, 400, 'UE-10000'],
          ['PATCH', one.url, { requiresAuthorization: false }, 400, 'UE-10000'],
          ['PATCH', one.url, added(''), 400, 'API-RESOURCE-60005'],
          ['PATCH', one.url, added('internal_x'), 400, 'API-RESOURCE-60008'],
          ['PATCH', one.url, added('email'), 400, 'API-RESOURCE-60009'],
          ['PATCH', one.url, added(`${one.key}.read`), 409, 'API-RESOURCE-60004'],
          ['PATCH', one.url, added(`${other.key}.read`), 409, 'API-RESOURCE-60004'],
          ['PATCH', `${path}/nobodys`, {}, 404, 'API-RESOURCE-60002'],
          ['GET', `${path}/nobodys/scopes`, undefined, 404, 'API-RESOURCE-60002'],
          ['PUT', `${path}/nobodys/scopes`, [], 404, 'API-RESOURCE-60002'],
          ['PUT', at('/scopes'), {}, 400, 'UE-10000'],
          ['PUT', at('/scopes'), [{ name: 'a' }, { name: 'a' }], 409, 'API-RESOURCE-60004'],
          ['PUT', at('/scopes'), [{ name: `${other.key}.read` }], 409, 'API-RESOURCE-60004'],
          ['PUT', at('/scopes'), [{ name: 'internal_user_mgt_view' }], 400, 'API-RESOURCE-60008'],
          ['PUT', at('/scopes'), [{ name: 'phone' }], 400, 'API-RESOURCE-60009'],
          ['PATCH', `${path}/nobodys/scopes/x`, {}, 404, 'API-RESOURCE-60002'],
          ['PATCH', at('/scopes/nobodys'), {}, 404, 'API-RESOURCE-60005'],
          ['PATCH', at(`/scopes/${other.key}.read`), {}, 404, 'API-RESOURCE-60005'],
          ['PATCH', at('/scopes/id/nobodys'), {}, 404, 'API-RESOURCE-60017'],
          ['PATCH', at(`/scopes/id/${other.scopes[0]?.id}`), {}, 404, 'API-RESOURCE-60017'],
          ['PATCH', at(`/scopes/${one.key}.read`), { name: 'internal_x' }, 400, 'UE-10000'],
          ['GET', `${path}/nobodys/authorization-details-types`, undefined, 404, 'API-RESOURCE-60002'],
          ['PUT', at('/authorization-details-types'), [{ type: 'x' }], 400, 'UE-10000'],
          ['GET', at('/authorization-details-types/x'), undefined, 404, 'API-RESOURCE-60015'],
          ['PATCH', at('/authorization-details-types/x'), {}, 404, 'API-RESOURCE-60015'],
        ] as const)
          await expectRefusal(server, () => server.send(method, url, sent), { status, code })
        // a scope of another API resource is not removed through this one
        await nothingElse(server.db, {}, async () => {
          for (const rest of [`/scopes/${other.key}.read`, `/scopes/id/${other.scopes[0]?.id}`])
            expect((await server.send('DELETE', at(rest))).status).toBe(204)
        })
      })

      test.each(['/scim2/Users', '/o/scim2/Users', 'system:impersonation'])(
        'of whatever would change the system API %s',
        async (identifier) => {
          const id = await idOf(identifier)
          const { scopes } = await read(id)
          const [scope] = scopes
          const url = `${path}/${id}`
          for (const [method, rest, sent] of [
            ['PATCH', '', { name: 'Mine' }],
            ['DELETE', '', undefined],
            ['PUT', '/scopes', []],
            ['PATCH', `/scopes/${scope?.name}`, { displayName: 'Mine' }],
            ['DELETE', `/scopes/${scope?.name}`, undefined],
            ['PATCH', `/scopes/id/${scope?.id}`, { displayName: 'Mine' }],
            ['DELETE', `/scopes/id/${scope?.id}`, undefined],
            ['PUT', '/authorization-details-types', []],
            ['DELETE', '/authorization-details-types/x', undefined],
          ] as const)
            await expectRefusal(server, () => server.send(method, `${url}${rest}`, sent), {
              status: 403,
              code: 'API-RESOURCE-60012',
            })
        },
      )

      test('of who lacks the permission of the operation, and of who acts for somebody else', async () => {
        const { url, key } = await create()
        const headers = await operator(server, `lacks ${key}`, ['internal_user_mgt_view'])
        for (const [method, at, sent] of [
          ['POST', path, body()],
          ['PATCH', url, {}],
          ['DELETE', url, undefined],
          ['GET', `${url}/scopes`, undefined],
          ['PUT', `${url}/scopes`, []],
          ['PATCH', `${url}/scopes/${key}.read`, {}],
          ['DELETE', `${url}/scopes/${key}.read`, undefined],
          ['PATCH', `${url}/scopes/id/x`, {}],
          ['DELETE', `${url}/scopes/id/x`, undefined],
          ['GET', '/api/server/v1/scopes', undefined],
          ['GET', '/api/server/v1/authorization-details-types', undefined],
          ['GET', `${url}/authorization-details-types`, undefined],
        ] as const)
          await expectRefusal(server, () => server.send(method, at, sent, headers), {
            status: 403,
            code: 403,
          })
      })
    })

    test('who may make scopes does not hold them for that, and hands them to nobody', async () => {
      const headers = await operator(server, 'maker', [
        'internal_api_resource_create',
        'internal_application_mgt_create',
        'internal_application_mgt_view',
        'internal_role_mgt_create',
      ])
      const response = await server.send(
        'POST',
        path,
        { name: 'Maker', identifier: 'maker', scopes: [{ name: 'maker.all' }] },
        headers,
      )
      expect(response.status).toBe(201)
      const { id } = (await response.json()) as Resource
      const { id: applicationId } = await application(server.db, { name: "maker's application" })
      const authorized = await server.send(
        'POST',
        `/api/server/v1/applications/${applicationId}/authorized-apis`,
        { id, scopes: ['maker.all'] },
        headers,
      )
      expect([authorized.status, ((await authorized.json()) as { code: string }).code]).toEqual([
        403,
        'APP-60520',
      ])
      const role = await server.send(
        'POST',
        '/scim2/v2/Roles',
        { displayName: 'Makers', permissions: [{ value: 'maker.all' }] },
        headers,
      )
      expect(role.status).toBe(403)
    })

    test('of twenty who make the same at once one does', async () => {
      const statuses = await Promise.all(
        Array.from({ length: 20 }, async (_, n) => {
          const sent = {
            name: 'Once',
            identifier: n % 2 ? 'once' : `once${n}`,
            scopes: [{ name: 'once.read' }],
          }
          return (await server.send('POST', path, sent)).status
        }),
      )
      expect(statuses.filter((status) => status === 201)).toHaveLength(1)
      expect(statuses.every((status) => [201, 409, 503].includes(status))).toBe(true)
    })

    test('what is answered is what the OpenAPI document says', async () => {
      const { url, key, scopes } = await create({ description: 'All books' })
      await application(server.db, { name: `shown with ${key}`, scopes: [`${key}.read`] })
      const collections = '/api/server/v1/meta/api-resource-collections'
      for (const [method, at, { describe: said, status = 200, sent }] of [
        ['GET', `${path}?limit=3&attributes=properties`, { describe: operations.list }],
        ['GET', url, { describe: operations.read }],
        ['GET', `${url}/scopes`, { describe: operations.readScopes }],
        ['GET', `/api/server/v1/scopes?filter=name+sw+${key}`, { describe: operations.listScopes }],
        ['GET', collections, { describe: operations.listCollections }],
        ['GET', `${collections}?attributes=apiResources`, { describe: operations.listCollections }],
        ['GET', `${collections}/${btoa('users').replace('=', '')}`, { describe: operations.readCollection }],
        [
          'POST',
          path,
          {
            describe: operations.create,
            status: 201,
            sent: { name: 'Said', identifier: `said-${key}` } as object,
          },
        ],
        [
          'PATCH',
          `${url}/scopes/id/${scopes[0]?.id}`,
          { describe: operations.updateScopeById, sent: { displayName: 'Said' } as object },
        ],
      ] as readonly [string, string, { describe: Describe; status?: number; sent?: object }][]) {
        const response = await server.send(method, at, sent)
        expect(response.status).toBe(status)
        said().answers[status]?.schema?.parse(await response.json())
      }
    })

    test('there are no authorization details types', async () => {
      const { url } = await create()
      for (const at of [`${url}/authorization-details-types`, '/api/server/v1/authorization-details-types']) {
        const response = await server.send('GET', at)
        expect([response.status, await response.json()]).toEqual([200, []])
      }
      expect((await server.send('PUT', `${url}/authorization-details-types`, [])).status).toBe(204)
      expect((await server.send('DELETE', `${url}/authorization-details-types/x`)).status).toBe(204)
      const asked = '/api/server/v1/authorization-details-types?filter=type+eq+x'
      expect((await server.send('HEAD', asked)).status).toBe(404)
    })

    describe('all scopes', () => {
      const names = async (filter: string) => {
        const response = await server.send(
          'GET',
          `/api/server/v1/scopes?filter=${encodeURIComponent(filter)}`,
        )
        expect(response.status).toBe(200)
        return ((await response.json()) as Scope[]).map(({ name }) => name)
      }

      test('are found by their names, and listed in their order', async () => {
        const system = systemApis.flatMap(({ scopes }) => scopes.map(({ name }) => name))
        expect(await names('name sw internal_')).toEqual([...system, 'internal_user_impersonate'].sort())
        expect(await names('name eq internal_login')).toEqual([])
        expect(await names('name ge internal_user_mgt_list and name lt internal_user_mgt_view')).toEqual([
          'internal_user_mgt_list',
          'internal_user_mgt_update',
        ])
        expect(await names('name gt internal_user_mgt_update and name le internal_user_mgt_view')).toEqual([
          'internal_user_mgt_view',
        ])
      })

      test.each([
        ['name', '60001'],
        ['displayName eq x', '60007'],
        ['name pr x', '60001'],
      ])('cannot be found by %s', async (filter, code) => {
        const url = `/api/server/v1/scopes?filter=${encodeURIComponent(filter)}`
        await expectRefusal(server, () => server.send('GET', url), {
          status: 400,
          code: `API-RESOURCE-${code}`,
        })
      })
    })

    describe('collections of API resources', () => {
      const base = '/api/server/v1/meta/api-resource-collections'
      interface Api {
        readonly name: string
        readonly scopes: readonly Scope[]
      }
      interface Collection {
        readonly id: string
        readonly name: string
        readonly type: string
        readonly apiResources?: { readonly read: readonly Api[]; readonly write: readonly Api[] }
      }
      const list = async (query = '') => {
        const response = await server.send('GET', `${base}${query}`)
        expect(response.status).toBe(200)
        return (await response.json()) as {
          totalResults: number
          apiResourceCollections: readonly Collection[]
        }
      }

      test('name each scope of the system APIs once', async () => {
        const { totalResults, apiResourceCollections } = await list('?attributes=apiResources')
        expect(totalResults).toBe(apiResourceCollections.length)
        const named = apiResourceCollections.flatMap(({ apiResources }) =>
          [...(apiResources?.read ?? []), ...(apiResources?.write ?? [])].flatMap(({ scopes }) =>
            scopes.map(({ name }) => name),
          ),
        )
        const all = (await (
          await server.send('GET', '/api/server/v1/scopes?filter=name+sw+internal_')
        ).json()) as Scope[]
        expect(named.sort()).toEqual(all.map(({ name }) => name))
      })

      test('are found by name and type, and shown one by one', async () => {
        const { totalResults, apiResourceCollections } = await list(
          '?filter=type+eq+tenant+and+name+eq+users',
        )
        expect(totalResults).toBe(1)
        const [users] = apiResourceCollections
        expect(users).toEqual({
          id: expect.any(String),
          name: 'users',
          displayName: 'Users',
          type: 'tenant',
          self: `/t/carbon.super${base}/${users?.id}`,
        } as never)
        const one = (await (await server.send('GET', `${base}/${users?.id}`)).json()) as Collection
        expect(
          one.apiResources?.read.map(({ name, scopes }) => [name, scopes.map((scope) => scope.name)]),
        ).toEqual([['SCIM2 Users API', ['internal_user_mgt_list', 'internal_user_mgt_view']]])
        expect(one.apiResources?.write.map(({ name }) => name)).toEqual(['SCIM2 Users API', 'SCIM2 Bulk API'])
      })

      test.each([
        ['/nobodys', 404, '60014'],
        ['?attributes=scopes', 400, '60013'],
        ['?filter=name', 400, '60001'],
        ['?filter=apis+eq+x', 400, '60007'],
      ])('are refused at %s', async (rest, status, code) => {
        await expectRefusal(server, () => server.send('GET', `${base}${rest}`), {
          status,
          code: `API-RESOURCE-${code}`,
        })
      })
    })
  })
}
