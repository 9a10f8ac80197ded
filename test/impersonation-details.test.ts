/** An impersonation with more than its details show: the newest is shown, and how many there are; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { startSealer } from '../lib/audit/sealer.ts'
import { type AuditEntry, recordAll } from '../lib/audit.ts'
import { commit } from '../lib/database/commit.ts'
import { openAuditKey } from '../lib/keys/audit-key.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot } from './boot.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { get, refreshToml, start } from './impersonations.ts'
import { type Scenario, setUp } from './scenario.ts'

describe.each(databases)('the details of a long impersonation on $name', (database) => {
  let server: Booted
  let scenario: Scenario
  beforeAll(async () => {
    server = await boot(database, { toml: refreshToml })
    scenario = await setUp(server)
  })
  afterAll(() => server.stop())

  /** A request and what it changed, for each of these numbers. */
  const requests = async (impersonation: string, from: number, to: number) => {
    const began = Date.now() - 60_000
    const common = {
      initiator: scenario.subject.id,
      target: scenario.subject.id,
      actorId: scenario.impersonator.id,
      subjectId: scenario.subject.id,
      impersonationId: impersonation,
    }
    const writes = Array.from({ length: to - from }, (_, index) => {
      const n = from + index
      const entries: readonly AuditEntry[] = [
        {
          ...common,
          event: 'resource-modification-via-impersonation',
          data: { ResourcePath: `/scim2/Me/${n}`, httpMethod: 'PATCH' },
          outcome: 'AUTHORIZED',
        },
        { ...common, event: 'user-claims-changed', data: { n }, outcome: 'Success' },
      ]
      return recordAll(server.db, new Date(began + n), { id: `trace-${n}`, address: '127.0.0.1' }, entries)
    })
    for (let at = 0; at < writes.length; at += 500)
      expect(await commit(server.db, writes.slice(at, at + 500).flat())).toBe('committed')
  }
  const seal = async () => {
    const sealer = startSealer({
      db: server.db,
      log: createLog({ level: 'silent', format: 'text' }),
      file: join(temporaryDirectory(), 'audit.checkpoint'),
      sign: async (statement, typ) =>
        (await openAuditKey(server.db, server.vault, new Date())).sign(statement, typ),
    })
    await sealer.flush()
    await sealer.stop()
  }
  const numbers = (paths: readonly Readonly<Record<string, unknown>>[]) =>
    paths.map((request) => Number(String(request.path).split('/').at(-1)))

  test('the newest five hundred requests with what each did, how it began, and how many there are', async () => {
    const live = await start(server, scenario)
    const short = await get(server, live.id)
    expect(short.totals).toEqual({
      tokens: short.tokens.length,
      requests: 0,
      events: short.events.length,
      isExact: true,
    })
    await requests(live.id, 0, 900)
    await seal()
    await requests(live.id, 900, 1_300)
    const shown = await get(server, live.id)
    expect(numbers(shown.requests)).toEqual(Array.from({ length: 500 }, (_, n) => 800 + n))
    for (const request of shown.requests) expect(request.changes).toHaveLength(1)
    expect(shown.events).toEqual(short.events)
    expect(shown.totals).toEqual({
      tokens: short.tokens.length,
      requests: 1_300,
      events: short.events.length,
      isExact: true,
    })
    await requests(live.id, 1_300, 6_000)
    expect((await get(server, live.id)).totals).toMatchObject({ isExact: false })
  }, 60_000)
})
