/** audit.log: every line once, through rotation by size and by day, by us or by others; and the JSON format. */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonLine } from '../lib/audit/json-line.ts'
import { logFile } from '../lib/audit/log-file.ts'
import { record } from '../lib/audit.ts'
import { close, commit, runScript } from '../lib/database/commit.ts'
import { connect } from '../lib/database/connect.ts'
import { migrate } from '../lib/database/migrate.ts'
import type { AuditTable } from '../lib/database/schema.ts'
import { startJournal } from '../lib/journal.ts'
import { createLog } from '../lib/log.ts'
import { databases, temporaryDirectory } from './databases.ts'

const quiet = createLog({ level: 'silent', format: 'text' })
const today = new Date().toISOString().slice(0, 10)
const fail = (error: unknown) => {
  throw error
}

/** All lines of a folder: those that were set aside first, in their order, then the file's. */
const linesOf = (folder: string): readonly string[] => {
  const number = (name: string) => Number(/\.(\d+)\.log$/.exec(name)?.[1] ?? Number.POSITIVE_INFINITY)
  return readdirSync(folder)
    .sort((one, other) => number(one) - number(other))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1))
}

describe('the file of the audit lines', () => {
  const place = () => {
    const folder = temporaryDirectory()
    return { folder, file: join(folder, 'audit.log') }
  }

  test('what does not fit begins a new file; no line is lost, doubled or cut, and so many files are kept', async () => {
    const { folder, file } = place()
    const log = logFile(file, { maxBytes: 100, keep: 100 })
    const lines = Array.from({ length: 40 }, (_, n) => `line ${n} ${'x'.repeat(20)}`)
    for (const line of lines) await log.append(`${line}\n`, new Date(), fail)
    expect(linesOf(folder)).toEqual(lines)
    const names = readdirSync(folder)
    expect(names).toContain(`audit-${today}.13.log`)
    expect(names).toHaveLength(14)
    for (const name of names) {
      expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(100)
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    }
    const few = logFile(file, { maxBytes: 100, keep: 3 })
    for (let n = 0; n < 3; n += 1) await few.append(`${'y'.repeat(50)}\n`, new Date(), fail)
    expect(readdirSync(folder).sort()).toEqual([
      `audit-${today}.13.log`,
      `audit-${today}.14.log`,
      `audit-${today}.15.log`,
      'audit.log',
    ])
  })

  test('the file of another day is set aside under that day', async () => {
    const { folder, file } = place()
    const log = logFile(file, { maxBytes: 1_000_000, keep: 2 })
    for (const day of ['2026-01-01', '2026-01-02', '2026-01-03', '2026-01-04']) {
      const now = new Date(`${day}T23:59:59.000Z`)
      await log.append(`first of ${day}\n`, now, fail)
      utimesSync(file, now, now)
      await log.append(`second of ${day}\n`, now, fail)
      utimesSync(file, now, now)
    }
    expect(readdirSync(folder).sort()).toEqual([
      'audit-2026-01-02.1.log',
      'audit-2026-01-03.1.log',
      'audit.log',
    ])
    expect(readFileSync(join(folder, 'audit-2026-01-03.1.log'), 'utf8')).toBe(
      'first of 2026-01-03\nsecond of 2026-01-03\n',
    )
  })

  test('after somebody else rotated it a new file begins', async () => {
    const { folder, file } = place()
    const log = logFile(file, { maxBytes: 1_000, keep: 2 })
    await log.append('one\n', new Date(), fail)
    renameSync(file, join(folder, 'audit.log.1'))
    await log.append('two\n', new Date(), fail)
    expect(readFileSync(file, 'utf8')).toBe('two\n')
    writeFileSync(file, '')
    await log.append('three\n', new Date(), fail)
    expect(readFileSync(file, 'utf8')).toBe('three\n')
  })

  test('a crash in the middle of setting aside costs a name and no line', async () => {
    const { folder, file } = place()
    const log = logFile(file, { maxBytes: 10, keep: 20 })
    await log.append('before\n', new Date(), fail)
    // the name was taken, and nothing moved there
    writeFileSync(join(folder, `audit-${today}.1.log`), '')
    await log.append('behind\n', new Date(), fail)
    // it was moved, and nothing written since
    renameSync(file, join(folder, `audit-${today}.3.log`))
    await log.append('at last\n', new Date(), fail)
    expect(linesOf(folder)).toEqual(['before', 'behind', 'at last'])
  })

  test('two that write to one file lose and double nothing', async () => {
    const { folder, file } = place()
    const lines = Array.from({ length: 60 }, (_, n) => `line ${n} ${'x'.repeat(n)}`)
    await Promise.all(
      [0, 1].map(async (one) => {
        const log = logFile(file, { maxBytes: 300, keep: 100 })
        for (const [n, line] of lines.entries())
          if (n % 2 === one) await log.append(`${line}\n`, new Date(), fail)
      }),
    )
    expect([...linesOf(folder)].sort()).toEqual([...lines].sort())
  })

  test('a file that cannot be set aside grows on, and somebody hears of it', async () => {
    const folder = temporaryDirectory()
    // longer than a name may be, once day and number are added
    const file = join(folder, `${'a'.repeat(245)}.log`)
    const log = logFile(file, { maxBytes: 10, keep: 20 })
    const heard: unknown[] = []
    for (const line of ['one line\n', 'another line\n'])
      await log.append(line, new Date(), (error) => heard.push(error))
    expect(readFileSync(file, 'utf8')).toBe('one line\nanother line\n')
    expect(heard).toHaveLength(1)
  })
})

