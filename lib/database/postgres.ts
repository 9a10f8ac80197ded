/**
 * Postgres's committer. A commit is one statement where that is possible (one-statement.ts): one round trip, nothing held
 * across an await. Everything else is BEGIN … COMMIT, its statements sent without awaiting in between.
 */
import type { ReservedSQL, SQL } from 'bun'
import type { CompiledQuery } from 'kysely'
import type { Committer, Outcome, Write } from './commit.ts'
import { administration, counted, must, parametersOf, statementsByShape } from './one-statement.ts'

const retries = 10

interface Text {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

const statements = (writes: readonly Write[]): Text[] => {
  const texts: Text[] = []
  // administrative commits run one after the other; the lock comes first, so that what follows sees what they did
  if (writes.some((item) => item.kind === 'bump')) {
    texts.push({ sql: `select pg_advisory_xact_lock(${administration})`, parameters: [] })
  } else if (writes.some((item) => item.kind === 'revision')) {
    texts.push({ sql: `select pg_advisory_xact_lock_shared(${administration})`, parameters: [] })
  }
  for (const item of writes) {
    if (item.kind === 'bump')
      texts.push({ sql: 'update revision set n = n + 1 where id = 1', parameters: [] })
    else if (item.kind === 'revision') {
      const sql = `with g as (select 1 from revision where id = 1 and n = $1 for share) ${must('count(*) = 1')} from g`
      texts.push({ sql, parameters: [item.n] })
    } else if (item.kind === 'holds') {
      const sql = `with g as (${item.query.sql} for share) ${must('count(*) > 0')} from g`
      texts.push({ sql, parameters: item.query.parameters })
    } else if (item.rows === undefined) texts.push(item.query)
    else {
      const sql = `with w as (${counted(item.query)}) ${must(`count(*) = ${item.rows}`)} from w`
      texts.push({ sql, parameters: item.query.parameters })
    }
  }
  return texts
}

const stateOf = (error: unknown): string => {
  if (!(error instanceof Error)) return ''
  // Bun.SQL gives the SQLSTATE in errno, other drivers in code
  for (const key of ['errno', 'code'] as const) {
    const value = (error as Error & Record<string, unknown>)[key]
    if (typeof value === 'string' && /^[0-9A-Z]{5}$/.test(value)) return value
  }
  return ''
}

const judge = (error: unknown): Outcome | 'again' | undefined => {
  const state = stateOf(error)
  if (state === '22P02' && error instanceof Error && error.message.includes('mayact: a guard was lost'))
    return 'lost'
  if (state === '23505' || state === '23503') return 'conflict'
  if (state === '40001' || state === '40P01') return 'again'
  return undefined
}

export const postgresCommitter = (sql: SQL): Committer => {
  const statementOf = statementsByShape()
  const run = (on: SQL | ReservedSQL, text: Text) => on.unsafe(text.sql, [...text.parameters])

  const transaction = async (writes: readonly Write[]) => {
    const reserved = await sql.reserve()
    try {
      const texts = [{ sql: 'begin', parameters: [] }, ...statements(writes)]
      const results = await Promise.allSettled(texts.map(async (text) => run(reserved, text).execute()))
      // the server does not know of a statement that the driver refused, a value it cannot encode: so no COMMIT yet
      for (const result of results) if (result.status === 'rejected') throw result.reason
      await reserved.unsafe('commit')
    } catch (error) {
      await reserved.unsafe('rollback').catch(() => {})
      throw error
    } finally {
      reserved.release()
    }
  }

  const attempt = async (writes: readonly Write[]) => {
    if (writes.length === 0) return
    const statement = statementOf(writes)
    if (statement === null) await transaction(writes)
    else await sql.unsafe(statement, parametersOf(writes))
  }

  return {
    async select<Row>(query: CompiledQuery<Row>) {
      return [...(await sql.unsafe(query.sql, [...query.parameters]))] as Row[]
    },
    async commit(writes) {
      for (let tries = 1; ; tries += 1) {
        try {
          await attempt(writes)
          return 'committed'
        } catch (error) {
          const verdict = judge(error)
          if (verdict === undefined || (verdict === 'again' && tries >= retries)) throw error
          if (verdict !== 'again') return verdict
          await Bun.sleep(Math.random() * 5 * tries)
        }
      }
    },
    async script(text) {
      const reserved = await sql.reserve()
      try {
        await reserved.unsafe(
          `begin; select pg_advisory_xact_lock(${administration}); ${text}\n; update revision set n = n + 1 where id = 1; commit`,
        )
      } catch (error) {
        await reserved.unsafe('rollback').catch(() => {})
        throw error
      } finally {
        reserved.release()
      }
    },
    close: () => sql.end(),
  }
}
