/**
 * SQLite's committer: one writer connection, commits of concurrent requests share one BEGIN IMMEDIATE … COMMIT
 * and thus one sync of the disk, each in a savepoint of its own so that a failing member takes nobody with it.
 */
import { type SQLQueryBindings, Database as Sqlite, type Statement } from 'bun:sqlite'
import type { CompiledQuery } from 'kysely'
import type { Committer, Outcome, Write } from './commit.ts'

const largestBatch = 64
const patience = 5_000
const keptStatements = 500
/** What a WAL that grew, during a backup for example, is cut to when it starts over. */
const longestLog = 67_108_864

interface Member {
  readonly writes: readonly Write[]
  resolve(outcome: Outcome): void
  reject(error: unknown): void
}

const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
const isBusy = (error: unknown) => codeOf(error).startsWith('SQLITE_BUSY')
const isConflict = (error: unknown) =>
  ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY', 'SQLITE_CONSTRAINT_FOREIGNKEY'].includes(
    codeOf(error),
  )

/** The pragmas of every connection. No busy wait: it would stop the event loop, so retries are asynchronous. */
export const openSqlite = (path: string, options: { readonly readonly: boolean }): Sqlite => {
  const database = new Sqlite(path, options.readonly ? { readonly: true } : { create: true })
  database.exec('pragma busy_timeout = 0')
  database.exec('pragma foreign_keys = on')
  // what a savepoint may have to undo is kept in memory: a file for it would be written, page by page, at every commit
  database.exec('pragma temp_store = memory')
  if (!options.readonly) database.exec(`pragma journal_size_limit = ${longestLog}`)
  // in pages of 4 KiB: a checkpoint writes a page once, however often it changed since the last one
  if (!options.readonly) database.exec('pragma wal_autocheckpoint = 4000')
  return database
}

/**
 * SQLite (3.54) prepares a statement of several tables anew at every run when it has `column = ?`, lest another value make
 * another plan better: 5 µs for a look-up by two keys that else takes 2. A parameter behind a plus sign is the same value,
 * and no reason to.
 */
const plainParameter = ' = +?'

/**
 * Prepared statements of a connection by their text, the oldest finalized when there are many. Bun's own `query()`
 * keeps twenty and prepares everything after those anew each time.
 */
export const preparing = (database: Sqlite) => {
  const statements = new Map<string, Statement>()
  const prepare = (sql: string): Statement => {
    const known = statements.get(sql)
    if (known) return known
    const oldest = statements.size >= keptStatements ? statements.entries().next().value : undefined
    if (oldest) {
      statements.delete(oldest[0])
      oldest[1].finalize()
    }
    const statement = database.prepare(sql.replaceAll(' = ?', plainParameter))
    statements.set(sql, statement)
    return statement
  }
  const close = () => {
    for (const statement of statements.values()) statement.finalize()
    statements.clear()
    database.close()
  }
  return { prepare, close }
}

export const sqliteCommitter = (database: Sqlite): Committer => {
  const { prepare, close: closeDatabase } = preparing(database)
  // Kysely's parameters are unknown[]; what reaches a column is text, numbers, bytes and null
  const bind = (parameters: readonly unknown[]) => parameters as SQLQueryBindings[]

  const apply = (item: Write): boolean => {
    switch (item.kind) {
      case 'bump':
        return prepare('update revision set n = n + 1 where id = 1').run().changes === 1
      case 'revision':
        return prepare('select 1 from revision where id = 1 and n = ?').get(item.n) !== null
      case 'holds':
        return prepare(item.query.sql).get(...bind(item.query.parameters)) !== null
      case 'write': {
        const { changes } = prepare(item.query.sql).run(...bind(item.query.parameters))
        return item.rows === undefined || changes === item.rows
      }
    }
  }

  const applyMember = (writes: readonly Write[]): Outcome => {
    prepare('savepoint member').run()
    try {
      if (writes.every(apply)) {
        prepare('release member').run()
        return 'committed'
      }
      prepare('rollback to member').run()
      prepare('release member').run()
      return 'lost'
    } catch (error) {
      // after SQLITE_FULL and its kind the whole transaction is gone, and with it every member
      if (!database.inTransaction) throw error
      prepare('rollback to member').run()
      prepare('release member').run()
      if (isConflict(error)) return 'conflict'
      throw new MemberError(error)
    }
  }

  let queue: Member[] = []
  let flushing = false

  /** After this there is no transaction, whatever failed before. */
  const undo = () => {
    try {
      if (database.inTransaction) database.exec('rollback')
    } catch {
      // the connection is closed or beyond repair: the error that led here says so
    }
  }

  /** One transaction for a batch; false when another process holds the write lock. */
  const transact = (batch: readonly Member[]): boolean => {
    const answers: (() => void)[] = []
    try {
      try {
        database.exec('begin immediate')
      } catch (error) {
        if (isBusy(error)) return false
        throw error
      }
      for (const member of batch) {
        try {
          const outcome = applyMember(member.writes)
          answers.push(() => member.resolve(outcome))
        } catch (error) {
          if (!(error instanceof MemberError)) throw error
          answers.push(() => member.reject(error.cause))
        }
      }
      database.exec('commit')
    } catch (error) {
      for (const member of batch) member.reject(error)
      undo()
      return true
    }
    for (const answer of answers) answer()
    return true
  }

  const flush = async () => {
    while (queue.length > 0) {
      const batch = queue.slice(0, largestBatch)
      queue = queue.slice(largestBatch)
      const until = Date.now() + patience
      while (!transact(batch)) {
        if (Date.now() > until) {
          const error = new Error('the database file is locked by another process')
          for (const member of batch) member.reject(error)
          break
        }
        await Bun.sleep(2 + Math.random() * 8)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    flushing = false
  }

  const commit = (writes: readonly Write[]) =>
    new Promise<Outcome>((resolve, reject) => {
      queue.push({ writes, resolve, reject })
      if (flushing) return
      flushing = true
      setImmediate(flush)
    })

  return {
    commit,
    async select<Row>(query: CompiledQuery<Row>) {
      // the writer has in its cache what it wrote; another connection reads every page of it anew after each commit.
      // The row's type is what Kysely built the query for.
      return prepare(query.sql).all(...bind(query.parameters)) as Row[]
    },
    async script(text) {
      const until = Date.now() + patience
      for (;;) {
        try {
          database.exec('begin immediate')
          break
        } catch (error) {
          if (!isBusy(error) || Date.now() > until) throw error
          await Bun.sleep(10)
        }
      }
      try {
        database.exec(text)
        database.exec('update revision set n = n + 1 where id = 1')
        database.exec('commit')
      } catch (error) {
        undo()
        throw error
      }
    },
    async close() {
      while (flushing) await Bun.sleep(1)
      closeDatabase()
    },
  }
}

/** A member that failed alone: its savepoint is undone, the others go on. */
class MemberError extends Error {
  constructor(cause: unknown) {
    super('a member of the commit failed', { cause })
  }
}
