/** Counts that are kept instead of counted stay exact, and somebody stays Administrator, whatever happens at once. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { sql } from 'kysely'
import { administratorRole } from '../lib/directory/permissions.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { operator } from './management.ts'

type Body = Record<string, unknown>
const patchOf = (...Operations: readonly Body[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
})
const kinds = [
  ['account', '/Users', 'userName'],
  ['user_group', '/Groups', 'displayName'],
  ['role', '/v2/Roles', 'displayName'],
] as const
type Kind = (typeof kinds)[number]

describe.each(databases)('populations on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  const send = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const response = await server.send(method, `/scim2${path}`, body, headers)
    const text = await response.text()
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Body }
  }
  const idsOf = async ([table]: Kind) => {
    const { rows } = await sql<{ id: string }>`select id from ${sql.table(table)} order by id`.execute(
      server.db,
    )
    return rows.map(({ id }) => id)
  }

  test('they are exact after any creations, deletions, refusals and Bulks at once', async () => {
    const name = fc.constantFrom('one', 'two', 'three', 'x', 'four')
    const operation = fc.record({
      kind: fc.constantFrom(...kinds),
      name,
      // the one that is deleted, in the order of those that there are
      at: fc.option(fc.nat(20)),
      bulk: fc.boolean(),
    })
    const waves = fc.array(fc.array(operation, { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(waves, async (all) => {
        for (const wave of all) {
          const there = new Map(
            await Promise.all(kinds.map(async (kind) => [kind, await idsOf(kind)] as const)),
          )
          const calls = wave.map(({ kind, name: called, at, bulk }) => {
            const [, endpoint, attribute] = kind
            const ids = there.get(kind) ?? []
            // the administrator and his role are among them: those two cannot go
            const id = at === null ? undefined : ids[at % ids.length]
            const [method, path, data] =
              id === undefined
                ? (['POST', endpoint, { [attribute]: called }] as const)
                : (['DELETE', `${endpoint}/${id}`, undefined] as const)
            if (!bulk) return send(method, path, data)
            const one = { method, path, ...(data ? { data, bulkId: 'b' } : {}) }
            const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
            return send('POST', '/Bulk', {
              schemas,
              Operations: [one, one].map((part, index) => ({
                ...part,
                ...(data ? { bulkId: `b${index}` } : {}),
              })),
            })
          })
          for (const { status } of await Promise.all(calls)) {
            expect([200, 201, 204, 400, 403, 404, 409, 503]).toContain(status)
          }
        }
        for (const kind of kinds) {
          const [table, endpoint] = kind
          const ids = await idsOf(kind)
          const { body } = await send('GET', `${endpoint}?count=200`)
          expect([table, body.totalResults]).toEqual([table, ids.length])
          expect((body.Resources as Body[]).map(({ id }) => id).sort()).toEqual([...ids])
        }
      }),
      { numRuns: 12 },
    )
  }, 30_000)

  test('of a hundred who lock, delete and depose administrators at once, one is left', async () => {
    const people = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const { body } = await send('POST', '/Users', { userName: `chief${index}`, password: 'Password@123' })
        return String(body.id)
      }),
    )
    const groups = await Promise.all(
      [people.slice(4, 6), people.slice(5, 8)].map(async (members, index) => {
        const { body } = await send('POST', '/Groups', {
          displayName: `chiefs${index}`,
          members: members.map((value) => ({ value })),
        })
        return String(body.id)
      }),
    )
    const roles = `/v2/Roles/${administratorRole.id}`
    const given = await send(
      'PATCH',
      roles,
      patchOf(
        { op: 'add', path: 'users', value: people.slice(0, 4).map((value) => ({ value })) },
        { op: 'add', path: 'groups', value: groups.map((value) => ({ value })) },
      ),
    )
    expect(given.status).toBe(200)
    const admin = await server.db
      .selectFrom('account')
      .select('id')
      .where('user_name', '=', 'admin')
      .executeTakeFirstOrThrow()
    const everybody = [admin.id, ...people]
    // who holds all that Administrator permits without being one: whatever becomes of them, he goes on
    const scopes = await server.db.selectFrom('scope').select('name').execute()
    const watcher = await operator(
      server,
      'watcher',
      scopes.map(({ name }) => name),
    )
    expect((await send('GET', '/Me', undefined, watcher)).status).toBe(200)
    const attacks = everybody.flatMap((id, index) => [
      [
        'PATCH',
        `/Users/${id}`,
        patchOf({ op: 'replace', value: { 'urn:scim:wso2:schema': { accountLocked: true } } }),
      ],
      ['PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: false })],
      ['PATCH', roles, patchOf({ op: 'remove', path: `users[value eq "${id}"]` })],
      ['DELETE', `/Users/${id}`, undefined],
      ...groups.flatMap((group) => [
        ['PATCH', `/Groups/${group}`, patchOf({ op: 'remove', path: `members[value eq "${id}"]` })] as const,
        ...(index % 3 === 0 ? [['DELETE', `/Groups/${group}`, undefined] as const] : []),
        ...(index % 4 === 0
          ? [['PATCH', roles, patchOf({ op: 'remove', path: `groups[value eq "${group}"]` })] as const]
          : []),
      ]),
      ['PUT', roles, { displayName: 'Administrator', users: [{ value: id }], permissions: [] }],
      ['PATCH', roles, patchOf({ op: 'remove', path: 'users' })],
    ]) as readonly (readonly [string, string, unknown])[]
    const order = fc.sample(fc.shuffledSubarray([...attacks], { minLength: attacks.length }), 1)[0] ?? []
    expect(order.length).toBeGreaterThan(80)
    const answers = await Promise.all(order.map(([method, path, body]) => send(method, path, body, watcher)))
    for (const { status } of answers) expect([200, 204, 400, 403, 404, 503]).toContain(status)
    const { rows } = await sql<{ id: string }>`select id from account
      where locked_at is null and disabled_at is null and (
        exists (select 1 from account_role where account_id = account.id and role_id = ${administratorRole.id})
        or exists (select 1 from group_member inner join group_role on group_role.group_id = group_member.group_id
          where account_id = account.id and role_id = ${administratorRole.id}))`.execute(server.db)
    expect(rows.length).toBeGreaterThan(0)
  }, 30_000)
})
