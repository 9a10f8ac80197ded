/** Conditions on text columns that mean the same on both databases: case counts, and nothing is a wildcard. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'

export const operators = ['eq', 'ne', 'co', 'sw', 'ew'] as const
/** Before and after in the order of the bytes, which is that of both databases. */
export const orders = ['ge', 'le', 'gt', 'lt'] as const
export type Operator = (typeof operators)[number] | (typeof orders)[number]

export interface Condition<Attribute extends string> {
  readonly attribute: Attribute
  readonly operator: Operator
  /** Never empty. */
  readonly value: string
}

/** An `or` of `and`s; nothing at all matches everything. */
export type Filter<Attribute extends string> = readonly (readonly Condition<Attribute>[])[]

// `like` knows no case in SQLite and has wildcards in both
const compare = (column: RawBuilder<unknown>, operator: Operator, value: string): RawBuilder<SqlBool> => {
  const text = sql`cast(${value} as text)`
  switch (operator) {
    case 'eq':
      return sql`${column} = ${text}`
    case 'ne':
      return sql`${column} <> ${text}`
    case 'co':
      return sql`replace(${column}, ${text}, '') <> ${column}`
    case 'sw':
      return sql`substr(${column}, 1, length(${text})) = ${text}`
    case 'ew':
      return sql`(length(${column}) >= length(${text}) and substr(${column}, length(${column}) - length(${text}) + 1) = ${text})`
    case 'ge':
      return sql`${column} >= ${text}`
    case 'le':
      return sql`${column} <= ${text}`
    case 'gt':
      return sql`${column} > ${text}`
    case 'lt':
      return sql`${column} < ${text}`
  }
}

/** The filter as a condition of a query; `columns` says what each attribute is. */
export const matching = <Attribute extends string>(
  filter: Filter<Attribute>,
  columns: Readonly<Record<Attribute, RawBuilder<unknown>>>,
): RawBuilder<SqlBool> => {
  if (filter.length === 0) return sql`1 = 1`
  const alternatives = filter.map((conditions) => {
    const all = conditions.map(({ attribute, operator, value }) =>
      compare(columns[attribute], operator, value),
    )
    return sql`(${sql.join(all, sql` and `)})`
  })
  return sql`(${sql.join(alternatives, sql` or `)})`
}

const holds = (text: string, operator: Operator, value: string): boolean => {
  const order = Buffer.compare(Buffer.from(text), Buffer.from(value))
  switch (operator) {
    case 'eq':
      return text === value
    case 'ne':
      return text !== value
    case 'co':
      return text.includes(value)
    case 'sw':
      return text.startsWith(value)
    case 'ew':
      return text.endsWith(value)
    case 'ge':
      return order >= 0
    case 'le':
      return order <= 0
    case 'gt':
      return order > 0
    case 'lt':
      return order < 0
  }
}

/** The same of something that is in no database; `textOf` says what each attribute is. */
export const matches = <Attribute extends string>(
  filter: Filter<Attribute>,
  textOf: (attribute: Attribute) => string,
): boolean =>
  filter.length === 0 ||
  filter.some((conditions) =>
    conditions.every(({ attribute, operator, value }) => holds(textOf(attribute), operator, value)),
  )