describe.each(databases)('the journal on $name', (database) => {
  test('rotates while it writes, and what a crash left unmarked is the only thing that is there twice', async () => {
    const db = await connect(await database.create())
    const folder = temporaryDirectory()
    const file = join(folder, 'audit.log')
    try {
      await migrate(db, new Date())
      await runScript(db, 'delete from audit')
      const journal = startJournal(db, file, quiet, { format: 'json', maxBytes: 65_536, keep: 100 })
      const happen = (first: number, count: number) =>
        commit(
          db,
          Array.from({ length: count }, (_, n) =>
            record(
              db,
              new Date(),
              { id: 'trace', address: '' },
              {
                event: 'logout',
                initiator: 'x',
                target: `target ${first + n}`,
                data: { text: 'x'.repeat(200) },
                outcome: 'Success',
              },
            ),
          ),
        )
      for (let round = 0; round < 4; round += 1) {
        expect(await happen(round * 300, 300)).toBe('committed')
        await journal.flush()
      }
      const targets = () => linesOf(folder).map((line) => (JSON.parse(line) as { targetId: string }).targetId)
      const all = Array.from({ length: 1_200 }, (_, n) => `target ${n}`)
      expect(targets()).toEqual(all)
      expect(readdirSync(folder).length).toBeGreaterThan(2)
      // written, and not marked: the process was killed in between
      await runScript(db, "update audit set line_at = null where target = 'target 1199'")
      await happen(1_200, 1)
      await journal.flush()
      expect(targets()).toEqual([...all, 'target 1199', 'target 1200'])
      await journal.stop()
    } finally {
      await close(db)
    }
  })
})

describe('the JSON format', () => {
  const row: AuditTable = {
    id: '0190f6d2-0000-7000-8000-000000000000',
    at: '2026-01-02T03:04:05.678Z',
    event: 'user-claims-changed',
    action: 'Set-User-Claim-Values',
    initiator: 'subject',
    target: 't******r',
    data: '{"Claims":{"country":"S****n"}}',
    outcome: 'Success',
    actor_id: 'impersonator',
    subject_id: 'subject',
    application_id: null,
    organization_id: null,
    impersonation_id: null,
    trace_id: 'trace',
    writer: 'writer',
    line_at: null,
    position: null,
    link: null,
  }

  test('has the members of the v2 log in their order, the action in kebab case, and the impersonator', () => {
    expect(jsonLine(row)).toBe(
      '{"id":"0190f6d2-0000-7000-8000-000000000000","recordedAt":"2026-01-02T03:04:05.678Z","requestId":"trace","initiatorId":"subject","initiatorType":"User","targetId":"t******r","targetType":"User","action":"set-user-claim-values","impersonatorId":"impersonator","data":{"Claims":{"country":"S****n"}},"outcome":"Success"}',
    )
    expect(jsonLine({ ...row, actor_id: null })).not.toContain('impersonatorId')
  })

  test.each([
    ['role-updated', 'somebody', 'a role', {}, 'User', 'Role'],
    ['signing-key-created', 'system', 'kid', {}, 'System', 'Key'],
    ['token-issued', 'client', 'client', { clientId: 'client' }, 'Application', 'Application'],
    ['token-issued', 'user', 'user', { clientId: 'client' }, 'User', 'User'],
    ['impersonated-token-issued', 'user', 'subject', { clientId: 'client' }, 'User', 'User'],
    ['api-resource-deleted', 'user', 'id', {}, 'User', 'APIResource'],
  ])(
    'says what initiator and target of %s are',
    (event, initiator, target, data, initiatorType, targetType) => {
      const line = jsonLine({ ...row, event, initiator, target, data: JSON.stringify(data) })
      expect(JSON.parse(line)).toMatchObject({ initiatorType, targetType })
    },
  )

  test('no value breaks a line', () => {
    const data = JSON.stringify({ text: 'a\n\u2028\u0085\u007f' })
    const line = jsonLine({ ...row, initiator: 'x\r\n\u2029', data })
    expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u)
    expect(JSON.parse(line)).toMatchObject({
      initiatorId: 'x\r\n\u2029',
      data: { text: 'a\n\u2028\u0085\u007f' },
    })
    expect(jsonLine({ ...row, data: 'no JSON' })).toContain('"data":{"text":"no JSON"}')
  })
})
