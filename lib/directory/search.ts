/**
 * What a search asks for (RFC 7644 §3.4.2.2) as a tree, and the tree as a condition of a query. What a path stands for
 * in the database is said by `Fields`; every value is a bound parameter.
 */
import { createHash } from 'node:crypto'
import { type RawBuilder, type SqlBool, sql } from 'kysely'

export type Comparator = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le'
export type FilterValue = string | number | boolean | null

export interface Comparison {
  readonly kind: 'comparison'
  /** As it was written: a URN may stand in front, a sub-attribute behind. */
  readonly path: string
  readonly operator: Comparator
  readonly value: FilterValue
  /** The value as it was written, without its quotes: what an unquoted `0123` is for a text. */
  readonly text: string
}

export type Filter =
  | Comparison
  | { readonly kind: 'present'; readonly path: string }
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Filter[] }
  | { readonly kind: 'not'; readonly term: Filter }
  /** One value of an attribute with several to which all of `filter` applies: `emails[type eq "work"]`. */
  | { readonly kind: 'element'; readonly path: string; readonly filter: Filter }

export type SqlCondition = RawBuilder<SqlBool>

/** What is asked for cannot be searched for; the message says what, in words for the client. */
export class Unsearchable extends Error {
  override readonly name = 'Unsearchable'
}

/** What one path stands for. Each answers true or false, or null for false. Both throw `Unsearchable`. */
export interface Field {
  /** That one of its values compares so. */
  compare(comparison: Comparison): SqlCondition
  /** That it has a value. */
  present(): SqlCondition
}

export interface Fields {
  /** What the path stands for, undefined when nothing can be found by it. Case does not distinguish paths. */
  field(path: string): Field | undefined
  /** That one of the several values of `path` is as `filter` says; undefined when there is no such attribute. */
  element?(path: string, filter: Filter): SqlCondition | undefined
}

/** That the condition does not hold: null is false here, and its contrary true. */
export const no = (condition: SqlCondition): SqlCondition => sql`((${condition}) is not true)`

/** The filter as a condition of a query. Throws `Unsearchable`. */
export const toCondition = (filter: Filter, fields: Fields): SqlCondition => {
  const unknown = (path: string) => new Unsearchable(`Nothing can be found by ${path}.`)
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const terms = filter.terms.map((term) => toCondition(term, fields))
      return sql`(${sql.join(terms, filter.kind === 'and' ? sql` and ` : sql` or `)})`
    }
    case 'not':
      return no(toCondition(filter.term, fields))
    case 'element': {
      const condition = fields.element?.(filter.path, filter.filter)
      if (!condition) throw unknown(`${filter.path}[…]`)
      return condition
    }
    default: {
      const field = fields.field(filter.path)
      if (!field) throw unknown(filter.path)
      return filter.kind === 'present' ? field.present() : field.compare(filter)
    }
  }
}

/** The first text behind all those that begin with `prefix`, in the order of code points; undefined when there is none. */
export const afterPrefix = (prefix: string): string | undefined => {
  const points = [...prefix].map((character) => character.codePointAt(0) ?? 0)
  while (points.at(-1) === 0x10_ff_ff) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  // what lies between are halves of pairs, no characters
  return String.fromCodePoint(...points, last === 0xd7_ff ? 0xe0_00 : last + 1)
}

/** How many bytes of a text are searched through; an index takes no more of it. */
const indexed = 1_500

/** A text of any length as an index can hold it: the same for the same text, and beginning as it does. */
export const indexable = (text: string): string => {
  const bytes = Buffer.from(text)
  if (bytes.length <= indexed) return text
  let end = indexed
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return `${bytes.subarray(0, end).toString()}\u{10fffd}${createHash('sha256').update(text).digest('hex')}`
}

const orders = { gt: sql`>`, ge: sql`>=`, lt: sql`<`, le: sql`<=` } as const

const isOrder = (operator: Comparator): operator is keyof typeof orders => operator in orders

