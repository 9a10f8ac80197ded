/** The sealed audit trail: what was changed, deleted, inserted or moved is found, and what is kept stays provable. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { exportLines, verifyExport } from '../lib/audit/export.ts'
import { firstUntaken } from '../lib/audit/follower.ts'
import { lagging, warnOfLagging } from '../lib/audit/lagging.ts'
import { removeBefore } from '../lib/audit/retention.ts'
import { headOf, type Sealer, startSealer } from '../lib/audit/sealer.ts'
import {
  checkpointsOf,
  headBefore,
  partBetween,
  sealedRows,
  unsealedRows,
  wholePart,
} from '../lib/audit/trail.ts'
import { type Verdict, verifyTrail } from '../lib/audit/verify.ts'
import { record } from '../lib/audit.ts'
import { checkFollowers } from '../lib/commands/check/followers.ts'
import { commit, runScript, write } from '../lib/database/commit.ts'
import { startJournal } from '../lib/journal.ts'
import { auditPublicKeys, openAuditKey } from '../lib/keys/audit-key.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot } from './boot.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { impersonate, setUp } from './scenario.ts'

const quiet = createLog({ level: 'silent', format: 'text' })
const trace = { id: 'trace-of-a-test', address: '127.0.0.1' }

describe.each(databases)('the sealed audit trail on $name', (database) => {
  let server: Booted
  let sealer: Sealer
  let file: string

  const sealing = () =>
    startSealer({
      db: server.db,
      log: quiet,
      file,
      sign: async (statement, typ) =>
        (await openAuditKey(server.db, server.vault, new Date())).sign(statement, typ),
    })

  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  beforeEach(async () => {
    await runScript(server.db, 'delete from audit_checkpoint; delete from audit')
    file = join(temporaryDirectory(), 'audit.checkpoint')
    sealer = sealing()
  })
  afterEach(() => sealer.stop())

  const happen = async (count: number, at = new Date()) => {
    const entry = (n: number) =>
      record(server.db, at, trace, {
        event: 'user-created',
        initiator: 'somebody',
        target: `user ${n}`,
        data: { n, text: 'ä "quoted"\n' },
        outcome: 'Success',
      })
    expect(
      await commit(
        server.db,
        Array.from({ length: count }, (_, n) => entry(n)),
      ),
    ).toBe('committed')
  }

  const verify = async (): Promise<Verdict> => {
    const { db } = server
    const part = (await wholePart(db)) ?? { first: 1, last: 0 }
    const previous = await headBefore(db, part.first)
    if (!previous) throw new Error('no anchor')
    return verifyTrail({
      previous,
      rows: sealedRows(db, part),
      checkpoints: await checkpointsOf(db, { first: part.first, last: 0 }, true),
      keys: await auditPublicKeys(db),
    })
  }

  const count = async () => {
    const { n } = await server.db
      .selectFrom('audit')
      .select((eb) => eb.fn.countAll().as('n'))
      .executeTakeFirstOrThrow()
    return Number(n)
  }

  test('every row of an impersonation is sealed, in one chain, and a checkpoint proves it', async () => {
    await impersonate(server, await setUp(server))
    await sealer.flush()
    const all = await count()
    expect(await unsealedRows(server.db)).toBe(0)
    expect(await verify()).toEqual({
      intact: true,
      rows: all,
      head: await headOf(server.db),
      provenTo: all,
    })
    expect(existsSync(file)).toBe(true)
  })

  test('any number of rows at once gets its places and its lines, each row once', async () => {
    const log = join(temporaryDirectory(), 'audit.log')
    const journal = startJournal(server.db, log, quiet)
    let all = 0
    for (const some of [1, 7, 8, 9, 63, 64, 65, 199, 200, 201]) {
      await happen(some)
      all += some
      await sealer.flush()
      await journal.flush()
      expect(await verify()).toMatchObject({ intact: true, rows: all })
      expect(readFileSync(log, 'utf8').trimEnd().split('\n')).toHaveLength(all)
    }
    const { unmarked, first, last } = await server.db
      .selectFrom('audit')
      .select((eb) => [
        eb.fn.countAll().filterWhere('line_at', 'is', null).as('unmarked'),
        eb.fn.min('position').as('first'),
        eb.fn.max('position').as('last'),
      ])
      .executeTakeFirstOrThrow()
    expect([unmarked, first, last].map(Number)).toEqual([0, 1, all])
    await journal.stop()
  }, 30_000)

  test('what happens after a rest is sealed by whoever is there, in one chain', async () => {
    await happen(3)
    await sealer.flush()
    await sealer.stop()
    const other = sealing()
    await happen(2)
    await other.flush()
    sealer = sealing()
    await happen(2)
    await other.stop()
    await sealer.flush()
    expect(await verify()).toMatchObject({ intact: true, rows: 7 })
  })

  test('what a killed process left of the checkpoint file is removed at the next start', async () => {
    const drafts = readdirSync(dirname(file))
    expect(drafts).toEqual([])
    const dead = Bun.spawn(['true'])
    await dead.exited
    const [left, own, running, others] = [
      `${file}.${dead.pid}`,
      `${file}.${process.pid}`,
      `${file}.1`,
      `${file}.before-restore`,
    ]
    for (const path of [left, own, running, others]) await Bun.write(path, 'half a state')
    await sealer.stop()
    sealer = sealing()
    expect([left, own, running, others].map((path) => existsSync(path))).toEqual([false, false, true, true])
  })

  test('more rows than one commit seals make one chain, and the next ones go on with it', async () => {
    await happen(450)
    await sealer.flush()
    await happen(3)
    await sealer.flush()
    const all = await count()
    expect(await verify()).toMatchObject({ intact: true, rows: all, provenTo: all })
  })

  describe('after rows were sealed', () => {
    beforeEach(async () => {
      await happen(10)
      await sealer.flush()
      await happen(5)
      await sealer.flush()
      await sealer.stop()
      expect((await verify()).intact).toBe(true)
    })
    const at = async (fromEnd: number) => (await headOf(server.db)).position - fromEnd
    const tampered = async (script: (position: number) => string, fromEnd = 4) => {
      const position = await at(fromEnd)
      await runScript(server.db, script(position))
      return { position, verdict: await verify() }
    }

    test.each([
      ['initiator', "update audit set initiator = 'nobody'"],
      ['data', "update audit set data = '{}'"],
      ['instant', "update audit set at = '2020-01-01T00:00:00.000Z'"],
      ['outcome', "update audit set outcome = 'Refused'"],
      ['impersonator', "update audit set actor_id = 'x'"],
      ['link', "update audit set link = 'x'"],
    ])('a changed %s is found', async (_, statement) => {
      const { position, verdict } = await tampered((place) => `${statement} where position = ${place}`)
      expect(verdict).toMatchObject({ intact: false, position })
    })

    test('a deleted row is found', async () => {
      const { position, verdict } = await tampered((place) => `delete from audit where position = ${place}`)
      expect(verdict).toEqual({ intact: false, position, why: `the row at position ${position} is missing` })
    })

    test('an inserted row is found, also when those behind it are moved to make room', async () => {
      const columns =
        'at, event, action, initiator, target, data, outcome, trace_id, writer, line_at, position, link'
      const { position, verdict } = await tampered(
        (place) => `
          update audit set position = -(position + 1) where position >= ${place};
          update audit set position = -position where position < 0;
          insert into audit (id, ${columns}) select 'inserted', at, event, action, initiator, 'x', data, outcome, trace_id, writer, line_at, ${place}, link from audit where position = ${place + 1};
        `,
      )
      expect(verdict).toMatchObject({ intact: false, position })
    })

    test('two rows that changed their places are found', async () => {
      const { position, verdict } = await tampered(
        (place) => `
          update audit set position = -1 where position = ${place};
          update audit set position = ${place} where position = ${place + 1};
          update audit set position = ${place + 1} where position = -1;
        `,
      )
      expect(verdict).toMatchObject({ intact: false, position })
    })

    test('a cut tail is found by the checkpoint behind it, and without the checkpoints by the file', async () => {
      const last = await at(0)
      await runScript(server.db, `delete from audit where position > ${last - 2}`)
      expect(await verify()).toEqual({
        intact: false,
        position: last - 1,
        why: `rows are missing at the end: there is a checkpoint at position ${last}`,
      })
      await runScript(server.db, `delete from audit_checkpoint where position > ${last - 2}`)
      // the database alone knows of nothing any more
      expect((await verify()).intact).toBe(true)
      const { db } = server
      const [, payload = ''] = readFileSync(file, 'utf8').split('.')
      expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ position: last })
      const part = await wholePart(db)
      const anchored = await verifyTrail({
        previous: { position: 0, link: 'mayact' },
        rows: sealedRows(db, part ?? { first: 1, last: 0 }),
        checkpoints: [{ position: last, statement: readFileSync(file, 'utf8').trim() }],
        keys: await auditPublicKeys(db),
      })
      expect(anchored).toMatchObject({ intact: false, position: last - 1 })
    })

    test('a chain that was made anew by somebody without the key is found', async () => {
      const last = await at(0)
      const { nextLink } = await import('../lib/audit/chain.ts')
      await runScript(server.db, `update audit set initiator = 'nobody' where position = 2`)
      let head = { position: 0, link: 'mayact' }
      for await (const { position, link: _, ...row } of sealedRows(server.db, { first: 1, last })) {
        head = { position, link: nextLink(head, row) }
        const query = server.db.updateTable('audit').set({ link: head.link }).where('position', '=', position)
        await commit(server.db, [write(query)])
      }
      await runScript(server.db, `update audit_checkpoint set link = '${head.link}' where position = ${last}`)
      expect(await verify()).toMatchObject({
        intact: false,
        why: expect.stringContaining('was signed over other rows'),
      })
    })

    test('a checkpoint that the audit key did not sign is found', async () => {
      const { verdict } = await tampered(
        () => `update audit_checkpoint set statement = 'e30.e30.AAAA' where position > 0`,
      )
      expect(verdict).toMatchObject({
        intact: false,
        why: expect.stringContaining('was not signed by the audit key'),
      })
    })

    test('after a cut tail the chain goes on behind the last checkpoint, and the hole is still found', async () => {
      const last = await at(0)
      await runScript(server.db, `delete from audit where position > ${last - 2}`)
      sealer = sealing()
      await happen(2)
      await sealer.flush()
      expect((await headOf(server.db)).position).toBe(last + 2)
      expect(await verify()).toEqual({
        intact: false,
        position: last - 1,
        why: `the row at position ${last - 1} is missing`,
      })
    })
  })

  test('an export is verified without the database, and every change of its text is found', async () => {
    await happen(20)
    await sealer.flush()
    await happen(20)
    await sealer.flush()
    const { db } = server
    const part = await partBetween(db, undefined, undefined)
    if (!part) throw new Error('nothing sealed')
    const keys = await auditPublicKeys(db)
    const lines: string[] = []
    for await (const line of exportLines(db, keys, { first: part.first + 5, last: part.last - 25 }))
      lines.push(line)
    const check = (text: string, trusted = keys as typeof keys | undefined) =>
      verifyExport(async function* () {
        yield new TextEncoder().encode(text)
      }, trusted)
    const whole = lines.join('')
    const verdict = await check(whole)
    // it goes on to the checkpoint that proves its end
    expect(verdict).toMatchObject({ intact: true, provenTo: part.last - 20 })
    expect((await check(whole, undefined)).intact).toBe(true)
    const other = await openAuditKey(db, server.vault, new Date())
    expect(other.kid).toBe(String(keys[0]?.kid))
    const { generateKeyPair, exportJWK } = await import('jose')
    const stranger = await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)
    expect((await check(whole, [{ ...stranger, kid: other.kid, alg: 'ES256' }])).intact).toBe(false)

    const rowAt = lines.findIndex((line) => line.includes('"type":"row"')) + 3
    const changed = lines.with(rowAt, (lines[rowAt] ?? '').replace('somebody', 'nobody'))
    expect((await check(changed.join(''))).intact).toBe(false)
    const swapped = lines.with(rowAt, lines[rowAt + 1] ?? '').with(rowAt + 1, lines[rowAt] ?? '')
    expect((await check(swapped.join(''))).intact).toBe(false)
    // whoever takes a line out or puts one in is told where, before how many there are
    const { position } = JSON.parse(lines[rowAt] ?? '') as { position: number }
    const without = await check(lines.toSpliced(rowAt, 1).join(''))
    expect(without).toMatchObject({ intact: false, position })
    const twice = await check(lines.toSpliced(rowAt, 0, lines[rowAt] ?? '').join(''))
    expect(twice).toMatchObject({ intact: false, position: position + 1 })
    const miscounted = whole.replace(/"rows":(\d+)/, (_, n: string) => `"rows":${Number(n) + 1}`)
    await expect(check(miscounted)).rejects.toThrow('its end says')
    const renumbered = lines
      .toSpliced(rowAt, 1)
      .map((line) => line.replace(/"rows":(\d+)/, (_, n: string) => `"rows":${Number(n) - 1}`))
    expect((await check(renumbered.join(''))).intact).toBe(false)
    await expect(check(lines.slice(0, -2).join(''))).rejects.toThrow('cut off')
    await expect(check('rubbish')).rejects.toThrow('line 1')
    await expect(check('')).rejects.toThrow()
  })

  test('what is older than it is kept goes, up to a checkpoint, and the rest stays provable', async () => {
    for (let round = 0; round < 3; round += 1) {
      await happen(5)
      await sealer.flush()
    }
    const { db } = server
    const { position } = await headOf(db)
    await runScript(db, `update audit set line_at = null where position = 1`)
    const later = new Date(Date.now() + 60_000)
    expect(await removeBefore(db, later, undefined, trace, new Date())).toBe(0)
    const journal = startJournal(server.db, join(temporaryDirectory(), 'audit.log'), quiet)
    await journal.flush()
    expect(await removeBefore(db, later, 3, trace, new Date())).toBe(0)
    const removed = await removeBefore(db, later, position, trace, new Date())
    expect(removed).toBe(position - 5)
    await sealer.flush()
    expect(await wholePart(db)).toEqual({ first: removed + 1, last: position + 1 })
    expect(await verify()).toMatchObject({ intact: true, rows: position + 1 - removed })
    const event = await db
      .selectFrom('audit')
      .select('data')
      .where('event', '=', 'audit-rows-removed')
      .executeTakeFirst()
    expect(JSON.parse(event?.data ?? '')).toEqual({ from: 1, to: removed, before: later.toISOString() })
    await journal.stop()
  })

  test('a follower that is gone holds rows back for thirty days more, and is named', async () => {
    const { db } = server
    const days = (count: number) => new Date(Date.now() - count * 86_400_000)
    await happen(3, days(100))
    await sealer.flush()
    await happen(3, days(60))
    await sealer.flush()
    await happen(3)
    await sealer.flush()
    await runScript(
      db,
      `delete from meta where name like 'trail-cursor %';
      insert into meta (name, value) values ('trail-cursor plugin gone', '1'), ('trail-cursor webhooks', '9')`,
    )
    expect(await firstUntaken(db)).toBe(2)
    const journal = startJournal(db, join(temporaryDirectory(), 'audit.log'), quiet)
    await journal.flush()
    const remove = async (before: Date) => removeBefore(db, before, await firstUntaken(db), trace, new Date())
    // sixty days are past the retention, and not past the thirty more
    expect(await remove(days(80))).toBe(0)
    expect(await remove(days(50))).toBe(3)
    expect(await remove(days(50))).toBe(0)
    expect(await wholePart(db)).toMatchObject({ first: 4 })
    expect(await lagging(db, new Date())).toEqual([
      { name: 'plugin gone', untaken: expect.any(Number), since: expect.any(Date) },
    ])
    expect((await checkFollowers(db, new Date())).map(({ says, mend }) => `${says} ${mend}`)).toEqual([
      expect.stringMatching(
        /^plugin gone has not taken \d+ rows .*delete from meta where name = 'trail-cursor plugin gone';/,
      ),
    ])
    const warnings: unknown[] = []
    const log = { ...quiet, warn: (about: unknown) => warnings.push(about) } as unknown as typeof quiet
    for (let n = 0; n < 3; n += 1) await warnOfLagging(db, log, new Date())
    expect(warnings).toMatchObject([{ follower: 'plugin gone' }])
    expect(await remove(days(20))).toBe(3)
    await runScript(db, `delete from meta where name like 'trail-cursor %'`)
    expect(await lagging(db, new Date())).toEqual([])
    await sealer.flush()
    expect((await verify()).intact).toBe(true)
    await journal.stop()
  })

  test('of two servers one seals at a time, and the other takes over', async () => {
    const other = sealing()
    await Promise.all([happen(300), sealer.flush(), other.flush()])
    await Promise.all([sealer.flush(), other.flush(), happen(50)])
    await sealer.stop()
    await other.flush()
    expect(await unsealedRows(server.db)).toBe(0)
    expect((await verify()).intact).toBe(true)
    await other.stop()
  })
})
