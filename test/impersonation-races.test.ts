/** Ends of impersonations that meet something else at the same moment, and what their record costs in a long trail. */

import { Database, type SQLQueryBindings } from 'bun:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CompiledQuery, KyselyPlugin } from 'kysely'
import { commit } from '../lib/database/commit.ts'
import type { Db } from '../lib/database/connect.ts'
import { detailsOf } from '../lib/impersonation/details.ts'
import {
  type ImpersonationFilter,
  impersonationStates,
  listImpersonations,
} from '../lib/impersonation/list.ts'
import { settling, unsettled } from '../lib/impersonation/settle.ts'
import { noMemory } from '../lib/impersonation/sweep.ts'
import { endLineageOnce } from '../lib/tokens/lineage.ts'
import { type Booted, boot } from './boot.ts'
import { newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { endedRows, get, refreshToml, scenarioOf, start, sweep, takenAt } from './impersonations.ts'
import { exchange, obtainSubjectToken, type Scenario } from './scenario.ts'

const trace = { id: 'trace-of-a-test', address: '127.0.0.1' }

describe.each(databases)('ends at the wrong moment on $name', (database) => {
  let server: Booted
  let scenario: Scenario
  beforeAll(async () => {
    server = await boot(database, { toml: refreshToml })
    scenario = await scenarioOf(server)
  })
  afterAll(() => server.stop())

  const rowOf = (id: string) =>
    unsettled(server.db).where('impersonation.id', '=', id).executeTakeFirstOrThrow()

  test('an end that was decided before the start is decided again, so that impersonation-ended is not lost', async () => {
    const { db } = server
    const tokens = await obtainSubjectToken(server, scenario, {}, newBrowser(server))
    const { id } = await db
      .selectFrom('impersonation')
      .select('id')
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    const unstarted = await rowOf(id)
    expect((await exchange(server, scenario, tokens)).status).toBe(200)
    const now = new Date()
    const end = { at: now.toISOString(), by: 'system', reason: 'ended' } as const
    const writes = [
      endLineageOnce(db, unstarted.lineageId, end, now),
      ...(await settling(db, [{ row: unstarted, end }], trace, now)),
    ]
    expect(await commit(db, writes)).toBe('lost')
    expect((await get(server, id)).state).toBe('active')
    await server.send('POST', `/api/server/v1/impersonations/${id}/end`)
    expect(await endedRows(server, id)).toHaveLength(1)
  })

  test('what was recorded as expired stays dead when the clock is set back', async () => {
    const live = await start(server, scenario)
    const late = new Date(Date.now() + 86_400_000)
    await sweep(server, noMemory(), late)
    expect((await get(server, live.id)).state).toBe('expired')
    expect(await takenAt(server, scenario, live)).toEqual([])
    expect(await endedRows(server, live.id)).toHaveLength(1)
    expect((await get(server, live.id)).endReason).toBe('expired')
  })

  test('a token that was got for it by exchange is part of its life, not of what was done', async () => {
    const live = await start(server, scenario)
    expect(await takenAt(server, scenario, live)).toContain('exchange')
    const { events } = await get(server, live.id)
    expect(events.map(({ event }) => event)).toContain('delegated-token-issued')
  })

  /** How SQLite answers a question, step by step; it is asked an empty database of its own. */
  const planOf = (query: CompiledQuery): readonly string[] => {
    const empty = new Database(':memory:')
    empty.exec(readFileSync(join(import.meta.dir, '..', 'schema.sql'), 'utf8'))
    const parameters = query.parameters as SQLQueryBindings[]
    const rows = empty.prepare(`explain query plan ${query.sql}`).all(...parameters) as { detail: string }[]
    empty.close()
    return rows.map(({ detail }) => detail)
  }

  /** A database whose questions are kept. */
  const watched = (asked: CompiledQuery[]): Db => {
    const plugin: KyselyPlugin = {
      transformQuery({ node, queryId }) {
        asked.push(server.db.getExecutor().compileQuery(node, queryId))
        return node
      },
      transformResult: async ({ result }) => result,
    }
    return server.db.withPlugin(plugin)
  }

  test('a page of the list is read by an index in its order, whatever is asked for', async () => {
    if (database.name !== 'SQLite') return
    const asked: CompiledQuery[] = []
    const db = watched(asked)
    const { organization } = (await get(server, (await start(server, scenario)).id)) as unknown as {
      organization: { id: string }
    }
    const [now, id] = [new Date(), crypto.randomUUID()]
    const filters: readonly ImpersonationFilter[] = [
      {},
      { impersonator: id },
      { subject: id },
      { application: id },
      { impersonator: id, subject: id, application: id },
      { from: now, to: now },
      ...impersonationStates.flatMap((state) => [{ state }, { state, subject: id, from: now }]),
    ]
    for (const filter of filters) {
      for (const page of [{ limit: 20 }, { limit: 20, after: id }, { limit: 20, before: id }])
        await listImpersonations(db, organization.id, filter, page, now)
    }
    expect(asked.length).toBeGreaterThan(60)
    for (const query of asked) {
      const steps = planOf(query)
      expect([query.sql, steps.filter((step) => /^SCAN|TEMP B-TREE/.test(step))]).toEqual([query.sql, []])
      expect(steps[0]).toMatch(/impersonation USING INDEX impersonation_\w+ \(\w+_id=\? AND state=\?/)
    }
  })

  test('neither the details of one nor the record of its end reads the whole audit trail', async () => {
    const live = await start(server, scenario)
    const row = await rowOf(live.id)
    const now = new Date()
    const end = { at: now.toISOString(), by: 'system', reason: 'ended' } as const
    const asked: CompiledQuery[] = []
    const db = watched(asked)
    await detailsOf(db, row)
    await settling(db, [{ row, end }], trace, now)
    const ofTheTrail = asked.filter((query) => /^select.* from "audit"/.test(query.sql))
    expect(ofTheTrail.length).toBeGreaterThan(0)
    for (const query of ofTheTrail) {
      // either by the index of those that are sealed, or among the few that are not
      expect(query.sql).toMatch(/"position" is (not )?null/)
      if (database.name !== 'SQLite') continue
      const steps = planOf(query).filter((detail) => /^(SCAN|SEARCH) audit\b/.test(detail))
      for (const step of steps)
        expect(step).toMatch(/USING INDEX audit_(impersonation|unsealed)|audit_impersonation/)
    }
  })
})
