/** However often somebody asks for what he may not have, few refusals are kept, and each has its audit row; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit } from '../lib/database/commit.ts'
import { recordRefusal } from '../lib/impersonation/refusal.ts'
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
    } as const
    const refused = { validator: 'ImpersonatorPermissionValidator', code, message: 'no' }
    const { organizationId } = await server.db
      .selectFrom('account')
      .select('organization_id as organizationId')
      .where('id', '=', scenario.subject.id)
      .executeTakeFirstOrThrow()
    const place = { applicationId: scenario.applicationId, organizationId }
    expect(await commit(server.db, recordRefusal(server.db, asked, refused, place, trace, now))).toBe(
      'committed',
    )
  }

  test('the same one again and again is one entry, and an audit row each', async () => {
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
    expect(entries).toHaveLength(1)
    const rows = await refusedRows(person.id)
    expect(rows.map(({ impersonation_id }) => impersonation_id)).toEqual(Array(4).fill(entries[0]?.id ?? ''))
    const { events, totals } = await get(server, entries[0]?.id ?? '')
    expect(events.map(({ event }) => event)).toEqual(Array(4).fill('impersonation-refused'))
    expect(totals).toMatchObject({ events: 4 })
  })

  test('another user, another reason of the refusal, or another minute is another entry', async () => {
    const [person, other] = [await createPerson(server, 'Roving'), await createPerson(server, 'Other')]
    const now = new Date()
    await refuse(person.id, scenario.subject.id, now)
    await refuse(person.id, scenario.subject.id, new Date(now.getTime() + 59_000))
    expect(await kept(person.id)).toHaveLength(1)
    await refuse(person.id, other.id, now)
    await refuse(person.id, scenario.subject.id, now, 'self')
    await refuse(person.id, scenario.subject.id, new Date(now.getTime() + 60_000))
    // and a clock that is set back is no reason to lose one
    await refuse(person.id, scenario.subject.id, new Date(now.getTime() - 3_600_000))
    expect(await kept(person.id)).toHaveLength(5)
    expect(await refusedRows(person.id)).toHaveLength(6)
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

  test('an entry whose commit was lost is made by the next refusal', async () => {
    const person = await createPerson(server, 'Unlucky')
    const now = new Date()
    await refuse(person.id, scenario.subject.id, now)
    const [entry] = await kept(person.id)
    const { write } = await import('../lib/database/commit.ts')
    await commit(server.db, [write(server.db.deleteFrom('impersonation').where('id', '=', entry?.id ?? ''))])
    await refuse(person.id, scenario.subject.id, now)
    expect((await kept(person.id)).map(({ id }) => id)).toEqual([entry?.id ?? ''])
  })
})
