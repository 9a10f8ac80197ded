/**
 * On Postgres every commit takes rows that others take, too, in one order: accounts, a session, what began in it, its
 * impersonation. Each test holds a row that comes early and sees that who waits for it holds none that comes later: two
 * of whom each waits for the other would cost a second, and one of them his turn.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { sql } from 'kysely'
import { recordEnds } from '../lib/impersonation/sweep.ts'
import { findToken } from '../lib/tokens/token.ts'
import { type Booted, boot } from './boot.ts'
import { newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { get, places, refreshToml, scenarioOf, start } from './impersonations.ts'
import { exchange, obtainSubjectToken, patchCountry, type Scenario } from './scenario.ts'

type Row = readonly ['lineage' | 'impersonation', string]

describe.each(databases.filter(({ name }) => name === 'Postgres'))(
  'the order of locks on $name',
  (database) => {
    let server: Booted
    let scenario: Scenario
    let other: Bun.SQL

    beforeAll(async () => {
      server = await boot(database, { toml: refreshToml })
      scenario = await scenarioOf(server)
      const { database: at } = server.config
      if (at.type !== 'postgres') throw new Error('this is a test of Postgres')
      other = new Bun.SQL(at.url, { max: 1 })
    })
    afterAll(async () => {
      await other.end()
      await server.stop()
    })

    const waiting = async () => {
      const { rows } = await sql<{ n: string }>`
      select count(*) as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(server.db)
      return Number(rows[0]?.n) > 0
    }

    /** Holds one row until somebody waits for it, and takes another one that he must not hold. */
    const met = async <Result>(
      [heldTable, heldId]: Row,
      [freeTable, freeId]: Row,
      work: () => Promise<Result>,
    ): Promise<Result> => {
      const holder = await other.reserve()
      try {
        await holder.unsafe('begin')
        await holder.unsafe(`select 1 from ${heldTable} where id = $1 for update`, [heldId])
        const underWay = work()
        for (const until = Date.now() + 5_000; !(await waiting()); ) {
          if (Date.now() > until) throw new Error('nobody waits for that row')
        }
        const taken = holder.unsafe(`select 1 from ${freeTable} where id = $1 for update nowait`, [freeId])
        const outcome = await taken.then(
          (rows) => rows.length,
          (error: Error) => error.message,
        )
        await holder.unsafe('rollback')
        const result = await underWay
        expect(outcome).toBe(1)
        return result
      } finally {
        holder.release()
      }
    }

    const rowsOf = (id: string) =>
      server.db
        .selectFrom('impersonation')
        .innerJoin('lineage', 'lineage.id', 'impersonation.lineage_id')
        .select(['lineage.id as lineageId', 'lineage.session_id as sessionId'])
        .where('impersonation.id', '=', id)
        .executeTakeFirstOrThrow()

    test('who exchanges a subject token waits for its end before he holds the impersonation', async () => {
      const tokens = await obtainSubjectToken(server, scenario, {}, newBrowser(server))
      const token = await findToken(server.db, tokens.subjectToken, new Date())
      const { impersonationId, lineageId } = token ?? { impersonationId: '', lineageId: '' }
      const response = await met(['lineage', lineageId], ['impersonation', impersonationId ?? ''], () =>
        exchange(server, scenario, tokens),
      )
      expect(response.status).toBe(200)
    })

    test('who uses, exchanges or refreshes an impersonated token waits for a logout before he holds the impersonation', async () => {
      const live = await start(server, scenario)
      const { lineageId, sessionId } = await rowsOf(live.id)
      const uses = {
        exchange: () => places.exchange(server, scenario, live),
        refresh: () => places.refresh(server, scenario, live),
        change: async () => (await patchCountry(server, live.access)).ok,
      }
      for (const [name, use] of Object.entries(uses)) {
        const done = await met(['lineage', sessionId ?? ''], ['lineage', lineageId], use)
        expect([name, done]).toEqual([name, true])
      }
    })

    test('who records the ends of many does so in the order in which their uses are written', async () => {
      const [first, second] = [await start(server, scenario), await start(server, scenario)]
      const late = new Date(Date.now() + 86_400_000)
      const { lineageId } = await rowsOf(second.id)
      // the later one ends first
      await sql`update lineage set ends_at = ${new Date(Date.now() + 1_000).toISOString()} where id = ${lineageId}`.execute(
        server.db,
      )
      await met(['impersonation', first.id], ['impersonation', second.id], () => recordEnds(server.db, late))
      for (const { id } of [first, second]) expect((await get(server, id)).state).toBe('expired')
    })
  },
)
