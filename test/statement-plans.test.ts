/** How SQLite finds what requests ask for: it has no statistics and takes an organization for ten rows. */
import { Database as Sqlite } from 'bun:sqlite'
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test'
import { join } from 'node:path'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { account } from './fixtures.ts'
import { askToken, newClient, newCode, newPerson, redeem, refresh, tokensOf } from './oauth/granted.ts'
import { postForm } from './oauth/tokens.ts'
import { impersonate, setUp } from './scenario.ts'

const sqlite = databases.find(({ name }) => name === 'SQLite')
if (!sqlite) throw new Error('there is no SQLite')

let server: Booted
let people: readonly string[]
let schema: Sqlite
beforeAll(async () => {
  server = await boot(sqlite)
  people = await Promise.all(
    Array.from({ length: 12 }, (_, n) => account(server.db, { userName: `one${n}` })),
  )
  schema = new Sqlite(':memory:')
  schema.exec(await Bun.file(join(import.meta.dir, '../schema.sql')).text())
})
afterAll(async () => {
  schema.close()
  await server.stop()
})

/** The statements that SQLite is given while `work` is done. */
const statementsOf = async (work: () => Promise<void>): Promise<readonly string[]> => {
  const found = new Set<string>()
  const spies = (['prepare', 'query'] as const).map((name) => {
    const original = Sqlite.prototype[name]
    return spyOn(Sqlite.prototype, name).mockImplementation(function (this: Sqlite, ...given: [string]) {
      found.add(given[0])
      return original.apply(this, given)
    } as typeof original)
  })
  await work()
  for (const spy of spies) spy.mockRestore()
  return [...found]
}

const plan = (statement: string): readonly string[] =>
  schema
    .query<{ detail: string }, []>(`explain query plan ${statement.replaceAll(/\?\d+/g, '?')}`)
    .all()
    .map(({ detail }) => detail)

const send = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
  const response = await server.send(method, path, body)
  expect(response.status).toBeLessThan(300)
  return response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>)
}

const members = (ids: readonly string[]) => ids.map((value) => ({ value }))
const patch = (op: string, path: string, ids: readonly string[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op, path, value: members(ids) }],
})

test('what is asked for by many ids is found by them, and never by walking through the organization', async () => {
  const group = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'] }
  const groups = await Promise.all(
    Array.from({ length: 6 }, (_, n) => send('POST', '/scim2/Groups', { ...group, displayName: `g${n}` })),
  )
  const groupIds = groups.map(({ id }) => String(id))
  const role = await send('POST', '/scim2/v2/Roles', { displayName: 'many' })
  await Promise.all(
    Array.from({ length: 5 }, (_, n) => send('POST', '/scim2/v2/Roles', { displayName: `r${n}` })),
  )
  const statements = await statementsOf(async () => {
    await send('PATCH', `/scim2/Groups/${groupIds[0]}`, patch('add', 'members', people))
    await send('PATCH', `/scim2/v2/Roles/${role.id}`, patch('add', 'users', people))
    await send('PATCH', `/scim2/v2/Roles/${role.id}`, patch('add', 'groups', groupIds))
    for (const list of ['Users', 'Groups', 'v2/Roles', 'v2/Roles?filter=displayName%20sw%20%22r%22'])
      expect((await send('GET', `/scim2/${list}`)).totalResults).toBeGreaterThanOrEqual(5)
  })
  const byIds = statements.filter(
    (text) => /\bid"? in \(\?(, ?\?){4}/.test(text) && text.includes('organization_id'),
  )
  expect(byIds.length).toBeGreaterThanOrEqual(6)
  const walking = byIds.filter((text) => plan(text).some((step) => step.endsWith('(organization_id=?)')))
  expect(walking).toEqual([])
})

test.each([
  ['groups.display eq "g1"'],
  ['groups.display sw "g1"'],
  ['groups eq "an id"'],
  ['roles.display eq "many"'],
  ['roles.display sw "man"'],
])('users are found by %s without reading all groups, roles or members', async (filter) => {
  const statements = await statementsOf(async () => {
    await send('GET', `/scim2/Users?filter=${encodeURIComponent(filter)}`)
  })
  const reading = statements.filter(
    (text) => text.includes('group_member') && text.startsWith('select account'),
  )
  expect(reading.length).toBeGreaterThanOrEqual(1)
  const whole = reading.filter((text) =>
    plan(text).some((step) => step.startsWith('SCAN') || step.endsWith('(organization_id=?)')),
  )
  expect(whole).toEqual([])
})

test('whatever is done with tokens and codes finds its rows by an index: none of it grows with what others hold', async () => {
  const scenario = await setUp(server)
  const client = await newClient(server)
  const person = await newPerson(server, client)
  const code = await newCode(server, client, person)
  const statements = await statementsOf(async () => {
    const impersonated = await impersonate(server, scenario)
    const tokens = await tokensOf(await redeem(server, client, code.value))
    const rotated = await tokensOf(await refresh(server, client, tokens.refresh_token ?? ''))
    expect((await askToken(server, client, { grant_type: 'client_credentials' })).status).toBe(200)
    for (const [path, token, owner] of [
      ['/oauth2/introspect', impersonated.access_token, scenario],
      ['/oauth2/revoke', impersonated.access_token, scenario],
      ['/oauth2/revoke', rotated.refresh_token ?? '', client],
      // used again
      ['/oauth2/introspect', tokens.refresh_token ?? '', client],
    ] as const) {
      expect((await postForm(server, path, { token }, owner)).status).toBe(200)
    }
    expect((await redeem(server, client, code.value)).status).toBe(400)
  })
  const tables = [
    'token',
    'authorization_code',
    'lineage',
    'impersonation',
    'session',
    'interaction',
    'consent',
  ]
  const about = statements.filter((text) =>
    tables.some((table) => new RegExp(`(from|into|update) "${table}"`).test(text)),
  )
  expect(about.length).toBeGreaterThanOrEqual(12)
  const whole = about.filter((text) =>
    plan(text).some((step) => tables.some((table) => step === `SCAN ${table}`)),
  )
  expect(whole).toEqual([])
})
