/** Applications by REST: registered, read, changed, authorized; and who may not. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { findTargetHandler } from 'hono/utils/handler'
import { ruleOf } from '../lib/access/guard.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator, stateOf } from './management.ts'
import { oidcSettings } from './scenario.ts'

const path = '/api/server/v1/applications'
const prefix = `https://localhost:9443${path}/`

interface Protocol extends Record<string, unknown> {
  readonly clientId: string
  readonly clientSecret: string
}

for (const database of databases) {
  describe(`applications on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const create = async (body: object): Promise<string> => {
      const response = await server.send('POST', path, body)
      expect([response.status, await response.text()]).toEqual([201, ''])
      const location = response.headers.get('Location') ?? ''
      expect(location).toStartWith(prefix)
      return location.slice(prefix.length)
    }
    const withOidc = (name: string, oidc: object = {}) => ({
      name,
      inboundProtocolConfiguration: { oidc: { ...oidcSettings, ...oidc } },
    })
    const read = async <Body = Record<string, unknown>>(url: string): Promise<Body> => {
      const response = await server.send('GET', url)
      expect(response.status).toBe(200)
      return (await response.json()) as Body
    }
    const protocolOf = (id: string) => read<Protocol>(`${path}/${id}/inbound-protocols/oidc`)
    const put = (id: string, body: object, headers?: Record<string, string>) =>
      server.send('PUT', `${path}/${id}/inbound-protocols/oidc`, body, headers)
    const apiId = async (identifier: string) => {
      const list = await read<{ apiResources: { id: string }[] }>(
        `/api/server/v1/api-resources?filter=identifier+eq+${encodeURIComponent(identifier)}`,
      )
      return list.apiResources[0]?.id ?? ''
    }
    const authorize = (id: string, body: object, headers?: Record<string, string>) =>
      server.send('POST', `${path}/${id}/authorized-apis`, body, headers)
    const lastAudit = async () => (await server.audit()).at(-1)
    const refuse = (body: unknown, status: number, code: string, description?: string | RegExp) =>
      expectRefusal(server, () => server.send('POST', path, body), {
        status,
        code,
        ...(description === undefined ? {} : { description }),
      })

    test('it registers the application of the sequence and gives everything back', async () => {
      const before = await stateOf(server)
      const id = await create({
        name: 'app',
        description: null,
        isManagementApp: true,
        associatedRoles: { allowedAudience: 'APPLICATION', roles: [] },
        advancedConfigurations: {
          skipLoginConsent: true,
          skipLogoutConsent: true,
          ofTomorrow: { kept: [1] },
        },
        unknownSetting: 'kept',
        clientId: 'not mine to choose here',
        inboundProtocolConfiguration: { oidc: { ...oidcSettings, state: 'REVOKED', newer: { kept: true } } },
      })
      expect(await stateOf(server)).toEqual({
        ...before,
        application: (before.application ?? 0) + 1,
        audit: (before.audit ?? 0) + 1,
        revision: (before.revision ?? 0) + 1,
      })
      const protocol = await protocolOf(id)
      expect(protocol).toMatchObject({
        ...oidcSettings,
        state: 'ACTIVE',
        newer: { kept: true },
        allowedOrigins: [],
        pkce: { mandatory: false, supportPlainTransformAlgorithm: false },
        refreshToken: { expiryInSeconds: 86_400, renewRefreshToken: true },
        idToken: { expiryInSeconds: 3_600, audience: [] },
      })
      const { clientId, clientSecret } = protocol
      expect([clientId, clientSecret]).toEqual([
        expect.stringMatching(/^\w{28}$/),
        expect.stringMatching(/^\w{28}$/),
      ])
      expect(await lastAudit()).toMatchObject({
        event: 'application-created',
        target: id,
        application_id: id,
        data: { name: 'app', clientId, enabled: true },
      })
      const application = await read(`${path}/${id}`)
      expect(application).toMatchObject({
        id,
        name: 'app',
        clientId,
        access: 'WRITE',
        applicationEnabled: true,
        isManagementApp: true,
        unknownSetting: 'kept',
        advancedConfigurations: { skipLoginConsent: true, saas: false, ofTomorrow: { kept: [1] } },
        claimConfiguration: { dialect: 'LOCAL' },
        authenticationSequence: { type: 'DEFAULT' },
        inboundProtocols: [
          {
            type: 'oauth2',
            name: clientId,
            self: `/t/carbon.super${path}/${id}/inbound-protocols/oidc`,
          },
        ],
      })
      expect(application).not.toHaveProperty('inboundProtocolConfiguration')
      expect(application).not.toHaveProperty('description')
      const rows = [
        await server.db.selectFrom('application').selectAll().execute(),
        await server.db.selectFrom('audit').selectAll().execute(),
      ]
      expect(JSON.stringify(rows)).not.toContain(clientSecret)
    })

    test('it takes a client id and a secret that are given, once', async () => {
      const id = await create(withOidc('given', { clientId: 'my-client', clientSecret: 'my secret:' }))
      expect(await protocolOf(id)).toMatchObject({ clientId: 'my-client', clientSecret: 'my secret:' })
      await refuse(withOidc('given again', { clientId: 'my-client' }), 409, 'OAUTH-60008', /my-client/)
    })

    test('it registers a name once, however many ask at the same time', async () => {
      const responses = await Promise.all(
        Array.from({ length: 6 }, () => server.send('POST', path, withOidc('raced'))),
      )
      expect(responses.map(({ status }) => status).sort()).toEqual([201, ...Array(5).fill(409)])
      await refuse({ name: 'raced' }, 409, 'APP-60007', /raced/)
    })

    test('an application without OAuth gets it by PUT', async () => {
      const id = await create({ name: 'plain', associatedRoles: {} })
      const application = await read(`${path}/${id}`)
      expect(application).toMatchObject({
        inboundProtocols: [],
        associatedRoles: { allowedAudience: 'ORGANIZATION', roles: [] },
      })
      expect(application).not.toHaveProperty('clientId')
      await expectRefusal(server, () => server.send('GET', `${path}/${id}/inbound-protocols/oidc`), {
        status: 404,
        code: 'APP-60501',
      })
      expect((await put(id, { grantTypes: ['client_credentials'], clientId: 'plain-client' })).status).toBe(
        200,
      )
      expect(await protocolOf(id)).toMatchObject({
        clientId: 'plain-client',
        clientSecret: expect.stringMatching(/^\w{28}$/),
        accessToken: { type: 'Default', userAccessTokenExpiryInSeconds: 3_600 },
        subjectToken: { enable: false, applicationSubjectTokenExpiryInSeconds: 180 },
      })
      expect(await lastAudit()).toMatchObject({
        event: 'application-protocol-updated',
        data: { secretChanged: true, clientId: 'plain-client' },
      })
    })

    const oidc = (settings: object) => withOidc('refused', settings)
    test.each<[string, unknown, number, string, RegExp]>([
      ['no name', {}, 400, 'UE-10000', /name/],
      ['a blank name', { name: ' ' }, 400, 'APP-60001', /name/],
      ['a name with a line', { name: 'a\nb' }, 400, 'APP-60001', /name/],
      ['a reserved name', { name: 'My Account' }, 400, 'APP-60515', /reserved/],
      ['SAML', { name: 'x', inboundProtocolConfiguration: { saml: {} } }, 501, 'APP-65003', /saml/],
      [
        'an unknown protocol',
        { name: 'x', inboundProtocolConfiguration: { gopher: {} } },
        400,
        'UE-10000',
        /gopher/,
      ],
      ['a wrong type', { name: 'x', advancedConfigurations: { saas: 'no' } }, 400, 'UE-10000', /saas/],
      [
        'another audience',
        { name: 'x', associatedRoles: { allowedAudience: 'ALL' } },
        400,
        'UE-10000',
        /allowedAudience/,
      ],
      ['no grants', oidc({ grantTypes: [] }), 400, 'UE-10000', /grantTypes/],
      ['an unknown grant', oidc({ grantTypes: ['magic'] }), 400, 'OAUTH-60001', /magic/],
      [
        'code without a callback',
        oidc({ callbackURLs: [] }),
        400,
        'OAUTH-60001',
        /authorization_code, implicit/,
      ],
      [
        'two callbacks',
        oidc({ callbackURLs: ['https://a/1', 'https://a/2'] }),
        400,
        'OAUTH-60001',
        /regexp=/,
      ],
      ['a relative callback', oidc({ callbackURLs: ['/cb'] }), 400, 'OAUTH-60001', /absolute/],
      ['a fragment', oidc({ callbackURLs: ['https://a/cb#x'] }), 400, 'OAUTH-60001', /fragment/],
      ['http elsewhere', oidc({ callbackURLs: ['http://a.example/cb'] }), 400, 'OAUTH-60001', /http/],
      ['a script', oidc({ callbackURLs: ['javascript:alert(1)'] }), 400, 'OAUTH-60001', /javascript/],
      [
        'a user in the callback',
        oidc({ callbackURLs: ['https://a@evil.example/'] }),
        400,
        'OAUTH-60001',
        /user name/,
      ],
      [
        'regexp= with a subject token',
        oidc({ callbackURLs: ['regexp=(https://a/cb)'] }),
        400,
        'OAUTH-60001',
        /subjectToken\.enable/,
      ],
      [
        'a subject token for ages',
        oidc({ subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: 2_147_484 } }),
        400,
        'UE-10000',
        /applicationSubjectTokenExpiryInSeconds/,
      ],
      ['a line in the client id', oidc({ clientId: 'a\nb' }), 400, 'UE-10000', /clientId/],
    ])('it refuses %s', async (_, body, status, code, description) => {
      await refuse(body, status, code, description)
    })

    test('it refuses templates', async () => {
      await expectRefusal(server, () => server.send('POST', `${path}?template=x`, { name: 'x' }), {
        status: 501,
        code: 'APP-65501',
      })
    })

    const subjectToken = { enable: false }
    test.each([
      ['http://localhost:3000/cb', true],
      ['http://127.0.0.1/cb', true],
      ['com.example.app:/cb', true],
      ['regexp=(https://a/cb|https://b/cb)', true],
      ['regexp=(https://app\\.example\\.com/(dev|test)/.*)', true],
      ['regexp=(https://app\\.example\\.com/[^/]*/cb\\?x=1)', true],
      ['regexp=(https://app.example.com/cb)', true],
      ['regexp=(.*)', false],
      ['regexp=(https://app\\.example\\.com.*)', false],
      ['regexp=(https://(a|b)/cb)', false],
      ['regexp=(https://a/(x+)+)', false],
      ['regexp=(https://a/.*.*)', false],
      ['regexp=(https://a/((x|y)|z))', false],
      ['regexp=(https://a/cb|)', false],
      ['regexp=(https://a/x)|(.*)', false],
      ['regexp=https://a/cb', false],
      ['regexp=(http://evil.example/cb)', false],
      ['regexp=(https://a/cb', false],
    ])('the callback %s', async (callback, accepted) => {
      const body = withOidc(`callback ${callback}`, { callbackURLs: [callback], subjectToken })
      if (accepted) expect((await protocolOf(await create(body))).callbackURLs).toEqual([callback])
      else await refuse(body, 400, 'OAUTH-60001', /^The callback URL /)
    })

    test('PATCH replaces what is present and nothing else', async () => {
      const id = await create({ ...withOidc('patched'), description: 'old' })
      const url = `${path}/${id}`
      const before = await read(url)
      const patch = async (body: object) => {
        const response = await server.send('PATCH', url, body)
        expect([response.status, await response.text()]).toEqual([200, ''])
      }
      await patch({ advancedConfigurations: { skipLoginConsent: true } })
      const defaults = before.advancedConfigurations as object
      expect(await read(url)).toEqual({
        ...before,
        advancedConfigurations: { ...defaults, skipLoginConsent: true },
      })
      expect(await lastAudit()).toMatchObject({
        event: 'application-updated',
        target: id,
        data: { name: 'patched', changed: ['advancedConfigurations'] },
      })
      await patch({ name: 'renamed', applicationEnabled: false })
      expect(await read(url)).toMatchObject({
        name: 'renamed',
        applicationEnabled: false,
        description: 'old',
      })
      expect((await lastAudit())?.data).toEqual({
        name: 'patched',
        changed: [],
        renamedTo: 'renamed',
        enabled: false,
      })
      const { disabled_at } = await server.db
        .selectFrom('application')
        .select('disabled_at')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      expect(disabled_at).toBeString()
      const state = await stateOf(server)
      for (const body of [{}, { name: 'renamed', applicationEnabled: false, description: 'old' }])
        await patch(body)
      expect(await stateOf(server)).toEqual(state)
      await patch({ applicationEnabled: true })
      expect(await read(url)).toMatchObject({ applicationEnabled: true })
      const refusals = [
        [{ name: 'raced' }, 409, 'APP-60007'],
        [{ name: 'Console' }, 400, 'APP-60515'],
        [{ inboundProtocolConfiguration: { oidc: {} } }, 400, 'APP-60001'],
        [[], 400, 'UE-10000'],
      ] as const
      for (const [body, status, code] of refusals)
        await expectRefusal(server, () => server.send('PATCH', url, body), { status, code })
    })

    test('PUT replaces the OAuth settings whole, with id and secret', async () => {
      const id = await create(withOidc('protocol', { extra: 1 }))
      const { clientId, clientSecret, ...settings } = await protocolOf(id)
      const credentials = { clientId, clientSecret }
      const grants = {
        grantTypes: ['client_credentials'],
        subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: -1 },
      }
      const response = await put(id, { ...grants, ...credentials })
      expect([response.status, await response.text()]).toEqual([200, ''])
      const now = await protocolOf(id)
      expect(now).toMatchObject({
        ...grants,
        ...credentials,
        callbackURLs: [],
        subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: 180 },
      })
      expect(now).not.toHaveProperty('extra')
      expect(await lastAudit()).toMatchObject({
        event: 'application-protocol-updated',
        target: id,
        data: { name: 'protocol', clientId, changed: ['accessToken', 'callbackURLs', 'extra', 'grantTypes'] },
      })
      const state = await stateOf(server)
      expect((await put(id, { ...now })).status).toBe(200)
      expect(await stateOf(server)).toEqual(state)
      const description = 'Invalid ClientID/ClientSecret provided for update.'
      for (const wrong of [
        {},
        { clientId },
        { clientId, clientSecret: 'x' },
        { clientId: 'x', clientSecret },
      ])
        await expectRefusal(server, () => put(id, { ...settings, ...wrong }), {
          status: 400,
          code: 'OAUTH-60001',
          description,
        })
      await expectRefusal(
        server,
        () => put(id, { ...settings, ...credentials, callbackURLs: ['regexp=(https://a/cb)'] }),
        { status: 400, code: 'OAUTH-60001', description: /subjectToken\.enable/ },
      )
    })

    test('it authorizes APIs by their policy', async () => {
      const id = await create(withOidc('authorized'))
      const [impersonation, users] = [await apiId('system:impersonation'), await apiId('/scim2/Users')]
      const before = await stateOf(server)
      const response = await authorize(id, {
        id: impersonation,
        policyIdentifier: 'rbac',
        scopes: ['internal_user_impersonate', 'internal_user_impersonate'],
      })
      expect([response.status, await response.text()]).toEqual([200, ''])
      expect(await stateOf(server)).toEqual({
        ...before,
        application_api: (before.application_api ?? 0) + 1,
        application_scope: (before.application_scope ?? 0) + 1,
        audit: (before.audit ?? 0) + 1,
        revision: (before.revision ?? 0) + 1,
      })
      expect(await lastAudit()).toMatchObject({
        event: 'application-api-authorized',
        target: id,
        data: {
          name: 'authorized',
          api: 'system:impersonation',
          policy: 'RBAC',
          scopes: ['internal_user_impersonate'],
        },
      })
      expect(await read<unknown>(`${path}/${id}/authorized-apis`)).toEqual([
        {
          id: impersonation,
          identifier: 'system:impersonation',
          displayName: 'User Impersonation',
          policyId: 'RBAC',
          type: 'TENANT',
          authorizedScopes: [
            {
              id: expect.any(String),
              name: 'internal_user_impersonate',
              displayName: 'User Impersonation Scope',
            },
          ],
          authorizedAuthorizationDetailsTypes: [],
        },
      ])
      expect(await read(`/api/server/v1/api-resources/${impersonation}`)).toMatchObject({
        subscribedApplications: [{ name: 'authorized' }],
      })
      const refusals = [
        [{ id: impersonation }, 409, 'APP-60509'],
        [{ id: 'nope' }, 400, 'APP-60507'],
        [{ id: users, scopes: ['internal_user_impersonate', 'x'] }, 400, 'APP-60508'],
        [{ id: users, policyIdentifier: 'NO POLICY' }, 400, 'APP-60512'],
        [{ id: users, policyIdentifier: 'constructor' }, 400, 'APP-60511'],
        [{ scopes: [] }, 400, 'UE-10000'],
      ] as const
      for (const [body, status, code] of refusals)
        await expectRefusal(server, () => authorize(id, body), { status, code })
      const all = await Promise.all([1, 2, 3].map(() => authorize(id, { id: users })))
      expect(all.map(({ status }) => status).sort()).toEqual([200, 409, 409])
    })

    test('it lists by filter and page', async () => {
      for (const name of ['list a', 'list b', 'list c'])
        await create({ ...withOidc(name), imageUrl: '/i.png' })
      const first = await read<Record<string, unknown>>(`${path}?filter=name+sw+list&limit=2`)
      expect(first).toMatchObject({
        totalResults: 3,
        startIndex: 1,
        count: 2,
        applications: [{ name: 'list a', image: '/i.png', access: 'WRITE' }, { name: 'list b' }],
        links: [{ href: `/t/carbon.super${path}?offset=2&limit=2&filter=name+sw+list`, rel: 'next' }],
      })
      const [next] = first.links as { href: string }[]
      expect(await read(next?.href ?? '')).toMatchObject({
        startIndex: 3,
        count: 1,
        applications: [{ name: 'list c' }],
        links: [{ href: `/t/carbon.super${path}?offset=0&limit=2&filter=name+sw+list`, rel: 'previous' }],
      })
      const names = async (filter: string) => {
        const list = await read<{ applications: Record<string, unknown>[] }>(
          `${path}?limit=100&attributes=clientId,applicationEnabled,associatedRoles.allowedAudience&filter=${encodeURIComponent(filter)}`,
        )
        return list.applications
      }
      expect(await names('clientId eq my-client')).toEqual([
        expect.objectContaining({
          name: 'given',
          clientId: 'my-client',
          applicationEnabled: true,
          associatedRoles: { allowedAudience: 'APPLICATION' },
        }),
      ])
      expect((await names('name eq list a or name ew t b')).map(({ name }) => name)).toEqual([
        'list a',
        'list b',
      ])
      expect(await names('name co LIST')).toEqual([])
      expect(await names('issuer eq x')).toEqual([])
      const refusals = [
        ['filter=owner+eq+x', 400, 'APP-60004'],
        ['filter=name+ne+x', 400, 'APP-60004'],
        ['attributes=secret', 400, 'APP-60505'],
        ['limit=-1', 400, 'APP-60001'],
        ['sortBy=name', 501, 'APP-65002'],
      ] as const
      for (const [query, status, code] of refusals)
        await expectRefusal(server, () => server.send('GET', `${path}?${query}`), { status, code })
    })

    test('what does not exist is 404 on every route', async () => {
      const requests = [
        ['GET', '', undefined],
        ['PATCH', '', {}],
        ['GET', '/inbound-protocols/oidc', undefined],
        ['PUT', '/inbound-protocols/oidc', oidcSettings],
        ['GET', '/authorized-apis', undefined],
        ['POST', '/authorized-apis', { id: 'x' }],
      ] as const
      for (const [method, rest, body] of requests)
        await expectRefusal(server, () => server.send(method, `${path}/nope${rest}`, body), {
          status: 404,
          code: 'APP-60006',
          description:
            'Application cannot be found for the provided id: nope in the tenantDomain: carbon.super.',
        })
    })

    test('invariant 14: nobody hands out or touches what he does not hold', async () => {
      const manager = await operator(server, 'app-manager', [
        'internal_application_mgt_view',
        'internal_application_mgt_create',
        'internal_application_mgt_update',
        'internal_user_mgt_view',
      ])
      const [impersonation, users] = [await apiId('system:impersonation'), await apiId('/scim2/Users')]
      const own = await server.send('POST', path, withOidc('of the manager', { subjectToken }), manager)
      expect(own.status).toBe(201)
      const id = (own.headers.get('Location') ?? '').slice(prefix.length)
      const forbidden = (request: () => Promise<Response>, scope: string) =>
        expectRefusal(server, request, {
          status: 403,
          code: 'APP-60520',
          description: `Operation is not permitted. It needs permissions that you do not have: ${scope}.`,
        })
      const power = 'internal_user_impersonate'
      await forbidden(() => server.send('POST', path, withOidc('with power'), manager), power)
      await forbidden(() => authorize(id, { id: impersonation, scopes: [power] }, manager), power)
      await forbidden(
        () =>
          authorize(
            id,
            { id: users, scopes: ['internal_user_mgt_view', 'internal_user_mgt_delete'] },
            manager,
          ),
        'internal_user_mgt_delete',
      )
      const allowed = await authorize(id, { id: users, scopes: ['internal_user_mgt_view'] }, manager)
      expect(allowed.status).toBe(200)
      const protocol = await protocolOf(id)
      await forbidden(() => put(id, { ...protocol, subjectToken: { enable: true } }, manager), power)
      expect((await put(id, { ...protocol, callbackURLs: ['https://b.example/cb'] }, manager)).status).toBe(
        200,
      )
      expect((await authorize(id, { id: impersonation, scopes: [power] })).status).toBe(200)
      await forbidden(
        () => put(id, { ...protocol, callbackURLs: ['https://evil.example/cb'] }, manager),
        power,
      )
      // what the manager saw of his own application he no longer sees now that it may impersonate
      const secretSeenBy = async (headers?: Record<string, string>) => {
        const response = await server.send('GET', `${path}/${id}/inbound-protocols/oidc`, undefined, headers)
        const { clientSecret } = (await response.json()) as { clientSecret?: string }
        return [response.status, clientSecret]
      }
      expect(await secretSeenBy(manager)).toEqual([200, undefined])
      expect(await secretSeenBy()).toEqual([200, protocol.clientSecret])
      for (const body of [
        { applicationEnabled: false },
        { advancedConfigurations: { skipLoginConsent: true } },
        { name: 'x' },
      ])
        await forbidden(() => server.send('PATCH', `${path}/${id}`, body, manager), power)
      const reader = await operator(server, 'app-reader', ['internal_application_mgt_view'])
      const seen = await server.send('GET', `${path}/${id}`, undefined, reader)
      expect(await seen.json()).toMatchObject({ access: 'READ' })
      for (const request of [
        () => server.send('POST', path, { name: 'x' }, reader),
        () => server.send('PATCH', `${path}/${id}`, {}, reader),
        () => put(id, protocol, reader),
        () => authorize(id, { id: users }, reader),
      ])
        await expectRefusal(server, request, { status: 403, code: 403 })
    })

    test('keys that would reach a prototype do no harm', async () => {
      const create = (body: string) =>
        server.request(path, {
          method: 'POST',
          headers: {
            Authorization: 'Basic YWRtaW46YWRtaW4=',
            'Content-Type': 'application/json; charset=UTF-8',
          },
          body,
        })
      const disguised = '{"name":"proto","advancedConfigurations":{"__proto__":{"skipLoginConsent":true}}}'
      await expectRefusal(server, () => create(disguised), { status: 400, code: 'UE-10000' })
      const response = await create(
        '{"name":"proto","constructor":{"prototype":{"polluted":1}},"advancedConfigurations":{"toString":"x"}}',
      )
      expect(response.status).toBe(201)
      const application = await read(new URL(response.headers.get('Location') ?? '').pathname)
      expect(application).toMatchObject({ advancedConfigurations: { skipLoginConsent: false } })
      expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    })

    test('every route of the management APIs has a rule, and none is for an impersonated token', () => {
      const routes = server.app.routes.filter(({ path: route }) => route.startsWith('/api/'))
      expect(routes.length).toBeGreaterThan(14)
      for (const { handler, method, path: route } of routes) {
        const rule = ruleOf(findTargetHandler(handler))
        // the document of the APIs is for everybody
        if (rule?.open) continue
        expect({ method, route, actor: rule?.actor }).toEqual({ method, route, actor: false })
        // whoever is signed in manages what is his own, and reads what there is to choose from
        if (route !== '/api/*' && !/\/me\/|\/v1\/meta\//.test(route))
          expect([route, String(rule?.permission)]).toEqual([route, expect.stringMatching(/^internal_/)])
      }
    })
  })
}
