/** What provisioning systems send: Entra ID, Okta and OneLogin, in their own words; none of them sends a password. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, basic, boot } from './boot.ts'
import { newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { changesOf } from './nothing-else.ts'
import { authorizePath, logIn, type Scenario, setUp } from './scenario.ts'

type Body = Record<string, unknown>
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const core = 'urn:ietf:params:scim:schemas:core:2.0:User'

describe.each(databases)('provisioning on $name', (database) => {
  let server: Booted
  let scenario: Scenario
  beforeAll(async () => {
    server = await boot(database)
    scenario = await setUp(server)
  })
  afterAll(() => server.stop())

  const send = async (method: string, path: string, body?: unknown) => {
    const response = await server.send(method, `/scim2${path}`, body)
    const text = await response.text()
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Body & { id: string } }
  }
  const found = async (type: string, filter: string) => {
    const { status, body } = await send('GET', `/${type}?${new URLSearchParams({ filter })}`)
    expect(status).toBe(200)
    return (body.Resources as Body[]).map(({ id }) => id)
  }
  /** The resource after the operations, which are taken. */
  const patched = async (path: string, ...Operations: readonly Body[]) => {
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
    const { status, body } = await send('PATCH', path, { schemas, Operations })
    expect([status, body.detail]).toEqual([200, undefined])
    return body
  }

  describe('a user without a password', () => {
    const attempt = (userName: string, password: string) =>
      server.send('GET', '/scim2/Me', undefined, { Authorization: basic(userName, password) })

    const signIn = async (userName: string, password: string) => {
      const browser = newBrowser(server)
      const answer = await logIn(browser, await browser.get(authorizePath(scenario)), { userName, password })
      const location = new URL(answer.headers.get('location') ?? '', 'https://x.example')
      return [location.pathname, location.searchParams.get('authFailureMsg')]
    }

    let wrong: unknown
    let refused: (string | null)[]
    beforeAll(async () => {
      wrong = await (await attempt('admin', 'wrong')).json()
      refused = await signIn('admin', 'wrong')
    })

    test.each([undefined, null])('is made by a POST whose password is %p', async (password) => {
      const userName = `bare.${password}`
      const { result, changes } = await changesOf(server.db, () =>
        send('POST', '/Users', { schemas: [core], userName, password }),
      )
      expect(result.status).toBe(201)
      const { account, audit, ...others } = changes.added
      expect(account).toMatchObject([{ user_name: userName, password_hash: null, version: 1 }])
      expect(audit).toMatchObject([{ event: 'user-created' }])
      expect(Object.keys(others).filter((table) => table !== 'population')).toEqual(['account_without'])
      const answer = await attempt(userName, 'Password@123')
      expect([answer.status, await answer.json()]).toEqual([401, wrong])
      expect(await signIn(userName, String(password))).toEqual(refused)
      await patched(`/Users/${result.body.id}`, { op: 'replace', value: { password: 'Password@123' } })
      expect((await attempt(userName, 'Password@123')).status).toBe(200)
      expect(await signIn(userName, 'Password@123')).not.toEqual(refused)
    })

    test('has none by PATCH and PUT either, once there is one', async () => {
      const { body } = await send('POST', '/Users', { userName: 'dressed', password: 'Password@123' })
      for (const operation of [
        { op: 'remove', path: 'password' },
        { op: 'replace', value: { password: null } },
      ]) {
        const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
        const { status } = await send('PATCH', `/Users/${body.id}`, { schemas, Operations: [operation] })
        expect(status).toBe(400)
      }
      expect((await send('PUT', `/Users/${body.id}`, { userName: 'dressed' })).status).toBe(200)
      expect((await attempt('dressed', 'Password@123')).status).toBe(200)
    })
  })

  test('Entra ID: a user from the probe to the switch-off', async () => {
    expect(await found('Users', 'userName eq "nobody@contoso.example"')).toEqual([])
    const { status, body: made } = await send('POST', '/Users', {
      schemas: [core, enterprise],
      externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
      userName: 'test_user@contoso.example',
      active: true,
      emails: [{ primary: true, type: 'work', value: 't@contoso.example' }],
      meta: { resourceType: 'User' },
      name: { formatted: 'given family', familyName: 'family', givenName: 'given' },
      roles: [],
      [enterprise]: { department: 'd' },
    })
    expect(status).toBe(201)
    const path = `/Users/${made.id}`
    expect(await found('Users', 'externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"')).toEqual([made.id])
    const work = await patched(
      path,
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'new@contoso.example' },
      { op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: '+31' },
      { op: 'Add', path: 'addresses[type eq "work"].formatted', value: 'Street 1' },
      { op: 'Add', path: 'addresses[type eq "work"].country', value: 'NL' },
    )
    expect(work).toMatchObject({
      emails: [{ primary: true, type: 'work', value: 'new@contoso.example' }],
      phoneNumbers: [{ type: 'mobile', value: '+31' }],
      addresses: [{ type: 'work', formatted: 'Street 1', country: 'NL' }],
    })
    const dotted = await patched(path, {
      op: 'replace',
      value: {
        displayName: 'x',
        'name.givenName': 'other',
        [`${enterprise}:department`]: 'dd',
        'emails[type eq "work"].value': 'zz@contoso.example',
        active: 'False',
      },
    })
    expect(dotted).toMatchObject({ active: false, displayName: 'x', [enterprise]: { department: 'dd' } })
    expect((await patched(path, { op: 'Replace', path: 'active', value: 'True' })).active).toBe(true)
    const manager = scenario.subject.id
    for (const value of [manager, { value: manager }, [{ $ref: null, value: manager }]]) {
      const { [enterprise]: extension } = await patched(path, {
        op: 'Add',
        path: `${enterprise}:manager`,
        value,
      })
      expect(extension).toMatchObject({ manager: { value: manager } })
      expect(await found('Users', `id eq "${made.id}" and ${enterprise}:manager eq "${manager}"`)).toEqual([
        made.id,
      ])
      await patched(path, { op: 'Remove', path: `${enterprise}:manager` })
    }
    expect((await send('DELETE', path)).status).toBe(204)
  })

  test('Entra ID and Okta: a group and its members', async () => {
    const { status, body: group } = await send('POST', '/Groups', {
      schemas: [
        'urn:ietf:params:scim:schemas:core:2.0:Group',
        'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group',
      ],
      externalId: '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159',
      displayName: 'Readers',
      meta: { resourceType: 'Group' },
    })
    expect(status).toBe(201)
    const path = `/Groups/${group.id}`
    const one = { $ref: null, value: scenario.subject.id }
    await patched(path, { op: 'Add', path: 'members', value: [one] })
    const filter = `id eq "${group.id}" and members eq "${scenario.subject.id}"`
    expect(await found('Groups', filter)).toEqual([group.id])
    await patched(path, { op: 'Remove', path: 'members', value: [one] })
    expect(await found('Groups', filter)).toEqual([])
    await patched(path, { op: 'replace', path: 'members', value: [{ value: one.value, display: 'x' }] })
    await patched(path, { op: 'remove', path: `members[value eq "${one.value}"]` })
    const renamed = await patched(path, { op: 'replace', value: { id: group.id, displayName: 'Writers' } })
    expect(renamed.displayName).toBe('Writers')
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
    const Operations = [{ op: 'replace', value: { id: 'another', displayName: 'Others' } }]
    expect((await send('PATCH', path, { schemas, Operations })).body).toMatchObject({
      scimType: 'mutability',
    })
    expect((await send('DELETE', path)).status).toBe(204)
  })

  test('Okta: a user is made, switched off and on by PUT, and found', async () => {
    const user = {
      schemas: [core],
      userName: 'test.user@okta.example',
      name: { givenName: 'Test', familyName: 'User' },
      emails: [
        { primary: true, value: 'test.user@okta.example', type: 'work', display: 'test.user@okta.example' },
      ],
      displayName: 'Test User',
      locale: 'en-US',
      externalId: '00ujl29u0le5T6Aj10h7',
      groups: [],
      active: true,
    }
    const { status, body } = await send('POST', '/Users', user)
    expect(status).toBe(201)
    expect(body).toMatchObject({ active: true, emails: user.emails })
    expect((await send('POST', '/Users', user)).status).toBe(409)
    const path = `/Users/${body.id}`
    const { body: read } = await send('GET', path)
    for (const active of [false, true]) {
      expect((await send('PUT', path, { ...read, active })).body.active).toBe(active)
    }
    for (const active of [false, true]) {
      expect((await send('PUT', path, { ...user, id: body.id, active })).body.active).toBe(active)
    }
    expect((await patched(path, { op: 'replace', value: { active: false } })).active).toBe(false)
    expect(await found('Users', 'userName eq "test.user@okta.example"')).toEqual([body.id])
    expect((await send('GET', '/Users/010101001010101011001010101011')).status).toBe(404)
  })

  test('OneLogin: empty values and a schema of SCIM 1 do no harm', async () => {
    const { status } = await send('POST', '/Users', {
      schemas: ['urn:scim:schemas:core:1.0', core, enterprise],
      userName: 'one@login.example',
      name: { givenName: 'One', familyName: 'Login', formatted: 'One Login' },
      emails: [{ value: 'one@login.example', type: 'work', primary: true }],
      phoneNumbers: [],
      title: '',
      active: true,
      [enterprise]: { manager: { value: null, displayName: null }, department: null },
    })
    expect(status).toBe(201)
  })
})
