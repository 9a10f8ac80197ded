/**
 * Postgres's committer. A commit of INSERTs and at most one UPDATE a table is one statement of data-modifying CTEs
 * whose final select raises an error when a guard was lost: one round trip, nothing held across an await. CTEs of
 * one statement do not see each other, so everything else is BEGIN … COMMIT, its statements sent without awaiting
 * in between.
 */
import type { ReservedSQL, SQL } from 'bun'
import { type CompiledQuery, TableNode } from 'kysely'
import type { Committer, Outcome, Write } from './commit.ts'

/** The advisory lock of administrative commits; decisions take it shared before they read the revision. */
const administration = 7_239_411_001
const retries = 10

interface Text {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** Raises `invalid input syntax for type integer` at run time when `condition` is false; never folded at planning. */
const must = (condition: string) =>
  `select cast(case when ${condition} then '0' else 'mayact: a guard was lost' end as integer)`

const shift = (sql: string, by: number) =>
  sql.replace(/\$(\d+)/g, (_, digits: string) => `$${Number(digits) + by}`)

const tableOf = (query: CompiledQuery): string | undefined => {
  const node = query.query
  if (node.kind === 'InsertQueryNode') return node.into?.table.identifier.name
  if (node.kind === 'UpdateQueryNode' && node.table && TableNode.is(node.table))
    return node.table.table.identifier.name
  return undefined
}

/** The tables that a query names, in any place of it. */
const tablesOf = (node: unknown, found = new Set<string>()): ReadonlySet<string> => {
  if (Array.isArray(node)) for (const item of node) tablesOf(item, found)
  else if (typeof node === 'object' && node !== null) {
    if ('kind' in node && node.kind === 'TableNode') found.add((node as TableNode).table.identifier.name)
    else for (const value of Object.values(node)) tablesOf(value, found)
  }
  return found
}

/**
 * Whether CTEs of one statement do what the list says: plain inserts and updates, none of which reads, and no guard
 * either, what an earlier one wrote. An insert after an update of its table is fine, the other way round is not.
 */
const fitsOneStatement = (writes: readonly Write[]): boolean => {
  const written = new Set<string>()
  for (const item of writes) {
    if (item.kind === 'bump') return false
    if (item.kind === 'revision') continue
    const node = item.query.query
    const table = tableOf(item.query)
    if (written.size > 0) {
      if (node.kind === 'RawNode') return false
      const reading = node.kind === 'InsertQueryNode' ? node.values : node
      for (const name of tablesOf(reading)) if (written.has(name)) return false
    }
    if (item.kind === 'holds') continue
    if (table === undefined) return false
    if (node.kind === 'InsertQueryNode') {
      if (node.onConflict || node.values?.kind !== 'ValuesNode') return false
    } else if (node.kind !== 'UpdateQueryNode' || written.has(table) || node.from) return false
    written.add(table)
  }
  return true
}

/** The query with one row in its result for each row it touches. */
const counted = ({ query, sql }: CompiledQuery) =>
  'returning' in query && query.returning ? sql : `${sql} returning 1`

const oneStatement = (writes: readonly Write[]): string => {
  const parts: string[] = []
  let places = 0
  const conditions: string[] = []
  const add = (sql: string, parameters: readonly unknown[]) => {
    const shifted = shift(sql, places)
    places += parameters.length
    return shifted
  }
  if (writes.some((item) => item.kind === 'revision')) {
    parts.push(`l as materialized (select pg_advisory_xact_lock_shared(${administration}))`)
  }
  writes.forEach((item, index) => {
    const name = `w${index}`
    if (item.kind === 'revision') {
      const select =
        'select 1 from l, revision where revision.id = 1 and revision.n = $1 for share of revision'
      parts.push(`${name} as materialized (${add(select, [item.n])})`)
      // before all others, as in a transaction: who waits for the lock holds no row that its holder may want
      conditions.unshift(`(select count(*) from ${name}) = 1`)
    } else if (item.kind === 'holds') {
      parts.push(`${name} as materialized (${add(item.query.sql, item.query.parameters)} for share)`)
      conditions.push(`(select count(*) from ${name}) > 0`)
    } else if (
      item.kind === 'write' &&
      item.rows === undefined &&
      item.query.query.kind === 'InsertQueryNode'
    ) {
      // nobody asks how many: it runs when the guards have held
      parts.push(`${name} as (${add(item.query.sql, item.query.parameters)})`)
    } else if (item.kind === 'write') {
      parts.push(`${name} as (${add(counted(item.query), item.query.parameters)})`)
      // counted even when any number will do: CTEs run in the order in which they are asked for
      conditions.push(`(select count(*) from ${name}) ${item.rows === undefined ? '>= 0' : `= ${item.rows}`}`)
    }
  })
  const all = conditions.length === 0 ? 'true' : conditions.join(' and ')
  return `with ${parts.join(', ')} ${must(all)}`
}

/** A list of writes by its texts, one level for each; `statement` is null where one statement will not do. */
interface Shape {
  readonly next: Map<string, Shape>
  statement?: string | null
}

const mostShapes = 5_000

/** The one statement of a list of writes, made once for each list of the same texts. */
const statementsByShape = () => {
  let root: Shape = { next: new Map() }
  let count = 0
  return (writes: readonly Write[]): string | null => {
    if (count > mostShapes) {
      root = { next: new Map() }
      count = 0
    }
    let shape = root
    for (const item of writes) {
      const text = 'query' in item ? item.query.sql : item.kind
      // a text that guards and the same text that writes are two things
      const keys = item.kind === 'write' ? [text, String(item.rows)] : [text, item.kind]
      for (const key of keys) {
        let next = shape.next.get(key)
        if (!next) {
          next = { next: new Map() }
          shape.next.set(key, next)
          count += 1
        }
        shape = next
      }
    }
    if (shape.statement === undefined) {
      shape.statement = fitsOneStatement(writes) ? oneStatement(writes) : null
    }
    return shape.statement
  }
}

const parametersOf = (writes: readonly Write[]): unknown[] =>
  writes.flatMap((item) =>
    item.kind === 'revision' ? [item.n] : 'query' in item ? [...item.query.parameters] : [],
  )

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
