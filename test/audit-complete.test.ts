/** Every management call that changes something leaves exactly one event, of its own kind; driven by what the document lists. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { type Booted, basic, boot } from './boot.ts'
import { newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { operator } from './management.ts'
import { authorizePath, logIn, oidcSettings, redirectUri, type Scenario, setUp } from './scenario.ts'

/** Calls that change nothing, and those whose own tests count their rows, by the beginning of method and path. */
const elsewhere = [
  // there are no authorization details types (400, or 404)
  /authorization-details-types/,
  // test/scim-me.test.ts: nobody makes himself
  /^POST \/scim2\/Me$/,
  // test/impersonations*.test.ts and test/me-impersonations.test.ts
  /impersonation(?:s\/|-preferences)/,
  // test/registration*.test.ts
  /\/dcr\//,
  // there are no templates of text messages (404, or 405)
  /\/notification\/sms\//,
]

const id = (response: Response) => (response.headers.get('location') ?? '').split('/').at(-1) ?? ''
const patchOp = (...Operations: unknown[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
})

describe.each(databases)('management calls on $name', (database) => {
  let server: Booted
  const driven = new Set<string>()

  let made: Scenario

  beforeAll(async () => {
    server = await boot(database)
    made = await setUp(server)
  })
  afterAll(() => server.stop())

  /** Sends it and expects success with exactly these events. `{…}` in a template stands for what `at` says. */
  const does = async (
    call: string,
    event: string | readonly string[],
    body?: unknown,
    at: Readonly<Record<string, string>> = {},
    init: RequestInit = {},
  ): Promise<Response> => {
    const [method = '', template = ''] = call.split(' ')
    const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(at[name] ?? 'nothing'),
    )
    const known = (await server.audit()).length
    const response =
      Object.keys(init).length > 0
        ? await server.request(path, { method, ...init })
        : await server.send(method, path, body)
    const said = await response.clone().text()
    const rows = (await server.audit()).slice(known).filter(({ event: one }) => !one.startsWith('login'))
    expect([
      call,
      response.status < 300 ? 'done' : `${response.status} ${said}`,
      rows.map((row) => row.event),
    ]).toEqual([call, 'done', [event].flat()])
    driven.add(call)
    return response
  }
  const json = async (response: Response) => (await response.json()) as Record<string, string>

  test('configuration store and settings', async () => {
    const base = '/api/identity/config-mgt/v1.0'
    const type = { name: 'T', description: 'd' }
    await does(`POST ${base}/resource-type`, 'configuration-type-created', type)
    await does(`PUT ${base}/resource-type`, 'configuration-type-updated', { ...type, description: 'e' })
    const at = { type: 'T', name: 'R' }
    const resource = { name: 'R', attributes: [{ key: 'a', value: '1' }] }
    await does(`POST ${base}/resource/{type}`, 'configuration-resource-created', resource, at)
    const changed = { name: 'R', attributes: [{ key: 'a', value: '2' }] }
    await does(`PUT ${base}/resource/{type}`, 'configuration-resource-updated', changed, at)
    await does(
      `POST ${base}/resource/{type}/{name}`,
      'configuration-attribute-added',
      { key: 'b', value: '1' },
      at,
    )
    await does(
      `PUT ${base}/resource/{type}/{name}`,
      'configuration-attribute-updated',
      { key: 'b', value: '2' },
      at,
    )
    await does(`DELETE ${base}/resource/{type}/{name}/{key}`, 'configuration-attribute-deleted', undefined, {
      ...at,
      key: 'b',
    })
    const file = async () => {
      const form = new FormData()
      form.append('resourceFile', new Blob(['content']), 'local.bin')
      form.append('file-name', 'file.txt')
      return does(`POST ${base}/resource/{type}/{name}/file`, 'configuration-file-added', undefined, at, {
        body: form,
        headers: { Authorization: basic('admin', 'admin') },
      })
    }
    const one = { ...at, id: id(await file()) }
    await does(
      `DELETE ${base}/resource/{type}/{name}/file/{id}`,
      'configuration-file-deleted',
      undefined,
      one,
    )
    await file()
    await does(`DELETE ${base}/resource/{type}/{name}/file`, 'configuration-file-deleted', undefined, at)
    await does(`DELETE ${base}/resource/{type}/{name}`, 'configuration-resource-deleted', undefined, at)
    await does(`DELETE ${base}/resource-type/{name}`, 'configuration-type-deleted', undefined, { name: 'T' })
    const configs = '/api/server/v1/configs/impersonation'
    const off = [{ operation: 'REPLACE', path: '/enableEmailNotification', value: false }]
    await does(`PATCH ${configs}`, 'configuration-changed', off)
    await does(`DELETE ${configs}`, 'configuration-changed')
  })

  test('API resources and scopes', async () => {
    const base = '/api/server/v1/api-resources'
    const scope = (name: string) => ({ name, displayName: name, description: 'd' })
    const answer = await does(`POST ${base}`, 'api-resource-created', {
      name: 'Booking',
      identifier: 'booking',
      requiresAuthorization: true,
      scopes: ['one', 'two', 'three'].map(scope),
    })
    const { id: api = '' } = await json(answer)
    const changed = 'api-resource-updated'
    await does(`PATCH ${base}/{id}`, changed, { name: 'Bookings' }, { id: api })
    await does(`PUT ${base}/{id}/scopes`, changed, ['one', 'two', 'three', 'four'].map(scope), { id: api })
    const at = { id: api, scope: 'one' }
    await does(`PATCH ${base}/{id}/scopes/{scope}`, changed, { displayName: 'First' }, at)
    await does(`DELETE ${base}/{id}/scopes/{scope}`, changed, undefined, at)
    const scopes = (await (await server.send('GET', `${base}/${api}/scopes`)).json()) as { id: string }[]
    const byId = { id: api, scope: scopes[0]?.id ?? '' }
    await does(`PATCH ${base}/{id}/scopes/id/{scope}`, changed, { displayName: 'Second' }, byId)
    await does(`DELETE ${base}/{id}/scopes/id/{scope}`, changed, undefined, byId)
    await does(`DELETE ${base}/{id}`, 'api-resource-deleted', undefined, { id: api })
    const oidc = '/api/server/v1/oidc/scopes'
    const shape = { name: 'mine', displayName: 'Mine', claims: ['email'] }
    await does(`POST ${oidc}`, 'oidc-scope-changed', shape)
    const whole = { displayName: 'Ours', claims: ['email', 'name'] }
    await does(`PUT ${oidc}/{id}`, 'oidc-scope-changed', whole, { id: 'mine' })
    await does(`DELETE ${oidc}/{id}`, 'oidc-scope-changed', undefined, { id: 'mine' })
  })

  test('users, groups and roles', async () => {
    const user = { schemas: [], userName: 'Driven', password: 'Driven@1234', name: { familyName: 'A' } }
    const person = await json(await does('POST /scim2/Users', 'user-created', user))
    const at = { id: person.id ?? '' }
    await does(
      'PUT /scim2/Users/{id}',
      'user-claims-changed',
      { schemas: [], userName: 'Driven', name: { familyName: 'B' } },
      at,
    )
    const set = (value: unknown) => patchOp({ op: 'replace', value })
    await does('PATCH /scim2/Users/{id}', 'user-claims-changed', set({ nickName: 'n' }), at)
    await does('PATCH /scim2/Users/{id}', 'password-changed', set({ password: 'Driven@5678' }), at)
    for (const [value, event] of [
      [{ accountLocked: true }, 'user-locked'],
      [{ accountLocked: false }, 'user-unlocked'],
      [{ accountDisabled: true }, 'user-disabled'],
      [{ accountDisabled: false }, 'user-enabled'],
    ] as const)
      await does('PATCH /scim2/Users/{id}', event, set({ 'urn:scim:wso2:schema': value }), at)
    const group = await json(
      await does('POST /scim2/Groups', 'group-created', { schemas: [], displayName: 'G' }),
    )
    const g = { id: group.id ?? '' }
    const join = patchOp({ op: 'add', path: 'members', value: [{ value: person.id }] })
    await does('PATCH /scim2/Groups/{id}', 'group-updated', join, g)
    await does('PUT /scim2/Groups/{id}', 'group-updated', { schemas: [], displayName: 'H' }, g)
    await does('DELETE /scim2/Groups/{id}', 'group-deleted', undefined, g)
    const role = await json(
      await does('POST /scim2/v2/Roles', 'role-created', { schemas: [], displayName: 'R', permissions: [] }),
    )
    const r = { id: role.id ?? '' }
    const member = patchOp({ op: 'add', path: 'users', value: [{ value: person.id }] })
    await does('PATCH /scim2/v2/Roles/{id}', 'role-updated', member, r)
    await does(
      'PUT /scim2/v2/Roles/{id}',
      'role-updated',
      { schemas: [], displayName: 'S', permissions: [] },
      r,
    )
    await does('DELETE /scim2/v2/Roles/{id}', 'role-deleted', undefined, r)
    const own = (body?: unknown): RequestInit => ({
      headers: { Authorization: basic('Driven', 'Driven@5678'), 'Content-Type': 'application/scim+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    await does('PATCH /scim2/Me', 'user-claims-changed', undefined, {}, own(set({ nickName: 'm' })))
    const put = { schemas: [], userName: 'Driven', name: { familyName: 'C' } }
    await does('PUT /scim2/Me', 'user-claims-changed', undefined, {}, own(put))
    await does('DELETE /scim2/Users/{id}', 'user-deleted', undefined, at)
    const leaver = await operator(server, 'Leaver', ['internal_user_mgt_delete'])
    await does('DELETE /scim2/Me', 'user-deleted', undefined, {}, { headers: leaver })
  })

  test('applications', async () => {
    const base = '/api/server/v1/applications'
    const created = await does(`POST ${base}`, 'application-created', {
      name: 'Driven',
      inboundProtocolConfiguration: { oidc: oidcSettings },
    })
    const at = { id: id(created) }
    await does(`PATCH ${base}/{id}`, 'application-updated', { description: 'd' }, at)
    const oidc = `${base}/{id}/inbound-protocols/oidc`
    const current = await server.send('GET', `${base}/${at.id}/inbound-protocols/oidc`)
    const settings = { ...(await json(current)), grantTypes: ['authorization_code'] }
    await does(`PUT ${oidc}`, 'application-protocol-updated', settings, at)
    await does(`PUT ${base}/{id}/owner`, 'application-updated', { id: made.subject.id }, at)
    await does(`POST ${base}/import`, 'application-created', { name: 'Imported' })
    await does(`PUT ${base}/import`, 'application-updated', { name: 'Imported', description: 'd' })
    await does(`PATCH ${base}/resident`, 'resident-application-updated', {
      provisioningConfigurations: {
        inboundProvisioning: { proxyMode: false, provisioningUserstoreDomain: 'PRIMARY' },
        outboundProvisioningIdps: [],
      },
    })
    await does(`POST ${oidc}/regenerate-secret`, 'application-secret-regenerated', undefined, at)
    await does(`POST ${oidc}/revoke`, 'application-revoked', undefined, at)
    const found = await server.send(
      'GET',
      `/api/server/v1/api-resources?filter=${encodeURIComponent('identifier eq /scim2/Users')}`,
    )
    const { apiResources } = (await found.json()) as { apiResources: { id: string }[] }
    const api = apiResources[0]?.id ?? ''
    const authorization = { id: api, policyIdentifier: 'RBAC', scopes: ['internal_user_mgt_view'] }
    await does(`POST ${base}/{id}/authorized-apis`, 'application-api-authorized', authorization, at)
    const more = { addedScopes: ['internal_user_mgt_list'], removedScopes: [] }
    await does(`PATCH ${base}/{id}/authorized-apis/{apiId}`, 'application-api-changed', more, {
      ...at,
      apiId: api,
    })
    await does(`DELETE ${base}/{id}/authorized-apis/{apiId}`, 'application-api-removed', undefined, {
      ...at,
      apiId: api,
    })
    await does(`POST ${base}/{id}/impersonation`, 'application-impersonation-enabled', {}, at)
    await does(`DELETE ${base}/{id}/impersonation`, 'application-impersonation-disabled', undefined, at)
    await does(`DELETE ${oidc}`, 'application-protocol-removed', undefined, at)
    await does(`DELETE ${base}/{id}`, 'application-deleted', undefined, at)
    const register = await does('POST /api/identity/oauth2/dcr/v1.1/register', 'client-registered', {
      client_name: 'Client',
      redirect_uris: ['https://client.example/cb'],
      grant_types: ['authorization_code'],
    })
    const { client_id = '' } = await json(register)
    const client = { client_id }
    const put = {
      client_name: 'Client 2',
      redirect_uris: ['https://client.example/cb'],
      grant_types: ['authorization_code'],
    }
    await does('PUT /api/identity/oauth2/dcr/v1.1/register/{client_id}', 'client-updated', put, client)
    await does(
      'DELETE /api/identity/oauth2/dcr/v1.1/register/{client_id}',
      'client-deleted',
      undefined,
      client,
    )
  })

  test('sessions and what a user has authorized', async () => {
    const scenario = made
    const person = scenario.subject
    const authorization = { Authorization: basic(person.userName, person.password) }
    const query = { response_type: 'code', scope: 'openid', requested_subject: undefined }
    const session = async () => {
      const browser = newBrowser(server)
      const answer = await logIn(browser, await browser.get(authorizePath(scenario, query)), person)
      const code = new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? ''
      const granted = await server.request('/oauth2/token', {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri }),
        headers: { Authorization: basic(scenario.clientId, scenario.clientSecret) },
      })
      expect(granted.status).toBe(200)
      const listed = await server.request('/api/users/v1/me/sessions', { headers: authorization })
      const { sessions } = (await listed.json()) as { sessions: { id: string }[] }
      return sessions[0]?.id ?? ''
    }
    const own = { headers: authorization }
    const him = { userId: person.id }
    const ended = 'sessions-ended'
    const me = '/api/users/v1/me'
    const other = '/api/users/v1/{userId}'
    await does(`DELETE ${me}/sessions/{sessionId}`, ended, undefined, { sessionId: await session() }, own)
    await session()
    await does(`DELETE ${me}/sessions`, ended, undefined, {}, own)
    await does(`DELETE ${other}/sessions/{sessionId}`, ended, undefined, {
      ...him,
      sessionId: await session(),
    })
    await session()
    await does(`DELETE ${other}/sessions`, ended, undefined, him)
    for (const version of ['v1', 'v2']) {
      // by its name, and by its id
      const app = { ...him, app: version === 'v1' ? 'POSTMAN_SBA' : scenario.applicationId }
      const base = `/api/users/${version}`
      for (const [call, init] of [
        [`DELETE ${base}/me/authorized-apps/{app}`, own],
        [`DELETE ${base}/me/authorized-apps`, own],
        [`DELETE ${base}/{userId}/authorized-apps/{app}`, {}],
        [`DELETE ${base}/{userId}/authorized-apps`, {}],
      ] as const) {
        await session()
        await does(call, 'consent-withdrawn', undefined, app, init)
      }
    }
    await does('DELETE /api/users/v2/authorized-apps/{app}/tokens', 'application-tokens-revoked', undefined, {
      app: scenario.applicationId,
    })
  })

  test('what only reads by POST leaves none', async () => {
    const search = { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], count: 2 }
    for (const path of ['/scim2/Users', '/scim2/Groups', '/scim2/v2/Roles'])
      await does(`POST ${path}/.search`, [], search)
  })

  test('Bulk leaves one for each operation that changes something', async () => {
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
    const operations = [
      { method: 'POST', path: '/Users', bulkId: 'u', data: { userName: 'Bulky', password: 'Bulky@1234' } },
      { method: 'POST', path: '/Groups', bulkId: 'g', data: { displayName: 'Bulky' } },
      { method: 'POST', path: '/v2/Roles', bulkId: 'r', data: { displayName: 'Bulky' } },
      {
        method: 'PATCH',
        path: '/Groups/bulkId:g',
        data: patchOp({ op: 'add', path: 'members', value: [{ value: 'bulkId:u' }] }),
      },
      { method: 'DELETE', path: '/v2/Roles/bulkId:r' },
      // nobody is there, and nothing is left of it
      { method: 'DELETE', path: `/Users/${crypto.randomUUID()}` },
    ]
    const events = ['user-created', 'group-created', 'role-created', 'group-updated', 'role-deleted']
    await does('POST /scim2/Bulk', events, { schemas, Operations: operations })
  })

  test('e-mail templates of all three APIs', async () => {
    const content = (subject: string) => ({
      contentType: 'text/html',
      subject,
      body: '<p>b</p>',
      footer: '<p>f</p>',
    })
    const typed = (displayName: string) => ({ type: Buffer.from(displayName).toString('base64url') })
    const v1 = '/api/server/v1/email/template-types'
    const first = typed('First')
    await does(`POST ${v1}`, 'email-template-type-created', {
      displayName: 'First',
      templates: [{ id: 'de_DE', ...content('a') }],
    })
    const put = [{ id: 'de_DE', ...content('b') }]
    await does(`PUT ${v1}/{type}`, 'email-templates-replaced', put, first)
    const french = { id: 'fr_FR', ...content('c') }
    await does(`POST ${v1}/{type}`, 'email-template-created', french, first)
    const at = { ...first, locale: 'fr_FR', application: made.applicationId }
    const one = `${v1}/{type}/templates/{locale}`
    await does(`PUT ${one}`, 'email-template-updated', { ...french, ...content('d') }, at)
    await does(`DELETE ${one}`, 'email-template-deleted', undefined, at)
    await does(`DELETE ${v1}/{type}`, 'email-template-type-deleted', undefined, first)
    const notification = '/api/server/v1/notification/email/template-types'
    for (const base of ['/api/server/v2/email/template-types', notification]) {
      await does(`POST ${base}`, 'email-template-type-created', { displayName: 'First' })
      for (const level of ['org-templates', 'app-templates/{application}']) {
        const new_ = { locale: 'fr_FR', ...content('a') }
        await does(`POST ${base}/{type}/${level}`, 'email-template-created', new_, at)
        await does(`PUT ${base}/{type}/${level}/{locale}`, 'email-template-updated', content('b'), at)
        await does(`DELETE ${base}/{type}/${level}/{locale}`, 'email-template-deleted', undefined, at)
      }
      await does(`DELETE ${base}/{type}`, 'email-template-type-deleted', undefined, at)
    }
    const builtIn = typed('ImpersonationEmailNotification')
    const english = { ...builtIn, application: made.applicationId }
    await does(`POST ${notification}/{type}/preview`, [], { locale: 'en_US' }, builtIn)
    const own = patchOp({ op: 'replace', value: { emails: ['admin@example.com'] } })
    await does('PATCH /scim2/Me', 'user-claims-changed', own)
    await does(`POST ${notification}/{type}/test-send`, 'email-template-tested', { locale: 'en_US' }, builtIn)
    const org = `${notification}/{type}/org-templates`
    await does(`POST ${org}`, 'email-template-created', { locale: 'en_US', ...content('a') }, english)
    await does('POST /api/server/v1/notification/reset-template-type', 'email-templates-reset', {
      templateTypeId: builtIn.type,
      channel: 'EMAIL',
    })
  })

  test('what has to leave: mails, webhooks and their deliveries', async () => {
    const { db } = server
    const gaveUp = { gave_up_at: new Date().toISOString(), next_attempt_at: null }
    const outbox = '/api/server/v1/notification/outbox'
    const { id: mailId } = await db.selectFrom('outbox').select('id').executeTakeFirstOrThrow()
    const giveUp = () => commit(db, [write(db.updateTable('outbox').set(gaveUp).where('id', '=', mailId))])
    expect(await giveUp()).toBe('committed')
    await does(`POST ${outbox}/{mailId}/retry`, 'mail-retried', undefined, { mailId })
    expect(await giveUp()).toBe('committed')
    await does(`POST ${outbox}/retry`, 'mails-retried')
    await does(`POST ${outbox}/retry`, [])
    const base = '/api/server/v1/webhooks'
    const receiver = { name: 'Receiver', url: 'https://receiver.example/told' }
    const at = { id: id(await does(`POST ${base}`, 'webhook-created', receiver)) }
    await does(`PATCH ${base}/{id}`, 'webhook-updated', { name: 'Other' }, at)
    await does(`POST ${base}/{id}/rotate-secret`, 'webhook-secret-rotated', undefined, at)
    await does(`POST ${base}/{id}/test`, 'webhook-tested', undefined, at)
    const { id: delivery } = await db.selectFrom('webhook_delivery').select('id').executeTakeFirstOrThrow()
    expect(await commit(db, [write(db.updateTable('webhook_delivery').set(gaveUp))])).toBe('committed')
    const retry = `POST ${base}/{id}/deliveries/{delivery}/retry`
    await does(retry, 'webhook-delivery-retried', undefined, { ...at, delivery })
    await does(`DELETE ${base}/{id}`, 'webhook-deleted', undefined, at)
  })

  test('notification senders', async () => {
    const sms = {
      name: 'Twilio',
      provider: 'Twilio',
      providerURL: 'https://sms.example/send',
      contentType: 'JSON',
      key: 'k',
      secret: 's',
      sender: 'a',
      properties: [],
    }
    const push = { name: 'FCM', provider: 'FCM', properties: [{ key: 'json', value: 'v' }] }
    for (const version of ['v1', 'v2']) {
      for (const [channel, body, changed] of [
        ['sms', sms, { ...sms, sender: 'b' }],
        ['push', push, { ...push, properties: [{ key: 'json', value: 'w' }] }],
      ] as const) {
        const base = `/api/server/${version}/notification-senders/${channel}`
        const { name = '' } = await json(await does(`POST ${base}`, 'configuration-resource-created', body))
        await does(`PUT ${base}/{name}`, 'configuration-resource-updated', changed, { name })
        await does(`DELETE ${base}/{name}`, 'configuration-resource-deleted', undefined, { name })
      }
    }
  })

  test('there is no other call that changes something and was not driven here, or counted by its own test', async () => {
    const response = await server.send('GET', '/api/openapi.json')
    const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> }
    const calls = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).flatMap((method) =>
        ['post', 'put', 'patch', 'delete'].includes(method) ? [`${method.toUpperCase()} ${path}`] : [],
      ),
    )
    expect(calls.length).toBeGreaterThan(70)
    const left = calls.filter((call) => !driven.has(call) && !elsewhere.some((pattern) => pattern.test(call)))
    expect(left).toEqual([])
  })
})