/** That the text in `column` compares so with `value`, letter by letter; `eq`, `sw` and the orders find it by an index. */
export const compareText = (
  column: RawBuilder<unknown>,
  operator: Comparator,
  value: string,
): SqlCondition => {
  // Postgres has to be told the type of a parameter that stands in a function
  const text = sql`cast(${value} as text)`
  if (isOrder(operator)) return sql`${column} ${orders[operator]} ${value}`
  switch (operator) {
    case 'eq':
      return sql`${column} = ${value}`
    case 'ne':
      return sql`(${column} = ${value}) is not true`
    case 'co':
      // `like` knows no case in SQLite and has wildcards in both
      return sql`replace(${column}, ${text}, '') <> ${column}`
    case 'ew':
      return sql`(length(${column}) >= length(${text}) and substr(${column}, length(${column}) - length(${text}) + 1) = ${text})`
    case 'sw': {
      const end = afterPrefix(value)
      return end === undefined
        ? sql`${column} >= ${value}`
        : sql`(${column} >= ${value} and ${column} < ${end})`
    }
  }
}

const wrongType = ({ path }: Comparison, type: string) =>
  new Unsearchable(`${path} is compared with ${type}.`)

/** The comparison's value as a text; a number or boolean without quotes is one, too. */
export const textOf = (comparison: Comparison): string => {
  if (comparison.text === '') throw wrongType(comparison, 'a text that is not empty')
  return comparison.text
}

/** Equal to null is having no value (RFC 7643 §2.5). */
export const againstNull = (comparison: Comparison, present: SqlCondition): SqlCondition | undefined => {
  if (comparison.value !== null) return undefined
  if (comparison.operator === 'eq') return no(present)
  if (comparison.operator === 'ne') return present
  throw wrongType(comparison, 'a value that is not null')
}

/**
 * A column of texts. `key` brings a value into the form of the column; without it, case counts, and with
 * `(text) => text.toLowerCase()` for a column in small letters it does not.
 */
export const textField = (
  column: RawBuilder<unknown>,
  key: (text: string) => string = (text) => text,
): Field => {
  const present = () => sql<SqlBool>`${column} is not null`
  return {
    present,
    compare: (comparison) =>
      againstNull(comparison, present()) ?? compareText(column, comparison.operator, key(textOf(comparison))),
  }
}

const dateTime = /^-?\d{4,6}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/i

/** An instant as the columns have it; throws `Unsearchable`. */
const instantOf = (comparison: Comparison): string => {
  // a date alone, or a time without a zone, is one of UTC
  const text = comparison.text.toUpperCase()
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text.slice(10)) || !text.includes('T') ? text : `${text}Z`
  const time = dateTime.test(text) ? Date.parse(zoned) : Number.NaN
  if (Number.isNaN(time)) throw wrongType(comparison, 'an instant such as 2026-08-06T10:00:00Z')
  return new Date(time).toISOString()
}

/** A column of instants, ISO 8601 in UTC with milliseconds. */
export const instantField = (column: RawBuilder<unknown>): Field => {
  const present = () => sql<SqlBool>`${column} is not null`
  return {
    present,
    compare(comparison) {
      const { operator } = comparison
      if (operator === 'co' || operator === 'sw' || operator === 'ew') {
        throw new Unsearchable(`${operator} is not supported for ${comparison.path}.`)
      }
      return againstNull(comparison, present()) ?? compareText(column, operator, instantOf(comparison))
    },
  }
}

/** The truth that the comparison asks for; throws `Unsearchable`. */
export const truthOf = (comparison: Comparison): boolean => {
  const { operator, path } = comparison
  if (operator !== 'eq' && operator !== 'ne') {
    throw new Unsearchable(`${operator} is not supported for ${path}.`)
  }
  const word = comparison.text.toLowerCase()
  if (word !== 'true' && word !== 'false') throw wrongType(comparison, 'true or false')
  return (word === 'true') === (operator === 'eq')
}

/** Something that is always either so or not; both are said, so that each finds its index. */
export const truthField = (so: SqlCondition, not: SqlCondition): Field => ({
  present: () => sql<SqlBool>`1 = 1`,
  compare: (comparison) => againstNull(comparison, sql`1 = 1`) ?? (truthOf(comparison) ? so : not),
})
