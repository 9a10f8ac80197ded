/** Impersonation of one application by one call: on, explained, off; and who may not. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator } from './management.ts'
import { changesOf, nothingElse } from './nothing-else.ts'
import {
  createPerson,
  impersonate,
  type Person,
  redirectUri,
  subjectScopes,
  tokenExchange,
} from './scenario.ts'

const path = '/api/server/v1/applications'
const power = 'internal_user_impersonate'
const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()

interface Report {
  readonly role: { readonly id: string; readonly name: string }
  readonly enabled: boolean
  readonly ready: boolean
  readonly findings: readonly { readonly about: string; readonly state: string; readonly says: string }[]
  readonly calls: readonly { readonly path: string; readonly body: unknown }[]
}

describe.each(databases)('impersonation of an application on $name', (database) => {
  let server: Booted
  let impersonator: Person
  let subject: Person
  beforeAll(async () => {
    server = await boot(database)
    impersonator = await createPerson(server, 'Impersonator')
    subject = await createPerson(server, 'EndUser')
  })
  afterAll(() => server.stop())

  const create = async (name: string, more: object = {}, oidc: object = {}): Promise<string> => {
    const response = await server.send('POST', path, {
      name,
      advancedConfigurations: { skipLoginConsent: true },
      inboundProtocolConfiguration: {
        oidc: { grantTypes: ['authorization_code'], callbackURLs: [redirectUri], ...oidc },
      },
      ...more,
    })
    expect(response.status).toBe(201)
    return (response.headers.get('Location') ?? '').split('/').at(-1) ?? ''
  }
  const urlOf = (id: string) => `${path}/${id}/impersonation`
  const read = async <Body = Record<string, unknown>>(url: string, headers?: Record<string, string>) => {
    const response = await server.send('GET', url, undefined, headers)
    expect(response.status).toBe(200)
    return (await response.json()) as Body
  }
  const switchOn = async (id: string, body: object = {}) => {
    const response = await server.send('POST', urlOf(id), body)
    expect(response.status).toBe(200)
    return (await response.json()) as Report
  }
  const protocolOf = (id: string) =>
    read<{ clientId: string; clientSecret: string; grantTypes: string[] }>(
      `${path}/${id}/inbound-protocols/oidc`,
    )
  const refuse = (
    id: string,
    body: unknown,
    status: number,
    code: string,
    description?: RegExp,
    headers?: Record<string, string>,
  ) =>
    expectRefusal(server, () => server.send('POST', urlOf(id), body, headers), {
      status,
      code,
      ...(description ? { description } : {}),
    })
  const subjectRole = async (applicationId: string) => {
    const response = await server.send('POST', '/scim2/v2/Roles', {
      displayName: 'EndUserRole',
      audience: { value: applicationId, type: 'APPLICATION' },
      permissions: subjectScopes.map((value) => ({ value })),
      users: [{ value: subject.id }],
    })
    expect(response.status).toBe(201)
    return ((await response.json()) as { id: string }).id
  }
  const use = async (token: string) =>
    (await server.request('/scim2/Me', { headers: { Authorization: `Bearer ${token}` } })).status

  test('one call in one commit brings what the whole flow needs, and DELETE ends it', async () => {
    const id = await create('one call')
    const before = await read<Report>(urlOf(id))
    expect([before.enabled, before.ready]).toEqual([false, false])
    expect(before.findings).toContainEqual(expect.objectContaining({ about: 'grant', state: 'wrong' }))
    expect(before.calls.length).toBeGreaterThan(2)
    const body = { impersonators: [impersonator.id], scopes: subjectScopes }
    const { result, changes } = await changesOf(server.db, () => server.send('POST', urlOf(id), body))
    expect(result.status).toBe(200)
    const report = (await result.json()) as Report
    const count = (tables: Partial<Record<string, readonly unknown[]>>) =>
      Object.fromEntries(
        Object.entries(tables)
          .filter(([table]) => table !== 'population')
          .map(([table, rows]) => [table, rows?.length]),
      )
    expect([count(changes.added), count(changes.changed), count(changes.removed)]).toEqual([
      { application_api: 2, application_scope: 3, role: 1, role_permission: 1, account_role: 1, audit: 1 },
      { application: 1, account: 1, revision: 1 },
      {},
    ])
    expect(report).toMatchObject({ role: { name: 'Impersonator' }, enabled: true, ready: true })
    const { role, ...rest } = report
    expect(await read<unknown>(urlOf(id))).toEqual(rest)
    expect((await server.audit()).at(-1)).toMatchObject({
      event: 'application-impersonation-enabled',
      target: id,
      application_id: id,
      data: {
        name: 'one call',
        changed: ['accessToken', 'grantTypes', 'subjectToken'],
        scopes: [power, ...subjectScopes].sort(),
        role: { id: role.id, name: 'Impersonator', audience: { type: 'application', id }, made: true },
        users: [impersonator.id],
      },
    })
    const protocol = await protocolOf(id)
    expect(protocol).toMatchObject({
      grantTypes: ['authorization_code', tokenExchange],
      subjectToken: { enable: true },
      accessToken: { type: 'JWT' },
    })
    const again = await nothingElse(server.db, {}, () => switchOn(id, body))
    expect(again.result).toEqual(report)
    const scenario = {
      impersonator,
      subject,
      applicationId: id,
      clientId: protocol.clientId,
      clientSecret: protocol.clientSecret,
      impersonatorRole: role.id,
      subjectRole: await subjectRole(id),
    }
    const { access_token: token, scope } = await impersonate(server, scenario)
    expect(scope.split(' ')).toEqual(expect.arrayContaining([...subjectScopes]))
    expect(await use(token)).toBe(200)
    const off = await nothingElse(
      server.db,
      { application: { changed: 1 }, lineage: { changed: 1 }, audit: { added: 1 }, revision: { changed: 1 } },
      () => server.send('DELETE', urlOf(id)),
    )
    expect([off.result.status, await off.result.text()]).toEqual([204, ''])
    expect((await server.audit()).at(-1)).toMatchObject({
      event: 'application-impersonation-disabled',
      data: { name: 'one call', changed: ['grantTypes', 'subjectToken'] },
    })
    expect(await use(token)).toBe(401)
    expect(await read(urlOf(id))).toMatchObject({ enabled: false, ready: false })
    const twice = await nothingElse(server.db, {}, () => server.send('DELETE', urlOf(id)))
    expect(twice.result.status).toBe(204)
    // on again: the same role, and what was ended stays dead
    expect((await switchOn(id)).role).toEqual(role)
    // names of roles differ by more than case
    expect((await switchOn(id, { role: 'IMPERSONATOR' })).role).toEqual(role)
    expect(await use(token)).toBe(401)
    expect(await use((await impersonate(server, scenario)).access_token)).toBe(200)
  })

  test('it takes no body at all, and an audience of the organization', async () => {
    const id = await create('of the organization', {
      associatedRoles: { allowedAudience: 'ORGANIZATION', roles: [] },
    })
    const response = await server.send('POST', urlOf(id))
    const report = (await response.json()) as Report
    expect([response.status, report.enabled, report.ready]).toEqual([200, true, false])
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        about: 'impersonator',
        state: 'wrong',
        says: expect.stringContaining('admin'),
      }),
    )
    expect(await read(`/scim2/v2/Roles/${report.role.id}`)).toMatchObject({
      displayName: 'Impersonator',
      audience: { type: 'organization' },
    })
    await refuse(id, { role: 'Administrator' }, 400, 'APP-60001', /Administrator/)
    // a caller who may not list users is told no names
    const reader = await operator(server, 'reader', ['internal_application_mgt_view'])
    const text = JSON.stringify(await read(urlOf(id), reader))
    expect(text).toContain('user 0 of your choice')
    for (const name of ['admin', 'Impersonator@', 'EndUser']) expect(text).not.toContain(`names ${name}`)
    expect(text).not.toContain(impersonator.id)
  })

  test('whoever is in it by a group counts', async () => {
    const id = await create('by a group')
    const { role } = await switchOn(id, { role: 'By group', scopes: subjectScopes })
    await subjectRole(id)
    const group = await server.send('POST', '/scim2/Groups', {
      displayName: `Support of ${id}`,
      members: [{ value: impersonator.id }],
    })
    expect(group.status).toBe(201)
    const { id: groupId } = (await group.json()) as { id: string }
    expect((await read<Report>(urlOf(id))).ready).toBe(false)
    const joined = await server.send('PATCH', `/scim2/v2/Roles/${role.id}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'add', path: 'groups', value: [{ value: groupId }] }],
    })
    expect(joined.status).toBe(200)
    expect((await read<Report>(urlOf(id))).ready).toBe(true)
  })

  test('it refuses what it cannot do, each with its code', async () => {
    const id = await create('refused')
    await refuse(id, { scopes: ['nope'] }, 400, 'APP-60508', /nope/)
    await refuse(id, { impersonators: ['nobody'] }, 400, 'APP-60001', /nobody/)
    await refuse(id, { role: 'system_x' }, 400, 'APP-60001', /system_x/)
    await refuse(id, { role: '' }, 400, 'UE-10000')
    await refuse(id, { roles: 'x' }, 400, 'UE-10000')
    await refuse(id, { impersonators: impersonator.id }, 400, 'UE-10000')
    await refuse('nope', {}, 404, 'APP-60006')
    const pattern = await create('pattern', {}, { callbackURLs: ['regexp=(https://a.example/cb)'] })
    await refuse(pattern, {}, 400, 'OAUTH-60001', /subjectToken\.enable/)
    const plain = await server.send('POST', path, { name: 'without OAuth' })
    const plainId = (plain.headers.get('Location') ?? '').split('/').at(-1) ?? ''
    await refuse(plainId, {}, 404, 'APP-60501')
    expect(await read(urlOf(plainId))).toMatchObject({ enabled: false, ready: false })
    for (const [method, url, status, code] of [
      ['GET', urlOf('nope'), 404, 'APP-60006'],
      ['DELETE', urlOf('nope'), 404, 'APP-60006'],
      ['DELETE', urlOf(plainId), 404, 'APP-60501'],
    ] as const)
      await expectRefusal(server, () => server.send(method, url), { status, code })
    const stale = { Authorization: 'Basic YWRtaW46YWRtaW4=', 'If-Match': 'W/"77"' }
    await refuse(id, {}, 412, 'UE-10012', undefined, stale)
    const listed = await server.request(urlOf(id), {
      method: 'POST',
      headers: { Authorization: 'Basic YWRtaW46YWRtaW4=', 'Content-Type': 'text/plain' },
      body: '{}',
    })
    expect(listed.status).toBe(415)
  })

  test('invariant 14: it takes what it hands out', async () => {
    const id = await create('handed out')
    const withPower = await operator(server, 'with power', ['internal_application_mgt_update', power])
    await refuse(id, {}, 403, 'APP-60520', /internal_role_mgt_create/, withPower)
    const withRoles = await operator(server, 'with roles', [
      'internal_application_mgt_update',
      'internal_role_mgt_create',
      'internal_role_mgt_update',
    ])
    await refuse(id, {}, 403, 'APP-60520', /internal_user_impersonate/, withRoles)
    const able = await operator(server, 'able', [
      'internal_application_mgt_update',
      'internal_role_mgt_create',
      'internal_role_mgt_update',
      power,
    ])
    await refuse(id, { scopes: ['internal_user_mgt_delete'] }, 403, 'APP-60520', /mgt_delete/, able)
    expect((await server.send('POST', urlOf(id), {}, able)).status).toBe(200)
    // a role of that name that gives more is joined only by the hand of who holds it
    const api = await read<{ apiResources: { id: string }[] }>(
      `/api/server/v1/api-resources?filter=identifier+eq+${encodeURIComponent('/scim2/Users')}`,
    )
    const scopes = ['internal_user_mgt_delete']
    const authorized = await server.send('POST', `${path}/${id}/authorized-apis`, {
      id: api.apiResources[0]?.id,
      scopes,
    })
    expect(authorized.status).toBe(200)
    const made = await server.send('POST', '/scim2/v2/Roles', {
      displayName: 'Powerful',
      audience: { value: id, type: 'APPLICATION' },
      permissions: scopes.map((value) => ({ value })),
    })
    expect(made.status).toBe(201)
    const asked = { role: 'powerful', impersonators: [impersonator.id] }
    await refuse(id, asked, 403, 'APP-60520', /internal_user_mgt_delete/, able)
    expect((await switchOn(id, asked)).role.name).toBe('Powerful')
  })
})

test('where the feature is off nothing of it is reachable', async () => {
  const [database] = databases
  if (!database) throw new Error('there is a database')
  const without = shipped.replace(/\[\[oauth\.custom_response_type\]\]\n(?:\w+ *= .*\n)+/g, '')
  const server = await boot(database, { insteadOfShipped: without })
  for (const method of ['GET', 'POST', 'DELETE'])
    await expectRefusal(server, () => server.send(method, `${path}/x/impersonation`), {
      status: 404,
      code: '404',
    })
  await server.stop()
})
