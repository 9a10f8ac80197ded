/** However often somebody asks for what he may not have, few refusals are kept, and each has its audit row; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit } from '../lib/database/commit.ts'
import { recordRefusal } from '../lib/impersonation/refusal.ts'
import { whatHappened } from '../lib/webhooks/happened.ts'
import { type Booted, boot } from './boot.ts'
import { newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { get, list } from './impersonations.ts'
import { authorizePath, createPerson, logIn, type Scenario, setUp } from './scenario.ts'

const trace = { id: 'trace-of-a-test', address: '127.0.0.1' }

describe.each(databases)('refusals on $name', (database) => {
  let server: Booted
  let scenario: Scenario
  beforeAll(async () => {
    server = await boot(database)
    scenario = await setUp(server)
  })
  afterAll(() => server.stop())

  const refusedRows = async (impersonatorId: string) =>
    (await server.audit()).filter(
      ({ event, actor_id }) => event === 'impersonation-refused' && actor_id === impersonatorId,
    )
  const kept = async (impersonator: string) =>
    (await list(server, { state: 'refused', impersonator, limit: '100' })).impersonations

  /** Refuses, as the endpoint does. */
  const refuse = async (
    impersonatorId: string,
    subjectId: string,
    now: Date,
    code = 'missing_permission',
  ) => {
    const asked = {
      phase: 'authorize',
      impersonatorId,
      subjectId,
      clientId: scenario.clientId,
      requestedScopes: [],
      reason: 'a look around',
      ticket: 'T-1',
    } as const
    const refused = { validator: 'ImpersonatorPermissionValidator', code, message: 'no' }
    const { organizationId } = await server.db
      .selectFrom('account')
      .select('organization_id as organizationId')
      .where('id', '=', scenario.subject.id)
      .executeTakeFirstOrThrow()
    const place = { applicationId: scenario.applicationId, organizationId }
    expect(await commit(server.db, await recordRefusal(server.db, asked, refused, place, trace, now))).toBe(
      'committed',
    )
  }

  test('each is an entry of its own, with its audit row and what was said', async () => {
    const person = await createPerson(server, 'Insistent')
    const browser = newBrowser(server)
    for (let n = 0; n < 4; n += 1) {
      const parameters = { requested_subject: scenario.subject.id, impersonation_reason: `attempt ${n}` }
      const asked = authorizePath(scenario, parameters)
      const first = await browser.get(asked)
      const answer = n === 0 ? await logIn(browser, first, person) : first
      expect(answer.headers.get('location')).toContain('error=access_denied')
    }
    const entries = await kept(person.id)
    expect(entries.map(({ reason }) => reason).toSorted()).toEqual([0, 1, 2, 3].map((n) => `attempt ${n}`))
    const rows = await refusedRows(person.id)
    expect(rows.map(({ impersonation_id }) => impersonation_id).toSorted()).toEqual(
      entries.map(({ id }) => id).toSorted(),
    )
    expect((await get(server, entries[0]?.id ?? '')).totals).toMatchObject({ events: 1 })
  })

  test('a clock that is set back begins to count anew', async () => {
    const person = await createPerson(server, 'Roving')
    const now = new Date()
    for (let n = 0; n < 60; n += 1) await refuse(person.id, scenario.subject.id, now)
    await refuse(person.id, scenario.subject.id, now)
    await refuse(person.id, scenario.subject.id, new Date(now.getTime() - 3_600_000))
    expect(await kept(person.id)).toHaveLength(61)
    expect(await refusedRows(person.id)).toHaveLength(62)
  })

  test('of many users that he asks for sixty are kept in a minute, and all are in the trail', async () => {
    const person = await createPerson(server, 'Enumerating')
    const now = new Date()
    for (let n = 0; n < 70; n += 1) await refuse(person.id, scenario.subject.id, now, `code-${n}`)
    expect(await kept(person.id)).toHaveLength(60)
    const rows = await refusedRows(person.id)
    expect(rows).toHaveLength(70)
    expect(rows.filter(({ impersonation_id }) => impersonation_id === null)).toHaveLength(10)
    await refuse(person.id, scenario.subject.id, new Date(now.getTime() + 61_000), 'later')
    expect(await kept(person.id)).toHaveLength(61)
  })

  test('webhooks and sinks hear what was said with each, also with one that is not kept', async () => {
    const person = await createPerson(server, 'Overheard')
    const now = new Date()
    for (let n = 0; n < 61; n += 1) await refuse(person.id, scenario.subject.id, now)
    const rows = await server.db.selectFrom('audit').selectAll().where('actor_id', '=', person.id).execute()
    const told = await whatHappened(server.db, rows)
    expect(told.filter(({ impersonation }) => impersonation === null)).toHaveLength(1)
    expect(new Set(told.map(({ reason, ticket }) => `${reason}, ${ticket}`))).toEqual(
      new Set(['a look around, T-1']),
    )
  })

  test('who asks for nobody at all hides by that no other user whom he asked for', async () => {
    const person = await createPerson(server, 'Hiding')
    const now = new Date()
    for (let n = 0; n < 70; n += 1) await refuse(person.id, `nobody-${n}`, now)
    await refuse(person.id, scenario.subject.id, now)
    const [entry, ...others] = await kept(person.id)
    expect([entry?.subject, others]).toMatchObject([{ id: scenario.subject.id }, []])
    const rows = await refusedRows(person.id)
    expect(rows).toHaveLength(71)
    // no row names an entry that is not there
    expect(rows.flatMap(({ impersonation_id }) => impersonation_id ?? [])).toEqual([entry?.id ?? ''])
  })
})
