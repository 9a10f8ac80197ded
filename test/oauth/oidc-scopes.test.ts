/** Scopes of OpenID Connect: what is built in, what administrators add, and what a scope can never be. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readRevision } from '../../lib/database/commit.ts'
import { findAccount } from '../../lib/directory/accounts.ts'
import { findClient } from '../../lib/directory/applications.ts'
import { grantedScopes } from '../../lib/directory/permissions.ts'
import { userClaims } from '../../lib/directory/user-claims.ts'
import { type Booted, basic, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { expectRefusal } from '../management.ts'
import { changesOf, nothingElse } from '../nothing-else.ts'
import { type Scenario, setUp } from '../scenario.ts'

const path = '/api/server/v1/oidc/scopes'

interface Shown {
  readonly name: string
  readonly displayName: string
  readonly description?: string
  readonly claims: readonly string[]
}

for (const database of databases) {
  describe(`oidc scopes on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    const list = async () => {
      const response = await server.send('GET', path)
      expect(response.status).toBe(200)
      return (await response.json()) as Shown[]
    }
    const body = (name: string, claims: readonly string[] = ['birthdate', 'gender']) => ({
      name,
      displayName: 'Shown',
      description: 'What it is for',
      claims,
    })
    const granted = async (scopes: readonly string[]) => {
      const { db } = server
      const n = await readRevision(db)
      const [account, application] = await Promise.all([
        findAccount(db, scenario.subject.id),
        findClient(db, n, scenario.clientId),
      ])
      if (!account || !application) throw new Error('the scenario is not there')
      return [...(await grantedScopes(db, n, account, application, scopes))]
    }

    test('those of the specification are built in, with their claims', async () => {
      const scopes = await list()
      expect(scopes.map(({ name }) => name)).toEqual([
        'openid',
        'profile',
        'email',
        'address',
        'phone',
        'roles',
      ])
      expect(scopes.find(({ name }) => name === 'email')?.claims).toEqual(['email', 'email_verified'])
      const one = await server.send('GET', `${path}/phone`)
      expect(await one.json()).toMatchObject({
        name: 'phone',
        claims: ['phone_number', 'phone_number_verified'],
      })
    })

    test('a scope is made, shown, changed and removed; each is audited and a new revision', async () => {
      const made = await nothingElse(
        server.db,
        { oidc_scope: { added: 1 }, audit: { added: 1 }, revision: { changed: 1 } },
        () => server.send('POST', path, body('hr')),
      )
      expect([made.result.status, await made.result.text()]).toEqual([201, ''])
      expect(made.result.headers.get('location')).toBe(
        'https://localhost:9443/t/carbon.super/api/server/v1/oidc/scopes/hr',
      )
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'oidc-scope-changed',
        target: 'hr',
        data: { name: 'hr', change: 'created', claims: ['birthdate', 'gender'] },
        outcome: 'Success',
      })
      const shown = await server.send('GET', `${path}/hr`)
      expect(await shown.json()).toEqual(body('hr'))
      expect(await granted(['hr', 'openid', 'never'])).toEqual(['hr', 'openid'])
      const changed = await server.send('PUT', `${path}/hr`, {
        displayName: 'Other',
        claims: ['title', 'custom_badge'],
      })
      expect([changed.status, await changed.text()]).toEqual([200, ''])
      expect(await (await server.send('GET', `${path}/hr`)).json()).toEqual({
        name: 'hr',
        displayName: 'Other',
        claims: ['title', 'custom_badge'],
      })
      const removed = await server.send('DELETE', `${path}/hr`)
      expect([removed.status, await removed.text()]).toEqual([204, ''])
      expect(await granted(['hr', 'openid'])).toEqual(['openid'])
      await nothingElse(server.db, {}, async () => {
        // as WSO2 answers, what is not there is removed
        expect((await server.send('DELETE', `${path}/hr`)).status).toBe(204)
      })
      expect((await server.audit()).slice(-2).map(({ data }) => data.change)).toEqual(['updated', 'removed'])
    })

    test('has an entity tag: a stale If-Match changes nothing, and what is made anew is another edition', async () => {
      const conditional = (method: string, headers: Record<string, string>, sent?: unknown) =>
        server.send(method, `${path}/tagged`, sent, {
          Authorization: basic('admin', 'admin'),
          ...headers,
        })
      const tag = async () => (await server.send('GET', `${path}/tagged`)).headers.get('etag') ?? ''
      await server.send('POST', path, body('tagged'))
      const first = await tag()
      expect(first).toMatch(/^W\/"[\w-]{22}"$/)
      const known = await conditional('GET', { 'If-None-Match': first })
      expect([known.status, await known.text()]).toEqual([304, ''])
      const changed = await conditional('PUT', { 'If-Match': first }, body('tagged', ['title']))
      expect([changed.status, changed.headers.get('etag')]).toEqual([200, await tag()])
      expect(await tag()).not.toBe(first)
      for (const [method, sent] of [
        ['PUT', body('tagged')],
        ['DELETE', undefined],
      ] as const)
        await expectRefusal(server, () => conditional(method, { 'If-Match': first }, sent), {
          status: 412,
          code: 'UE-10012',
        })
      const last = await tag()
      expect((await conditional('DELETE', { 'If-Match': last })).status).toBe(204)
      await server.send('POST', path, body('tagged', ['gender']))
      expect(await tag()).not.toBe(last)
      await server.send('DELETE', `${path}/tagged`)
      // a built-in one has a tag before anybody changed it
      const email = (await server.send('GET', `${path}/email`)).headers.get('etag') ?? ''
      const headers = { Authorization: basic('admin', 'admin'), 'If-Match': first }
      await expectRefusal(
        server,
        () => server.send('PUT', `${path}/email`, { displayName: 'E', claims: [] }, headers),
        { status: 412, code: 'UE-10012' },
      )
      expect(email).toMatch(/^W\//)
    })

    test('one that was removed is forgotten: whoever consented to it did not consent to its successor', async () => {
      const { commit, write } = await import('../../lib/database/commit.ts')
      await server.send('POST', path, body('hr'))
      const row = {
        account_id: scenario.subject.id,
        application_id: scenario.applicationId,
        scopes: 'openid hr hrx',
        given_at: new Date().toISOString(),
      }
      await commit(server.db, [write(server.db.insertInto('consent').values(row))])
      expect((await server.send('DELETE', `${path}/hr`)).status).toBe(204)
      const consents = await server.db.selectFrom('consent').select('scopes').execute()
      expect(consents).toEqual([{ scopes: 'openid hrx' }])
      await commit(server.db, [write(server.db.deleteFrom('consent'))])
    })

    test('discovery names the scopes and claims there are', async () => {
      const document = async () => {
        const response = await server.request('/oauth2/token/.well-known/openid-configuration')
        return (await response.json()) as { scopes_supported: string[]; claims_supported: string[] }
      }
      expect((await document()).claims_supported).not.toContain('employee_number')
      await server.send('POST', path, body('staff', ['employee_number']))
      expect((await document()).scopes_supported).toContain('staff')
      expect((await document()).claims_supported).toContain('employee_number')
      await server.send('DELETE', `${path}/staff`)
      expect((await document()).scopes_supported).not.toContain('staff')
    })

    test('a built-in scope can be changed, not removed', async () => {
      const refused = await expectRefusal(server, () => server.send('DELETE', `${path}/profile`), {
        status: 400,
        code: '60001',
      })
      expect(refused.description).toContain('not removed')
      const before = await (await server.send('GET', `${path}/phone`)).json()
      const response = await server.send('PUT', `${path}/phone`, {
        displayName: 'Telephone',
        claims: ['phone_number'],
      })
      expect(response.status).toBe(200)
      expect((await list()).find(({ name }) => name === 'phone')?.claims).toEqual(['phone_number'])
      expect((await server.send('PUT', `${path}/phone`, before)).status).toBe(200)
      expect(await (await server.send('GET', `${path}/phone`)).json()).toEqual(before)
    })

    test.each([
      ['internal_user_mgt_delete', 400],
      ['INTERNAL_x', 400],
      ['internal_login', 400],
      ['SYSTEM', 400],
      ['console:all', 400],
      ['offline_access', 400],
      ['two words', 400],
      ['quote"d', 400],
      ['back\\slash', 400],
      ['ümlaut', 400],
      ['x'.repeat(256), 400],
      ['', 400],
      ['profile', 409],
    ])('refuses the name %p', async (name, status) => {
      await expectRefusal(server, () => server.send('POST', path, body(name)), {
        status,
        code: status === 409 ? '41004' : name === '' ? 'UE-10000' : '60001',
      })
    })

    test('a permission is never one, whichever came first', async () => {
      const now = new Date().toISOString()
      const resource = {
        id: crypto.randomUUID(),
        identifier: 'library',
        name: 'library',
        type: 'BUSINESS',
        created_at: now,
      }
      const permission = (name: string) => ({
        name,
        id: crypto.randomUUID(),
        api_resource_id: resource.id,
        display_name: name,
      })
      expect((await server.send('POST', path, body('lendBooks'))).status).toBe(201)
      expect(await granted(['lendBooks'])).toEqual(['lendBooks'])
      const { bump, commit, write } = await import('../../lib/database/commit.ts')
      await commit(server.db, [
        write(server.db.insertInto('api_resource').values(resource)),
        write(server.db.insertInto('scope').values(['lendBooks', 'burnBooks', 'roles'].map(permission))),
        bump,
      ])
      expect(await granted(['lendBooks', 'burnBooks', 'roles'])).toEqual([])
      await expectRefusal(server, () => server.send('POST', path, body('burnBooks')), {
        status: 409,
        code: '41004',
      })
      expect((await list()).map(({ name }) => name)).not.toContain('lendBooks')
      expect((await server.send('GET', `${path}/lendBooks`)).status).toBe(404)
      await commit(server.db, [
        write(server.db.deleteFrom('api_resource').where('id', '=', resource.id)),
        write(server.db.deleteFrom('oidc_scope').where('name', '=', 'lendBooks')),
        bump,
      ])
    })

    test('refuses claims that there are not, and bodies of another shape', async () => {
      for (const claims of [['password'], ['act'], ['iss'], ['totpEnabled'], ['custom_'], ['a b']]) {
        await expectRefusal(server, () => server.send('POST', path, body('odd', claims)), {
          status: 400,
          code: '60001',
        })
      }
      for (const wrong of [
        {},
        [],
        { name: 'odd' },
        { ...body('odd'), claims: 'email' },
        { ...body('odd'), further: 1 },
        { ...body('odd'), displayName: '' },
      ]) {
        await expectRefusal(server, () => server.send('POST', path, wrong), {
          status: 400,
          code: 'UE-10000',
        })
      }
      await expectRefusal(server, () => server.send('PUT', `${path}/nobodys`, body('nobodys')), {
        status: 404,
        code: '41003',
      })
      await expectRefusal(server, () => server.send('PUT', `${path}/email`, body('other')), {
        status: 400,
        code: '60001',
      })
      await expectRefusal(server, () => server.send('GET', `${path}/nobodys`), { status: 404, code: '41003' })
    })

    test('needs the permission of the operation', async () => {
      const user = { Authorization: basic(scenario.subject.userName, scenario.subject.password) }
      for (const [method, at, sent] of [
        ['GET', path, undefined],
        ['POST', path, body('mine')],
        ['GET', `${path}/email`, undefined],
        ['PUT', `${path}/email`, body('email')],
        ['DELETE', `${path}/email`, undefined],
      ] as const) {
        const { changes } = await changesOf(server.db, async () => {
          expect((await server.send(method, at, sent, user)).status).toBe(403)
          expect((await server.send(method, at, sent, {})).status).toBe(401)
        })
        expect(changes.added.oidc_scope).toBeUndefined()
      }
    })

    test('of 20 who make the same scope one does', async () => {
      const statuses = await Promise.all(
        Array.from({ length: 20 }, async () => (await server.send('POST', path, body('once'))).status),
      )
      expect(statuses.filter((status) => status === 201)).toHaveLength(1)
      expect(statuses.every((status) => [201, 409, 503].includes(status))).toBe(true)
      const rows = (await server.audit()).filter(({ target }) => target === 'once')
      expect(rows).toHaveLength(1)
      expect((await server.send('DELETE', `${path}/once`)).status).toBe(204)
    })

    test('the claims of a user are those of the scopes, and those asked for one by one', async () => {
      const { db } = server
      const id = scenario.subject.id
      const patched = await server.send('PATCH', `/scim2/Users/${id}`, {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [
          {
            op: 'replace',
            value: {
              nickName: 'Endy',
              locale: 'de-DE',
              timezone: 'Europe/Berlin',
              phoneNumbers: [{ type: 'mobile', value: '+4930123456' }],
              addresses: [
                { type: 'home', streetAddress: 'Am Wall 1', locality: 'Bremen', postalCode: '28195' },
              ],
              'urn:scim:wso2:schema': { dateOfBirth: '1990-01-02' },
              'urn:scim:schemas:extension:custom:User': { badge: 'B7' },
            },
          },
        ],
      })
      expect(patched.status).toBe(200)
      await server.send('POST', path, body('badge', ['custom_badge', 'title']))
      const n = await readRevision(db)
      const application = await findClient(db, n, scenario.clientId)
      if (!application) throw new Error('the application is not there')
      const claims = (scopes: readonly string[], requested?: Record<string, unknown>) =>
        userClaims(db, n, application, id, scopes, requested)
      expect(await claims(['openid'])).toEqual({})
      expect(await claims(['openid', 'unknown'])).toEqual({})
      expect(await claims(['profile'])).toEqual({
        name: 'EndUser Example',
        family_name: 'Example',
        given_name: 'EndUser',
        nickname: 'Endy',
        preferred_username: 'EndUser',
        birthdate: '1990-01-02',
        zoneinfo: 'Europe/Berlin',
        locale: 'de-DE',
        updated_at: expect.any(Number),
      })
      expect(await claims(['email', 'phone', 'address', 'roles', 'badge'])).toEqual({
        email: 'enduser@example.com',
        email_verified: false,
        phone_number: '+4930123456',
        phone_number_verified: false,
        address: { street_address: 'Am Wall 1', locality: 'Bremen', postal_code: '28195' },
        roles: ['EndUserRole'],
        custom_badge: 'B7',
      })
      expect(
        await claims(['openid'], {
          nickname: null,
          email: { essential: true },
          locale: { value: 'en' },
          zoneinfo: { values: ['UTC', 'Europe/Berlin'] },
          sub: { value: 'somebody else' },
          password: null,
          department: null,
          nobody_knows: null,
        }),
      ).toEqual({ nickname: 'Endy', email: 'enduser@example.com', zoneinfo: 'Europe/Berlin' })
      await server.send('DELETE', `${path}/badge`)
    })
  })
}
