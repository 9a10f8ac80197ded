/** Applications by REST: what they hold, what ends with them, and every refusal of what changes or removes them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { hashOf } from '../lib/tokens/token.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { userToken } from './fixtures.ts'
import { expectRefusal, operator } from './management.ts'
import { changesOf, nothingElse } from './nothing-else.ts'
import { basic, impersonate, oidcSettings, type Scenario, setUp } from './scenario.ts'

const path = '/api/server/v1/applications'
const power = 'internal_user_impersonate'

describe.each(databases)('applications on $name', (database) => {
  let server: Booted
  let manager: Record<string, string>
  let scenario: Scenario
  beforeAll(async () => {
    server = await boot(database)
    scenario = await setUp(server)
    manager = await operator(
      server,
      'manager',
      ['view', 'create', 'update', 'delete'].map((verb) => `internal_application_mgt_${verb}`),
    )
  })
  afterAll(() => server.stop())

  const create = async (body: object): Promise<string> => {
    const response = await server.send('POST', path, body)
    expect(response.status).toBe(201)
    return (response.headers.get('Location') ?? '').split('/').at(-1) ?? ''
  }
  const withOidc = (name: string, oidc: object = {}) => ({
    name,
    inboundProtocolConfiguration: {
      oidc: { ...oidcSettings, subjectToken: { enable: false }, ...oidc },
    },
  })
  const read = async <Body = Record<string, unknown>>(url: string): Promise<Body> => {
    const response = await server.send('GET', url)
    expect(response.status).toBe(200)
    return (await response.json()) as Body
  }
  const protocolOf = (id: string) =>
    read<Record<string, unknown> & { clientId: string; clientSecret: string }>(
      `${path}/${id}/inbound-protocols/oidc`,
    )
  const apiId = async (identifier: string) => {
    const url = `/api/server/v1/api-resources?filter=identifier+eq+${encodeURIComponent(identifier)}`
    return (await read<{ apiResources: { id: string }[] }>(url)).apiResources[0]?.id ?? ''
  }
  const lastAudit = async () => (await server.audit()).at(-1)
  const ownToken = async ({ clientId, clientSecret }: { clientId: string; clientSecret: string }) => {
    const response = await server.request('/oauth2/token', {
      method: 'POST',
      headers: { Authorization: basic(clientId, clientSecret) },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'internal_user_mgt_list' }),
    })
    return { status: response.status, ...((await response.json()) as { access_token?: string }) }
  }
  const use = async (token: string | undefined, url = '/scim2/Users?count=1') =>
    (await server.request(url, { headers: { Authorization: `Bearer ${token}` } })).status
  const code = (status: number, name: string) => ({ status, code: name })

  test('every field of the model is stored and given back', async () => {
    const whole = {
      description: 'all of it',
      imageUrl: 'https://a.example/i.png',
      accessUrl: 'https://a.example/',
      logoutReturnUrl: 'https://a.example/bye',
      templateId: 't',
      templateVersion: '1',
      isManagementApp: true,
      isB2BSelfServiceApp: true,
      enhancedOrgAuthenticationEnabled: true,
      associatedRoles: { allowedAudience: 'ORGANIZATION', roles: [{ id: 'r1', name: 'one' }] },
      claimConfiguration: {
        dialect: 'CUSTOM',
        claimMappings: [
          { applicationClaim: 'mail', localClaim: { uri: 'http://wso2.org/claims/emailaddress' } },
        ],
        requestedClaims: [{ claim: { uri: 'mail' }, mandatory: true }],
        subject: {
          claim: { uri: 'http://wso2.org/claims/username' },
          includeUserDomain: true,
          includeTenantDomain: true,
          useMappedLocalSubject: true,
          mappedLocalSubjectMandatory: true,
        },
        role: {
          mappings: [{ localRole: 'a', applicationRole: 'b' }],
          includeUserDomain: true,
          claim: { uri: 'http://wso2.org/claims/roles' },
        },
      },
      authenticationSequence: {
        type: 'USER_DEFINED',
        steps: [{ id: 1, options: [{ idp: 'LOCAL', authenticator: 'basic' }] }],
        requestPathAuthenticators: ['x'],
        script: 'var onLoginRequest',
        subjectStepId: 1,
        attributeStepId: 1,
      },
      advancedConfigurations: {
        saas: true,
        discoverableByEndUsers: true,
        discoverableGroups: [{ userStore: 'PRIMARY', groups: [] }],
        certificate: { type: 'JWKS', value: 'https://a.example/jwks' },
        skipLoginConsent: true,
        skipLogoutConsent: true,
        useExternalConsentPage: true,
        returnAuthenticatedIdpList: true,
        enableAuthorization: true,
        fragment: true,
        enableAPIBasedAuthentication: true,
        attestationMetaData: {
          enableClientAttestation: true,
          androidPackageName: 'p',
          androidAttestationServiceCredentials: { k: 'v' },
          appleAppId: 'q',
        },
        trustedAppConfiguration: { isFIDOTrustedApp: true },
        additionalSpProperties: [{ name: 'n', value: 'v', displayName: 'd' }],
      },
      provisioningConfigurations: {
        inboundProvisioning: { proxyMode: true, provisioningUserstoreDomain: 'PRIMARY' },
        outboundProvisioningIdps: [{ idp: 'other' }],
      },
    }
    const id = await create({ name: 'whole', ...whole, applicationEnabled: false })
    const { result } = await nothingElse(server.db, {}, () => read(`${path}/${id}`))
    expect(result).toEqual({
      id,
      name: 'whole',
      ...whole,
      applicationEnabled: false,
      applicationVersion: 'v1.0.0',
      access: 'WRITE',
      inboundProtocols: [],
    })
    const other = { description: 'other', claimConfiguration: { dialect: 'LOCAL' } }
    expect((await server.send('PATCH', `${path}/${id}`, other)).status).toBe(200)
    expect(await read(`${path}/${id}`)).toEqual({
      ...(result as object),
      description: 'other',
      claimConfiguration: {
        dialect: 'LOCAL',
        claimMappings: [],
        requestedClaims: [],
        subject: {
          includeUserDomain: false,
          includeTenantDomain: false,
          useMappedLocalSubject: false,
          mappedLocalSubjectMandatory: false,
        },
        role: { mappings: [], includeUserDomain: false },
      },
    })
    // what is read-only is kept by whoever leaves it out, and repeated by whoever sends it back
    const { additionalSpProperties } = whole.advancedConfigurations
    for (const advancedConfigurations of [{ saas: true }, { saas: true, additionalSpProperties }]) {
      expect((await server.send('PATCH', `${path}/${id}`, { advancedConfigurations })).status).toBe(200)
      expect(await read(`${path}/${id}`)).toMatchObject({
        advancedConfigurations: { additionalSpProperties },
      })
    }
    const changed = { advancedConfigurations: { additionalSpProperties: [] } }
    await expectRefusal(server, () => server.send('PATCH', `${path}/${id}`, changed), code(400, 'APP-60506'))
  })

  test('an application that names no roles has those that are its own', async () => {
    expect(await read(`${path}/${scenario.applicationId}`)).toMatchObject({
      associatedRoles: {
        allowedAudience: 'APPLICATION',
        roles: [
          { id: scenario.subjectRole, name: 'EndUserRole' },
          { id: scenario.impersonatorRole, name: 'ImpersonatorRole' },
        ],
      },
    })
  })

  test('If-Match and If-None-Match count on the application and on its protocol', async () => {
    const id = await create(withOidc('tagged'))
    const { clientId, clientSecret, ...settings } = await protocolOf(id)
    const send = (method: string, url: string, body?: object, headers: Record<string, string> = {}) =>
      server.send(method, url, body, { Authorization: basic('admin', 'admin'), ...headers })
    for (const [url, method, body] of [
      [`${path}/${id}`, 'PATCH', { description: 'new' }],
      [`${path}/${id}/inbound-protocols/oidc`, 'PUT', { ...settings, clientId, clientSecret, extra: 1 }],
    ] as const) {
      const tag = (await send('GET', url)).headers.get('ETag') ?? ''
      expect(tag).toMatch(/^W\/"\d+"$/)
      expect((await send('GET', url, undefined, { 'If-None-Match': tag })).status).toBe(304)
      expect((await send(method, url, body, { 'If-Match': tag })).status).toBe(200)
      const stale = { 'If-Match': tag }
      await expectRefusal(server, () => send(method, url, body, stale), code(412, 'UE-10012'))
      await expectRefusal(server, () => send('DELETE', url, undefined, stale), code(412, 'UE-10012'))
      expect((await send('GET', url, undefined, { 'If-None-Match': tag })).status).toBe(200)
    }
    const stale = { 'If-Match': 'W/"1"' }
    for (const action of ['regenerate-secret', 'revoke'])
      await expectRefusal(
        server,
        () => send('POST', `${path}/${id}/inbound-protocols/oidc/${action}`, undefined, stale),
        code(412, 'UE-10012'),
      )
    expect((await send('DELETE', `${path}/${id}`, undefined, { 'If-Match': '*' })).status).toBe(204)
  })

  test('If-Match counts on the owner and on what the application is authorized for', async () => {
    const id = await create(withOidc('Authorized once'))
    const url = `${path}/${id}/authorized-apis`
    const { Authorization } = { Authorization: basic('admin', 'admin') }
    const send = (method: string, to: string, body?: unknown, headers = {}) =>
      server.send(method, to, body, { Authorization, ...headers })
    const tagAt = async (at: string) => (await send('GET', at)).headers.get('etag') ?? ''
    const none = await tagAt(url)
    const api = await apiId('/scim2/Users')
    const body = { id: api, policyIdentifier: 'RBAC', scopes: ['internal_user_mgt_list'] }
    expect((await send('POST', url, body)).status).toBe(200)
    const one = await tagAt(url)
    expect(one).not.toBe(none)
    expect((await send('GET', url, undefined, { 'If-None-Match': one })).status).toBe(304)
    const application = await tagAt(`${path}/${id}`)
    expect((await send('PATCH', `${path}/${id}`, { description: 'later' })).status).toBe(200)
    const later = { addedScopes: ['internal_user_mgt_view'] }
    const stale = [
      ['PATCH', `${url}/${api}`, later, none],
      ['DELETE', `${url}/${api}`, undefined, none],
      ['PUT', `${path}/${id}/owner`, { id: scenario.impersonator.id }, application],
    ] as const
    for (const [method, to, asked, tag] of stale)
      await expectRefusal(server, () => send(method, to, asked, { 'If-Match': tag }), code(412, 'UE-10012'))
    expect((await send('PATCH', `${url}/${api}`, later, { 'If-Match': one })).status).toBe(200)
    const two = await tagAt(url)
    expect(two).not.toBe(one)
    expect((await send('DELETE', `${url}/${api}`, undefined, { 'If-Match': two })).status).toBe(204)
    const owner = { 'If-Match': await tagAt(`${path}/${id}`) }
    expect((await send('PUT', `${path}/${id}/owner`, { id: scenario.impersonator.id }, owner)).status).toBe(
      200,
    )
  })

  test('deleting an application ends everything of it, and nothing else', async () => {
    const other = { ...scenario }
    const id = await create(
      withOidc('doomed', { clientId: 'doomed', grantTypes: ['client_credentials'], accessToken: {} }),
    )
    const users = await apiId('/scim2/Users')
    const scopes = ['internal_user_mgt_list']
    expect((await server.send('POST', `${path}/${id}/authorized-apis`, { id: users, scopes })).status).toBe(
      200,
    )
    const role = await server.send('POST', '/scim2/v2/Roles', {
      displayName: 'of the doomed',
      audience: { type: 'APPLICATION', value: id },
      permissions: [{ value: 'internal_user_mgt_list' }],
      users: [{ value: scenario.subject.id }],
    })
    expect(role.status).toBe(201)
    const { id: roleId } = (await role.json()) as { id: string }
    const token = (await ownToken(await protocolOf(id))).access_token
    const { access_token: foreign } = await impersonate(server, other)
    expect([await use(token), await use(foreign)]).toEqual([200, 200])
    const population = async () => {
      const rows = await server.db.selectFrom('population').select('n').where('kind', '=', 'role').execute()
      return rows.reduce((sum, { n }) => sum + n, 0)
    }
    const roles = await population()
    const { result, changes } = await changesOf(server.db, () => server.send('DELETE', `${path}/${id}`))
    expect(await population()).toBe(roles - 1)
    const { population: _, ...added } = changes.added
    const { population: __, ...removed } = changes.removed
    const counts = (tables: object) =>
      Object.fromEntries(Object.entries(tables).map(([table, rows]) => [table, rows.length]))
    expect([counts(added), counts(changes.changed), counts(removed)]).toEqual([
      { audit: 1 },
      { lineage: 1, revision: 1 },
      {
        application: 1,
        application_api: 1,
        application_scope: 1,
        role: 1,
        role_permission: 1,
        account_role: 1,
      },
    ])
    expect([result.status, await result.text()]).toEqual([204, ''])
    expect(await lastAudit()).toMatchObject({
      event: 'application-deleted',
      target: id,
      application_id: id,
      data: { name: 'doomed', clientId: 'doomed', roles: [roleId] },
    })
    expect([await use(token), await use(foreign)]).toEqual([401, 200])
    // the same client id, made anew, has no part in what was issued under it
    const again = await create(withOidc('doomed', { clientId: 'doomed' }))
    expect(await use(token)).toBe(401)
    expect((await server.send('DELETE', `${path}/${again}`)).status).toBe(204)
    const unknown = await nothingElse(server.db, {}, () => server.send('DELETE', `${path}/${again}`))
    expect(unknown.result.status).toBe(204)
  })

  test('what the server itself is stays', async () => {
    const id = await create(withOidc('portal'))
    const renamed = server.db.updateTable('application').set({ name: 'Console' }).where('id', '=', id)
    expect(await commit(server.db, [write(renamed)])).toBe('committed')
    const oidc = `${path}/${id}/inbound-protocols/oidc`
    for (const [method, url, body, refusal] of [
      ['DELETE', `${path}/${id}`, undefined, code(403, 'APP-60008')],
      ['DELETE', `${path}/resident`, undefined, code(403, 'APP-60008')],
      ['DELETE', oidc, undefined, code(403, 'APP-60008')],
      ['POST', `${oidc}/revoke`, undefined, code(403, 'APP-60008')],
      ['PATCH', `${path}/${id}`, { name: 'mine' }, code(400, 'APP-60516')],
      ['POST', path, { name: 'console' }, code(400, 'APP-60515')],
      ['POST', `${path}/import`, { name: 'MY ACCOUNT' }, code(400, 'APP-60515')],
    ] as const)
      await expectRefusal(server, () => server.send(method, url, body), refusal)
    expect((await server.send('PATCH', `${path}/${id}`, { name: 'Console', description: 'd' })).status).toBe(
      200,
    )
    const names = async (query: string) =>
      (await read<{ applications: { name: string }[] }>(`${path}?limit=100${query}`)).applications.map(
        ({ name }) => name,
      )
    expect(await names('')).toContain('Console')
    expect(await names('&excludeSystemPortals=false')).toContain('Console')
    expect(await names('&excludeSystemPortals=true')).not.toContain('Console')
    const page = await read(`${path}?limit=1&excludeSystemPortals=true&attributes=clientId,issuer`)
    expect(page).toMatchObject({
      links: [{ href: expect.stringContaining('&attributes=clientId,issuer&excludeSystemPortals=true') }],
    })
    await expectRefusal(
      server,
      () => server.send('GET', `${path}?excludeSystemPortals=x`),
      code(400, 'APP-60001'),
    )
  })

  test('a revoked client is dead until it gets another secret, what it had stays dead', async () => {
    const id = await create(withOidc('revoked', { grantTypes: ['client_credentials'] }))
    const users = await apiId('/scim2/Users')
    const scopes = ['internal_user_mgt_list']
    await server.send('POST', `${path}/${id}/authorized-apis`, { id: users, scopes })
    const before = await protocolOf(id)
    const token = (await ownToken(before)).access_token
    expect(await use(token)).toBe(200)
    const url = `${path}/${id}/inbound-protocols/oidc`
    const revoked = await nothingElse(
      server.db,
      {
        application: { changed: 1 },
        lineage: { changed: 1 },
        audit: { added: 1 },
        revision: { changed: 1 },
      },
      () => server.send('POST', `${url}/revoke`),
    )
    expect([revoked.result.status, await revoked.result.text()]).toEqual([200, ''])
    expect(await lastAudit()).toMatchObject({ event: 'application-revoked', data: { name: 'revoked' } })
    expect((await protocolOf(id)).state).toBe('REVOKED')
    expect([await use(token), (await ownToken(before)).status]).toEqual([401, 401])
    const again = await nothingElse(server.db, {}, () => server.send('POST', `${url}/revoke`))
    expect(again.result.status).toBe(200)
    const response = await server.send('POST', `${url}/regenerate-secret`)
    expect(response.status).toBe(200)
    const after = (await response.json()) as typeof before
    expect(after).toEqual({ ...before, clientSecret: expect.stringMatching(/^\w{28}$/), state: 'ACTIVE' })
    expect(after.clientSecret).not.toBe(before.clientSecret)
    expect(await protocolOf(id)).toEqual(after)
    expect(await lastAudit()).toMatchObject({
      event: 'application-secret-regenerated',
      data: { name: 'revoked', clientId: before.clientId, active: true },
    })
    expect(JSON.stringify(await server.audit())).not.toContain(after.clientSecret)
    expect([await use(token), (await ownToken(before)).status]).toEqual([401, 401])
    const fresh = (await ownToken(after)).access_token
    expect(await use(fresh)).toBe(200)
    expect((await server.send('POST', `${url}/regenerate-secret`)).status).toBe(200)
    expect(await use(fresh)).toBe(401)
  })

  test('what hangs on a session, on a lineage of others, or waits, ends as well, and theirs goes on', async () => {
    const id = await create(withOidc('scattered', { clientId: 'scattered' }))
    const [own, other] = [
      { id, clientId: 'scattered' },
      { id: scenario.applicationId, clientId: scenario.clientId },
    ]
    const asked = { subjectId: scenario.subject.id, scopes: ['openid'] }
    const ofSession = await userToken(server.db, { ...asked, application: own })
    const ofOther = await userToken(server.db, { ...asked, application: other })
    const { lineage_id } = await server.db
      .selectFrom('token')
      .select('lineage_id')
      .where('hash', '=', hashOf(ofOther))
      .executeTakeFirstOrThrow()
    const exchanged = await server.db
      .selectFrom('token')
      .selectAll()
      .where('hash', '=', hashOf(ofSession))
      .executeTakeFirstOrThrow()
    const [at, later] = [new Date().toISOString(), new Date(Date.now() + 60_000).toISOString()]
    const rows = [
      server.db
        .insertInto('token')
        .values({ ...exchanged, hash: hashOf('exchanged'), id: 'exchanged', lineage_id, follows: 'another' }),
      server.db.insertInto('pushed_request').values({
        hash: hashOf('pushed'),
        client_id: 'scattered',
        parameters: '{}',
        created_at: at,
        expires_at: later,
      }),
      server.db.insertInto('device_authorization').values({
        id: 'device',
        device_hash: hashOf('device'),
        user_hash: hashOf('user'),
        application_id: id,
        client_id: 'scattered',
        organization_id: rootOrganization.id,
        scopes: '',
        interval_seconds: 5,
        created_at: at,
        expires_at: later,
      }),
      server.db
        .insertInto('consent')
        .values({ account_id: scenario.subject.id, application_id: id, scopes: 'openid', given_at: at }),
    ]
    expect(await commit(server.db, rows.map(write))).toBe('committed')
    const all = [ofSession, 'exchanged', ofOther]
    const used = () => Promise.all(all.map((token) => use(token, '/oauth2/userinfo')))
    expect(await used()).toEqual([200, 200, 200])
    const url = `${path}/${id}/inbound-protocols/oidc`
    const revoked = await nothingElse(
      server.db,
      {
        application: { changed: 1 },
        token: { removed: 2 },
        pushed_request: { removed: 1 },
        device_authorization: { removed: 1 },
        audit: { added: 1 },
        revision: { changed: 1 },
      },
      () => server.send('POST', `${url}/revoke`),
    )
    expect(revoked.result.status).toBe(200)
    expect((await server.send('POST', `${url}/regenerate-secret`)).status).toBe(200)
    expect(await used()).toEqual([401, 401, 200])
    // what the user consented to is for an application that is there
    const consents = () =>
      server.db.selectFrom('consent').select('scopes').where('application_id', '=', id).execute()
    expect(await consents()).toHaveLength(1)
    expect((await server.send('DELETE', `${path}/${id}`)).status).toBe(204)
    expect(await consents()).toEqual([])
  })

  test('without its OAuth settings an application goes on, and its client id is free', async () => {
    const id = await create(withOidc('mute', { clientId: 'mute-client' }))
    const url = `${path}/${id}/inbound-protocols/oidc`
    const removed = await nothingElse(
      server.db,
      { application: { changed: 1 }, audit: { added: 1 }, revision: { changed: 1 } },
      () => server.send('DELETE', url),
    )
    expect([removed.result.status, await removed.result.text()]).toEqual([204, ''])
    expect(await lastAudit()).toMatchObject({
      event: 'application-protocol-removed',
      data: { name: 'mute', clientId: 'mute-client' },
    })
    expect(await read<unknown>(`${path}/${id}/inbound-protocols`)).toEqual([])
    for (const [method, rest] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/revoke'],
      ['POST', '/regenerate-secret'],
    ] as const)
      await expectRefusal(server, () => server.send(method, `${url}${rest}`), code(404, 'APP-60501'))
    const other = await create(withOidc('speaks', { clientId: 'mute-client' }))
    expect(await read<unknown>(`${path}/${other}/inbound-protocols`)).toEqual([
      {
        type: 'oauth2',
        name: 'mute-client',
        self: `/t/carbon.super${path}/${other}/inbound-protocols/oidc`,
      },
    ])
    const taken = { grantTypes: ['client_credentials'], clientId: 'mute-client' }
    await expectRefusal(server, () => server.send('PUT', url, taken), code(409, 'OAUTH-60008'))
  })

  test('scopes of an authorized API come and go, and its roles lose what is gone', async () => {
    const id = await create(withOidc('scoped'))
    const [users, groups] = [await apiId('/scim2/Users'), await apiId('/scim2/Groups')]
    const url = `${path}/${id}/authorized-apis`
    const scopes = ['internal_user_mgt_list', 'internal_user_mgt_view']
    expect((await server.send('POST', url, { id: users, scopes })).status).toBe(200)
    const role = await server.send('POST', '/scim2/v2/Roles', {
      displayName: 'scoped role',
      audience: { type: 'APPLICATION', value: id },
      permissions: scopes.map((value) => ({ value })),
    })
    const { id: roleId } = (await role.json()) as { id: string }
    const changed = await nothingElse(
      server.db,
      {
        application_scope: { added: 1, removed: 1 },
        role: { changed: 1 },
        role_permission: { removed: 1 },
        audit: { added: 1 },
        revision: { changed: 1 },
      },
      () =>
        server.send('PATCH', `${url}/${users}`, {
          addedScopes: ['internal_user_mgt_create', 'internal_user_mgt_list'],
          removedScopes: ['internal_user_mgt_view'],
        }),
    )
    expect([changed.result.status, await changed.result.text()]).toEqual([200, ''])
    expect(changed.changes.removed.role_permission).toEqual([
      { role_id: roleId, scope_name: 'internal_user_mgt_view' },
    ])
    expect(await lastAudit()).toMatchObject({
      event: 'application-api-changed',
      data: {
        name: 'scoped',
        api: '/scim2/Users',
        added: ['internal_user_mgt_create'],
        removed: ['internal_user_mgt_view'],
      },
    })
    const same = { addedScopes: ['internal_user_mgt_list'] }
    const nothing = await nothingElse(server.db, {}, () => server.send('PATCH', `${url}/${users}`, same))
    expect(nothing.result.status).toBe(200)
    for (const [body, api, refusal] of [
      [{}, groups, code(400, 'APP-60510')],
      [{}, 'nope', code(400, 'APP-60510')],
      [{ addedScopes: ['internal_group_mgt_view'] }, users, code(400, 'APP-60508')],
      [{ removedScopes: ['nope'] }, users, code(400, 'APP-60508')],
      [{ addedScopes: 'x' }, users, code(400, 'UE-10000')],
      [{ addedAuthorizationDetailsTypes: ['x'] }, users, code(501, 'APP-65003')],
    ] as const)
      await expectRefusal(server, () => server.send('PATCH', `${url}/${api}`, body), refusal)
    await expectRefusal(
      server,
      () => server.send('PATCH', `${url}/${users}`, { addedScopes: ['internal_user_mgt_view'] }, manager),
      { ...code(403, 'APP-60520'), description: /internal_user_mgt_view/ },
    )
    const typed = { id: groups, authorizationDetailsTypes: ['x'] }
    await expectRefusal(server, () => server.send('POST', url, typed), code(501, 'APP-65003'))
    const withdrawn = await nothingElse(
      server.db,
      {
        application_api: { removed: 1 },
        application_scope: { removed: 2 },
        role: { changed: 1 },
        role_permission: { removed: 1 },
        audit: { added: 1 },
        revision: { changed: 1 },
      },
      () => server.send('DELETE', `${url}/${users}`),
    )
    expect([withdrawn.result.status, await withdrawn.result.text()]).toEqual([204, ''])
    expect(await lastAudit()).toMatchObject({
      event: 'application-api-removed',
      data: { api: '/scim2/Users', scopes: ['internal_user_mgt_create', 'internal_user_mgt_list'] },
    })
    expect(await read<unknown>(url)).toEqual([])
    const gone = await nothingElse(server.db, {}, () => server.send('DELETE', `${url}/${users}`))
    expect(gone.result.status).toBe(204)
  })

  test('the options of OAuth settings are told, numbers as texts', async () => {
    expect(await read(`${path}/meta/inbound-protocols/oidc`)).toMatchObject({
      allowedGrantTypes: {
        options: expect.arrayContaining([
          { name: 'authorization_code', displayName: 'Code', publicClientAllowed: true },
          { name: 'client_credentials', displayName: 'Client Credential', publicClientAllowed: false },
        ]),
      },
      defaultUserAccessTokenExpiryTime: '3600',
      defaultApplicationAccessTokenExpiryTime: '3600',
      defaultRefreshTokenExpiryTime: '86400',
      defaultIdTokenExpiryTime: '3600',
      accessTokenType: { options: ['Default', 'JWT'] },
    })
  })

  test('the resident application is read and changed', async () => {
    const url = `${path}/resident`
    const first = await server.send('GET', url)
    expect([first.status, await first.json()]).toEqual([
      200,
      { provisioningConfigurations: { outboundProvisioningIdps: [] } },
    ])
    const tag = first.headers.get('ETag') ?? ''
    const provisioningConfigurations = {
      inboundProvisioning: { proxyMode: false, provisioningUserstoreDomain: 'PRIMARY' },
      outboundProvisioningIdps: [],
    }
    const put = () => server.send('PATCH', url, { provisioningConfigurations })
    const changed = await nothingElse(
      server.db,
      { meta: { added: 1 }, audit: { added: 1 }, revision: { changed: 1 } },
      put,
    )
    expect(changed.result.status).toBe(200)
    expect(await read(url)).toEqual({ provisioningConfigurations })
    expect(await lastAudit()).toMatchObject({
      event: 'resident-application-updated',
      target: 'resident',
      data: { changed: ['provisioningConfigurations'] },
    })
    await nothingElse(server.db, {}, put)
    await expectRefusal(server, () => server.send('PATCH', url, { name: 'x' }), code(400, 'UE-10000'))
    const headers = { Authorization: basic('admin', 'admin'), 'If-Match': tag }
    await expectRefusal(server, () => server.send('PATCH', url, {}, headers), code(412, 'UE-10012'))
  })

  test('an application is exported without its secret, and imported', async () => {
    const id = await create({ ...withOidc('moved', { clientId: 'moved' }), description: 'here' })
    const url = `${path}/${id}/export`
    const { clientSecret } = await protocolOf(id)
    const file = await read<{ inboundProtocolConfiguration: { oidc: Record<string, unknown> } }>(url)
    expect(JSON.stringify(file)).not.toContain(clientSecret)
    const withSecret = await read<typeof file>(`${url}?exportSecrets=true`)
    expect(withSecret.inboundProtocolConfiguration.oidc.clientSecret).toBe(clientSecret)
    const attached = await server.send('GET', `${url}File?exportSecrets=false`)
    expect(attached.headers.get('Content-Disposition')).toBe(`attachment; filename="application-${id}.json"`)
    expect(await attached.json()).toEqual(file)
    await expectRefusal(server, () => server.send('GET', `${url}?exportSecrets=1`), code(400, 'APP-60001'))
    await expectRefusal(server, () => server.send('GET', `${url}?exportSecrets=true`, undefined, manager), {
      ...code(403, 'APP-60520'),
      description: /client_secret_view/,
    })
    for (const [body, refusal] of [
      [file, code(409, 'APP-60007')],
      [{ ...file, name: 'elsewhere' }, code(409, 'APP-60009')],
      [{ name: ' ' }, code(400, 'APP-60001')],
    ] as const)
      await expectRefusal(server, () => server.send('POST', `${path}/import`, body), refusal)
    // over itself it changes nothing
    await nothingElse(server.db, {}, () => server.send('PUT', `${path}/import`, withSecret))
    const changed = { ...file, description: 'there', applicationEnabled: false }
    const over = await nothingElse(
      server.db,
      { application: { changed: 1 }, audit: { added: 1 }, revision: { changed: 1 } },
      () => server.send('PUT', `${path}/import`, changed),
    )
    expect([over.result.status, over.result.headers.get('Location')]).toEqual([
      200,
      `https://localhost:9443${path}/${id}`,
    ])
    expect(await lastAudit()).toMatchObject({
      event: 'application-updated',
      target: id,
      data: { name: 'moved', changed: ['description'], enabled: false, clientId: 'moved' },
    })
    expect((await protocolOf(id)).clientSecret).toBe(clientSecret)
    await expectRefusal(
      server,
      () => server.send('PUT', `${path}/import`, { ...file, name: 'nobody' }),
      code(404, 'APP-60006'),
    )
    const taken = {
      ...file,
      inboundProtocolConfiguration: { oidc: { ...oidcSettings, clientId: scenario.clientId } },
    }
    await expectRefusal(server, () => server.send('PUT', `${path}/import`, taken), code(409, 'APP-60009'))
    expect((await server.send('DELETE', `${path}/${id}`)).status).toBe(204)
    const imported = await server.send('POST', `${path}/import`, withSecret)
    expect([imported.status, await imported.text()]).toEqual([201, ''])
    const newId = (imported.headers.get('Location') ?? '').split('/').at(-1) ?? ''
    expect((await protocolOf(newId)).clientSecret).toBe(clientSecret)
    expect(await read<unknown>(`${path}/${newId}/export?exportSecrets=true`)).toEqual(withSecret)
  })

  test('an application has an owner', async () => {
    const id = await create({ name: 'owned' })
    const put = (owner: unknown) => server.send('PUT', `${path}/${id}/owner`, owner)
    const { result } = await nothingElse(
      server.db,
      { application: { changed: 1 }, audit: { added: 1 }, revision: { changed: 1 } },
      () => put({ id: scenario.subject.id }),
    )
    expect([result.status, await result.text()]).toEqual([200, ''])
    expect(await read(`${path}/${id}`)).toMatchObject({ owner: { id: scenario.subject.id } })
    await expectRefusal(server, () => put({ id: 'nobody' }), code(400, 'APP-60001'))
    await expectRefusal(server, () => put({}), code(400, 'UE-10000'))
    await expectRefusal(
      server,
      () => server.send('PUT', `${path}/${id}/owner`, { id: scenario.subject.id }, manager),
      { status: 403, code: 403 },
    )
  })

  test('an application has one secret', async () => {
    const url = `${path}/${scenario.applicationId}/inbound-protocols/oidc/secrets`
    for (const [method, rest] of [
      ['GET', ''],
      ['POST', ''],
      ['DELETE', '/x'],
    ] as const)
      await expectRefusal(server, () => server.send(method, `${url}${rest}`), code(501, 'APP-65003'))
  })

  test('what does not exist is 404 on every route', async () => {
    for (const [method, rest, body] of [
      ['GET', '/export', undefined],
      ['GET', '/exportFile', undefined],
      ['PUT', '/owner', { id: 'x' }],
      ['GET', '/inbound-protocols', undefined],
      ['DELETE', '/inbound-protocols/oidc', undefined],
      ['POST', '/inbound-protocols/oidc/regenerate-secret', undefined],
      ['POST', '/inbound-protocols/oidc/revoke', undefined],
      ['PATCH', '/authorized-apis/x', {}],
      ['DELETE', '/authorized-apis/x', undefined],
    ] as const)
      await expectRefusal(
        server,
        () => server.send(method, `${path}/nope${rest}`, body),
        code(404, 'APP-60006'),
      )
  })

  test('invariant 14: an application that may impersonate is out of reach for who may not', async () => {
    const { applicationId: id } = scenario
    const protocol = await protocolOf(id)
    const file = await read<object>(`${path}/${id}/export`)
    const impersonation = await apiId('system:impersonation')
    const oidc = `${path}/${id}/inbound-protocols/oidc`
    const { access_token: token } = await impersonate(server, scenario)
    const plain = await server.send('POST', path, withOidc('unremarkable'), manager)
    const plainId = (plain.headers.get('Location') ?? '').split('/').at(-1) ?? ''
    expect(plain.status).toBe(201)
    for (const [method, url, body] of [
      ['DELETE', `${path}/${id}`, undefined],
      ['DELETE', oidc, undefined],
      ['PUT', oidc, { ...protocol, callbackURLs: ['https://evil.example/cb'] }],
      ['PUT', oidc, { ...protocol, grantTypes: ['client_credentials'], subjectToken: { enable: false } }],
      ['POST', `${oidc}/regenerate-secret`, undefined],
      ['POST', `${oidc}/revoke`, undefined],
      ['PATCH', `${path}/${id}`, { associatedRoles: { allowedAudience: 'ORGANIZATION' } }],
      ['PATCH', `${path}/${id}`, { name: 'renamed' }],
      ['PATCH', `${path}/${id}/authorized-apis/${impersonation}`, { removedScopes: [power] }],
      ['DELETE', `${path}/${id}/authorized-apis/${impersonation}`, undefined],
      ['PUT', `${path}/import`, { ...file, description: 'mine' }],
      [
        'POST',
        `${path}/import`,
        { ...file, name: 'copy', inboundProtocolConfiguration: { oidc: oidcSettings } },
      ],
      ['POST', `${path}/${plainId}/impersonation`, {}],
      ['POST', `${path}/${id}/impersonation`, {}],
      ['DELETE', `${path}/${id}/impersonation`, undefined],
    ] as const)
      await expectRefusal(server, () => server.send(method, url, body, manager), {
        ...code(403, 'APP-60520'),
        description: new RegExp(power),
      })
    expect(await use(token)).toBe(200)
    const shown = await server.send('GET', oidc, undefined, manager)
    expect(await shown.json()).not.toHaveProperty('clientSecret')
    // his own goes when he likes
    expect((await server.send('DELETE', `${path}/${plainId}`, undefined, manager)).status).toBe(204)
  })
})

test('there are no more applications than there can be, registered ones included', async () => {
  const [database] = databases
  if (!database) throw new Error('there is a database')
  const server = await boot(database, { toml: '[applications]\nmax = 1' })
  expect((await server.send('POST', path, { name: 'the first' })).status).toBe(201)
  for (const url of [path, `${path}/import`])
    await expectRefusal(server, () => server.send('POST', url, { name: 'the second' }), {
      status: 403,
      code: 'APP-60503',
    })
  const metadata = { redirect_uris: ['https://client.example/cb'] }
  const registered = await server.send('POST', '/api/identity/oauth2/dcr/v1.1/register', metadata)
  expect([registered.status, await registered.json()]).toMatchObject([403, { error: 'access_denied' }])
  await server.stop()
})
