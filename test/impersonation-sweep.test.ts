/** What must end within a second is found between two looks at all that live; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type RawBuilder, sql } from 'kysely'
import { commit, write } from '../lib/database/commit.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { type Memory, noMemory } from '../lib/impersonation/sweep.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { endedRows, everywhere, refreshToml, start, sweep, takenAt } from './impersonations.ts'
import {
  addToRole,
  createApplication,
  createPerson,
  createRole,
  removeFromRole,
  type Scenario,
  subjectScopes,
} from './scenario.ts'

const pass = 250
const patch = (...operations: readonly Readonly<Record<string, unknown>>[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: operations,
})

describe.each(databases)('between two looks at all that live, on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database, { toml: refreshToml })
  })
  afterAll(() => server.stop())

  const ok = async (response: Promise<Response>) => {
    const answer = await response
    expect([200, 201, 204]).toContain(answer.status)
    return answer
  }
  const fresh = async (): Promise<Scenario> => {
    const name = crypto.randomUUID().slice(0, 8)
    const [impersonator, subject] = [
      await createPerson(server, `Imp-${name}`),
      await createPerson(server, `Sub-${name}`),
    ]
    const application = await createApplication(server, { name, oidc: {} })
    const { applicationId } = application
    const role = (kind: string, permissions: readonly string[], member: string) =>
      createRole(server, { name: `${kind}-${name}`, applicationId, permissions, member })
    const impersonatorRole = await role('imp', ['internal_user_impersonate'], impersonator.id)
    const subjectRole = await role('sub', subjectScopes, subject.id)
    return { impersonator, subject, ...application, impersonatorRole, subjectRole }
  }
  const group = async (role: string, ...members: readonly string[]): Promise<string> => {
    const body = { displayName: crypto.randomUUID(), members: members.map((value) => ({ value })) }
    const { id } = (await (await ok(server.send('POST', '/scim2/Groups', body))).json()) as { id: string }
    const operation = { op: 'add', path: 'groups', value: [{ value: id }] }
    await ok(server.send('PATCH', `/scim2/v2/Roles/${role}`, patch(operation)))
    return id
  }
  const leave = (id: string, member: string) =>
    ok(
      server.send(
        'PATCH',
        `/scim2/Groups/${id}`,
        patch({ op: 'remove', path: `members[value eq "${member}"]` }),
      ),
    )

  /** The sweeper's passes of one second, from an instant of its clock on. */
  const second = async (memory: Memory, from: number) => {
    for (let after = 0; after < 1_000; after += pass) await sweep(server, memory, new Date(from + after))
  }
  const reasons = async (id: string) => (await endedRows(server, id)).map(({ data }) => data.reason)

  interface Case {
    readonly title: string
    readonly reason: string
    /** Before it begins. */
    prepare?(scenario: Scenario): Promise<unknown>
    act(scenario: Scenario, prepared: unknown): Promise<unknown>
  }
  const byGroup = async ({ impersonator, impersonatorRole }: Scenario) => {
    await removeFromRole(server, impersonatorRole, impersonator.id)
    return group(impersonatorRole, impersonator.id)
  }
  const cases: readonly Case[] = [
    {
      title: 'the impersonator leaves the group that has the role',
      reason: 'permission-removed',
      prepare: byGroup,
      act: ({ impersonator }, id) => leave(String(id), impersonator.id),
    },
    {
      title: 'the group loses the role',
      reason: 'permission-removed',
      prepare: byGroup,
      act: ({ impersonatorRole }, id) =>
        ok(
          server.send(
            'PATCH',
            `/scim2/v2/Roles/${impersonatorRole}`,
            patch({ op: 'remove', path: `groups[value eq "${id}"]` }),
          ),
        ),
    },
    {
      title: 'the subject becomes an administrator',
      reason: 'subject-protected',
      act: ({ subject }) => addToRole(server, administratorRole.id, subject.id),
    },
    {
      title: 'the subject becomes an administrator by a group',
      reason: 'subject-protected',
      act: ({ subject }) => group(administratorRole.id, subject.id),
    },
    {
      title: 'the subject joins a group of administrators',
      reason: 'subject-protected',
      prepare: () => group(administratorRole.id),
      act: ({ subject }, id) =>
        ok(
          server.send(
            'PATCH',
            `/scim2/Groups/${id}`,
            patch({ op: 'add', path: 'members', value: [{ value: subject.id }] }),
          ),
        ),
    },
    {
      title: 'the subject is an administrator, and the impersonator is none any more',
      reason: 'subject-protected',
      prepare: async ({ impersonator, subject }) => {
        await addToRole(server, administratorRole.id, impersonator.id)
        await addToRole(server, administratorRole.id, subject.id)
      },
      act: ({ impersonator }) => removeFromRole(server, administratorRole.id, impersonator.id),
    },
  ]
  test.each(cases.map((one) => [one.title, one] as const))(
    '%s: over within a second',
    async (_, { reason, prepare, act }) => {
      const scenario = await fresh()
      const prepared = await prepare?.(scenario)
      const live = await start(server, scenario)
      const memory = noMemory()
      await sweep(server, memory)
      expect(await takenAt(server, scenario, live)).toEqual(everywhere)
      await act(scenario, prepared)
      await second(memory, Date.now())
      expect(await takenAt(server, scenario, live)).toEqual([])
      expect(await reasons(live.id)).toEqual([reason])
    },
  )

  test('two administrators may act for each other', async () => {
    const scenario = await fresh()
    for (const { id } of [scenario.impersonator, scenario.subject])
      await addToRole(server, administratorRole.id, id)
    const live = await start(server, scenario)
    await sweep(server)
    expect(await takenAt(server, scenario, live)).toEqual(everywhere)
  })

  test('one that was committed long after it began, or by a server whose clock is behind, is not missed', async () => {
    const scenario = await fresh()
    const memory = noMemory()
    // this sweeper's clock is ten seconds ahead
    const ahead = Date.now() + 10_000
    await sweep(server, memory, new Date(ahead))
    const live = await start(server, scenario)
    await sweep(server, memory, new Date(ahead + 5 * pass))
    await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
    await second(memory, ahead + 6 * pass)
    expect(await takenAt(server, scenario, live)).toEqual([])
    expect(await reasons(live.id)).toEqual(['permission-removed'])
  })

  test('a pass that failed is made good by the next one', async () => {
    const scenario = await fresh()
    const live = await start(server, scenario)
    const memory = noMemory()
    await sweep(server, memory)
    await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
    // not by a script, which would grow the revision
    const rename = async (query: RawBuilder<unknown>) =>
      expect(await commit(server.db, [write({ compile: () => query.compile(server.db) })])).toBe('committed')
    await rename(sql`alter table audit rename to audit_away`)
    const later = Date.now() + 10_000
    await expect(sweep(server, memory, new Date(later))).rejects.toThrow()
    await rename(sql`alter table audit_away rename to audit`)
    await second(memory, later + pass)
    expect(await takenAt(server, scenario, live)).toEqual([])
    expect(await reasons(live.id)).toEqual(['permission-removed'])
  })

  test('the feature is switched off by a reload and on again: what lived is over for good', async () => {
    const scenario = await fresh()
    const live = await start(server, scenario)
    const memory = noMemory()
    await sweep(server, memory)
    await sweep(server, memory, new Date(Date.now() + pass), false)
    expect(await reasons(live.id)).toEqual(['switched-off'])
    await sweep(server, memory, new Date(Date.now() + 2 * pass), true)
    expect(await takenAt(server, scenario, live)).toEqual([])
  })

  test('the lease goes to another server and comes back: who looked before knows what it has missed', async () => {
    const scenario = await fresh()
    const [one, other] = [noMemory(), noMemory()]
    const from = Date.now()
    await sweep(server, one)
    const live = await start(server, scenario)
    await sweep(server, other, new Date(from + 10 * pass))
    await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
    await second(one, from + 40 * pass)
    expect(await takenAt(server, scenario, live)).toEqual([])
    expect(await reasons(live.id)).toEqual(['permission-removed'])
  })
})
