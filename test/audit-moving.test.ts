/** The audit trail while it moves: verified and exported beside a sealer and retention, and clocks that are set back. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { KyselyPlugin } from 'kysely'
import { exportLines } from '../lib/audit/export.ts'
import { verifyLive } from '../lib/audit/live.ts'
import { removeBefore } from '../lib/audit/retention.ts'
import { startSealer } from '../lib/audit/sealer.ts'
import { wholePart } from '../lib/audit/trail.ts'
import { record } from '../lib/audit.ts'
import { commit, runScript } from '../lib/database/commit.ts'
import type { Db } from '../lib/database/connect.ts'
import { leaseOf } from '../lib/database/lease.ts'
import { auditPublicKeys, openAuditKey } from '../lib/keys/audit-key.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot } from './boot.ts'
import { databases, temporaryDirectory } from './databases.ts'

const quiet = createLog({ level: 'silent', format: 'text' })
const trace = { id: 'trace-of-a-test', address: '127.0.0.1' }

describe.each(databases)('the audit trail in motion on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())
  beforeEach(() => runScript(server.db, 'delete from audit_checkpoint; delete from audit'))

  const sealNow = async () => {
    const sealer = startSealer({
      db: server.db,
      log: quiet,
      file: join(temporaryDirectory(), 'audit.checkpoint'),
      sign: async (statement, typ) =>
        (await openAuditKey(server.db, server.vault, new Date())).sign(statement, typ),
    })
    await sealer.flush()
    await sealer.stop()
  }

  /** So many rows in one part of the chain, with a checkpoint behind them; their lines are written. */
  const happen = async (count: number, at = new Date()) => {
    const rows = Array.from({ length: count }, (_, n) =>
      record(server.db, at, trace, {
        event: 'user-created',
        initiator: 'somebody',
        target: `user ${n}`,
        data: { n },
        outcome: 'Success',
      }),
    )
    expect(await commit(server.db, rows)).toBe('committed')
    await sealNow()
    await runScript(server.db, "update audit set line_at = '2020-01-01T00:00:00.000Z' where line_at is null")
  }

  /** Something else happens once, behind the `after`th reading of that table. */
  const meanwhile = (table: string, after: number, work: () => Promise<unknown>): Db => {
    let left = after
    let pending = false
    const plugin: KyselyPlugin = {
      transformQuery({ node, queryId }) {
        const { sql } = server.db.getExecutor().compileQuery(node, queryId)
        if (sql.includes(`from "${table}"`)) {
          left -= 1
          pending = left === 0
        }
        return node
      },
      async transformResult({ result }) {
        if (pending) {
          pending = false
          await work()
        }
        return result
      },
    }
    return server.db.withPlugin(plugin)
  }

  const verify = (db: Db) =>
    verifyLive(db, { anchor: async () => undefined, keys: () => auditPublicKeys(server.db) })
  const later = new Date(Date.now() + 60_000)

  test.each([1, 2, 3])('verifying is not troubled by rows that are sealed meanwhile (%i)', async (after) => {
    await happen(5)
    const db = meanwhile('audit', after, () => happen(3))
    expect(await verify(db)).toMatchObject({ intact: true })
    expect(await verify(meanwhile('audit_checkpoint', 1, () => happen(3)))).toMatchObject({ intact: true })
  })

  test.each([1, 2, 3])(
    'verifying is not troubled by rows that retention takes meanwhile (%i)',
    async (after) => {
      await happen(5)
      await happen(5)
      await happen(5)
      const removing = () => removeBefore(server.db, later, 11, trace, new Date())
      expect(await verify(meanwhile('audit', after, removing))).toMatchObject({ intact: true })
      expect((await wholePart(server.db))?.first).toBe(11)
    },
  )

  test('what somebody else took away meanwhile is still missed', async () => {
    await happen(5)
    await happen(5)
    const deleting = () => runScript(server.db, 'delete from audit where position = 7')
    expect(await verify(meanwhile('audit', 2, deleting))).toMatchObject({ intact: false, position: 7 })
  })

  test('an export that retention overtakes breaks off instead of looking forged', async () => {
    await happen(5)
    await happen(5)
    const whole = await wholePart(server.db)
    if (!whole) throw new Error('nothing sealed')
    const db = meanwhile('audit_checkpoint', 2, () => removeBefore(server.db, later, 6, trace, new Date()))
    const reading = async () => {
      const lines: string[] = []
      for await (const line of exportLines(db, [], whole)) lines.push(line)
      return lines
    }
    await expect(reading()).rejects.toThrow('removed while')
    expect((await wholePart(server.db))?.first).toBe(6)
  })

  test('when everything is old enough to go, the last part stays, and what is left is provable', async () => {
    await happen(5)
    await happen(5)
    expect(await removeBefore(server.db, later, undefined, trace, new Date())).toBe(5)
    expect(await verify(server.db)).toMatchObject({ intact: true, rows: 5 })
    expect(await wholePart(server.db)).toEqual({ first: 6, last: 10 })
  })

  test('a younger row in the middle of older ones keeps all behind it', async () => {
    const old = new Date(Date.now() - 86_400_000)
    await happen(5, old)
    await happen(2)
    await happen(5, old)
    await happen(5, old)
    const before = new Date(Date.now() - 3_600_000)
    expect(await removeBefore(server.db, before, undefined, trace, new Date())).toBe(5)
    expect(await removeBefore(server.db, before, undefined, trace, new Date())).toBe(0)
    await sealNow()
    expect(await verify(server.db)).toMatchObject({ intact: true })
  })

  test('a lease goes on when the clock is set back, and nobody waits an hour for who is gone', async () => {
    const [one, other] = [leaseOf(server.db, 'a-test', 15_000), leaseOf(server.db, 'a-test', 15_000)]
    const now = Date.now()
    const at = (seconds: number) => new Date(now + seconds * 1000)
    expect(await one.take(at(0))).toBe(true)
    expect(await other.take(at(1))).toBe(false)
    expect(await other.take(at(-3600))).toBe(true)
    expect(await one.take(at(-3599))).toBe(false)
    expect(await other.take(at(-7200))).toBe(true)
    // it was kept at that time, too, and runs out soon
    expect(await one.take(at(-7180))).toBe(true)
    await one.release()
  })
})
