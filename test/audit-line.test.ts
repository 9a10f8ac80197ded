/** A line of audit.log says what its row says, one line each: no value can forge a line, a field or an impersonator. */
import { describe, expect, setSystemTime, test } from 'bun:test'
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { auditLine, record } from '../lib/audit.ts'
import { close, commit } from '../lib/database/commit.ts'
import { connect } from '../lib/database/connect.ts'
import { migrate } from '../lib/database/migrate.ts'
import type { AuditTable } from '../lib/database/schema.ts'
import { startJournal } from '../lib/journal.ts'
import { createLog } from '../lib/log.ts'
import { databases, temporaryDirectory } from './databases.ts'

const row: AuditTable = {
  id: '1',
  at: '2026-01-02T03:04:05.678Z',
  event: 'user-claims-changed',
  action: 'Set-User-Claim-Values',
  initiator: 'initiator',
  target: 'target',
  data: '{}',
  outcome: 'Success',
  actor_id: null,
  subject_id: null,
  application_id: null,
  organization_id: null,
  impersonation_id: null,
  trace_id: 'trace',
  writer: 'writer',
  line_at: null,
  position: null,
  link: null,
}

const suffix = ' | Impersonator : '

/** Pieces of lines, put together at random: what somebody would try who wants to forge one. */
const piece = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary' }) },
  fc.constantFrom('\r\n', '\n', '\r', '\u0000', '\u001b[2K', '\u007f', '\u0085', '\u2028', '\u2029', '\t'),
  fc.constantFrom(
    suffix,
    ' | Impersonator :',
    '| Impersonator : x',
    ' |',
    'Impersonator : x',
    '|\u00a0Impersonator : ',
  ),
  fc.constantFrom(
    ' Data=',
    ' Outcome=Success',
    ' Target=',
    'TID: [-1234] [',
    ' INFO {AUDIT_LOG} - Initiator=',
  ),
)
const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))

test('no control character, line break or impersonator gets into a line by a value', () => {
  const rows = fc.record({
    initiator: text,
    target: text,
    data: fc.oneof(
      text,
      fc.dictionary(text, text).map((data) => JSON.stringify(data)),
    ),
    outcome: text,
    trace_id: text,
    actor_id: fc.option(text.filter((actor) => actor !== '')),
    event: fc.constantFrom('user-claims-changed', 'impersonation-refused', 'unknown-event'),
  })
  fc.assert(
    fc.property(rows, (values) => {
      const line = auditLine({ ...row, ...values })
      expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u)
      const named = values.actor_id !== null && values.event !== 'impersonation-refused'
      expect(line.split(/\|\s*Impersonator/i)).toHaveLength(named ? 2 : 1)
      expect(line.split('Impersonator : ').length).toBeGreaterThanOrEqual(named ? 2 : 1)
      expect(line).toStartWith('TID: [-1234] [2026-01-02 03:04:05,678] [')
    }),
    { numRuns: 3_000 },
  )
})

test('an initiator or a target cannot look like the fields that follow it', () => {
  const forged = 'x Target=admin Data={} Outcome=Success'
  for (const field of ['initiator', 'target', 'trace_id'] as const) {
    const line = auditLine({ ...row, [field]: forged })
    for (const mark of [' Target=', ' Data=', ' Outcome=', ' Action='])
      expect(line.split(mark)).toHaveLength(2)
  }
})

test('data is the same JSON after it was escaped', () => {
  fc.assert(
    fc.property(fc.dictionary(text, text), (data) => {
      const line = auditLine({ ...row, data: JSON.stringify(data) })
      const [, shown = ''] = /Data=(\{.*\}) Outcome=Success$/.exec(line) ?? []
      expect(JSON.parse(shown)).toEqual(JSON.parse(JSON.stringify(data)))
    }),
  )
})

describe('the journal', () => {
  for (const database of databases) {
    test(`gives its line soon to a row that was a while in coming, on ${database.name}`, async () => {
      const db = await connect(await database.create())
      const file = join(temporaryDirectory(), 'audit.log')
      try {
        await migrate(db, new Date())
        // the sweep, which would find it as well, never comes when time stands still
        setSystemTime(new Date())
        const journal = startJournal(db, file, createLog({ level: 'silent', format: 'text' }))
        const trace = { id: 'trace', address: 'test' }
        const entry = { event: 'logout', initiator: 'x', target: 'x', data: {}, outcome: 'Success' } as const
        const row = record(db, new Date(), trace, entry)
        await Bun.sleep(250)
        await commit(db, [row])
        // made empty, written, then synced
        while (Bun.file(file).size === 0) await Bun.sleep(10)
        expect(readFileSync(file, 'utf8')).toContain('Action=user-logout')
        await journal.stop()
      } finally {
        setSystemTime()
        await close(db)
      }
    })

    test(`gives a line that a crash cut off a line of its own, on ${database.name}`, async () => {
      const db = await connect(await database.create())
      const file = join(temporaryDirectory(), 'audit.log')
      try {
        await migrate(db, new Date())
        appendFileSync(file, 'a whole line\nTID: [-1234] [2026-01-02 03:04')
        const trace = { id: 'trace', address: 'test' }
        const entry = { event: 'logout', initiator: 'x', target: 'x', data: {}, outcome: 'Success' } as const
        const journal = startJournal(db, file, createLog({ level: 'silent', format: 'text' }))
        for (const count of [3, 4]) {
          await commit(db, [record(db, new Date(), trace, entry)])
          await journal.flush()
          const lines = readFileSync(file, 'utf8').split('\n')
          expect(lines.slice(0, 2)).toEqual(['a whole line', 'TID: [-1234] [2026-01-02 03:04'])
          expect(lines).toHaveLength(count + 1)
          for (const line of lines.slice(2, -1)) expect(line).toMatch(/^TID: .* Outcome=Success$/)
        }
        await journal.stop()
      } finally {
        await close(db)
      }
    })
  }
})
