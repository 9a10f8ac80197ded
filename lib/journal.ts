/**
 * Moves audit rows to lines of audit.log. A row without `line_at` has no line yet: the process that committed it
 * writes it, and one that a crash left over is taken over by whoever sweeps next. A crash between the line and its
 * mark repeats the line; it never loses one.
 */
import { type Selectable, sql } from 'kysely'
import { jsonLine } from './audit/json-line.ts'
import { type LogFileRules, logFile } from './audit/log-file.ts'
import { auditLine, auditWriter, looks } from './audit.ts'
import { commit, write } from './database/commit.ts'
import type { Db } from './database/connect.ts'
import { elementsOf, prepared, rowsOf } from './database/prepared.ts'
import type { Database } from './database/schema.ts'
import type { Log } from './log.ts'
import { auditEvents } from './metrics.ts'

const batch = 500
const pauseMilliseconds = 100
const sweepEvery = 10_000
/** Rows of another process older than this are taken over. */
const abandonedAfter = 60_000

const unwritten = prepared<{ writer: string }, Selectable<Database['audit']>>((db, parameter) =>
  db
    .selectFrom('audit')
    .selectAll()
    .where('line_at', 'is', null)
    .where('writer', '=', parameter('writer'))
    .orderBy('id')
    .limit(batch),
)

/** The update that says that the rows of these ids, a JSON array, have their lines; the bounds are there as for a seal. */
const marking = prepared<{ ids: string; first: string; last: string; at: string }, unknown>((db, parameter) =>
  db
    .updateTable('audit')
    .set({ line_at: parameter('at') })
    .where('id', 'in', sql<string>`(select value from ${elementsOf(db, parameter('ids'), 'texts')})`)
    .where('id', '>=', parameter('first'))
    .where('id', '<=', parameter('last')),
)

export interface Journal {
  /** Writes what is there now; resolves when every row committed before the call has its line. */
  flush(): Promise<void>
  /** Flushes and stops. */
  stop(): Promise<void>
}

export interface JournalRules extends LogFileRules {
  /** The seed's lines, or an object a line. */
  readonly format: 'text' | 'json'
}

const usual: JournalRules = { format: 'text', maxBytes: 10_485_760, keep: 20 }

/** Starts the loop that writes lines to `file`. A failing disk is logged and tried again. */
export const startJournal = (db: Db, file: string, log: Log, rules: JournalRules = usual): Journal => {
  const lineOf = rules.format === 'json' ? jsonLine : auditLine
  const target = logFile(file, rules)
  const writer = auditWriter(db)

  const takeOver = async (now: Date) => {
    const before = new Date(now.getTime() - abandonedAfter).toISOString()
    const left = db
      .updateTable('audit')
      .set({ writer: writer.id })
      .where('line_at', 'is', null)
      .where('writer', '!=', writer.id)
      .where('at', '<', before)
    await commit(db, [write(left)])
  }

  const writeLines = async () => {
    for (;;) {
      const rows = await rowsOf(db, unwritten(db, { writer: writer.id }))
      if (rows.length === 0) return
      const lines = rows.map((row) => `${lineOf(row)}\n`).join('')
      // on the disk before the row says that it is
      await target.append(lines, new Date(), (error) =>
        log.warn({ err: error, file }, 'the audit log could not be rotated; it grows on'),
      )
      const ids = rows.map(({ id }) => id)
      const bounds = { first: ids[0] ?? '', last: ids.at(-1) ?? '' }
      const at = new Date().toISOString()
      await commit(db, [write(marking(db, { ids: JSON.stringify(ids), ...bounds, at }))])
      for (const { action, outcome } of rows) auditEvents.add(action, outcome)
      if (rows.length < batch) return
    }
  }

  let running: Promise<void> = Promise.resolve()
  const run = (work: () => Promise<void>) => {
    running = running.then(work).catch((error: unknown) => {
      writer.due = looks
      log.error({ err: error, file }, 'audit lines could not be written; trying again')
    })
    return running
  }
  const flush = () => run(writeLines)

  let sweptAt = 0
  const timer = setInterval(() => {
    const now = new Date()
    if (now.getTime() - sweptAt > sweepEvery) {
      sweptAt = now.getTime()
      run(() => takeOver(now))
      writer.due = looks
    }
    if (writer.due === 0) return
    writer.due -= 1
    flush()
  }, pauseMilliseconds)
  timer.unref()

  return {
    flush,
    async stop() {
      clearInterval(timer)
      await flush()
    },
  }
}
