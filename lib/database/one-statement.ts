/**
 * A commit of INSERTs and at most one UPDATE a table as one statement for Postgres: data-modifying CTEs whose final select
 * raises an error when a guard was lost. CTEs of one statement do not see each other, so not every commit can be one.
 */
import { type CompiledQuery, TableNode } from 'kysely'
import type { Write } from './commit.ts'

/** The advisory lock of administrative commits; decisions take it shared before they read the revision. */
export const administration = 7_239_411_001

/** Raises `invalid input syntax for type integer` at run time when `condition` is false; never folded at planning. */
export const must = (condition: string) =>
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
export const counted = ({ query, sql }: CompiledQuery) =>
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
    } else if (item.kind === 'write') {
      const { query, rows } = item
      // an insert of which nobody asks how many runs when the guards have held; what is counted, in the order in which it is
      // asked for, an update too of which any number will do
      const isCounted = rows !== undefined || query.query.kind !== 'InsertQueryNode'
      parts.push(`${name} as (${add(isCounted ? counted(query) : query.sql, query.parameters)})`)
      if (isCounted) {
        conditions.push(`(select count(*) from ${name}) ${rows === undefined ? '>= 0' : `= ${rows}`}`)
      }
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
export const statementsByShape = () => {
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

export const parametersOf = (writes: readonly Write[]): unknown[] =>
  writes.flatMap((item) =>
    item.kind === 'revision' ? [item.n] : 'query' in item ? [...item.query.parameters] : [],
  )
