/** Comparisons of texts in which case does not count, as SCIM has them; each database lowers both sides its own way. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'

export type TextOperator = 'eq' | 'ne' | 'co' | 'sw' | 'ew'

/** The condition that `column` compares so with `value`. */
export const textMatches = (
  column: RawBuilder<unknown>,
  operator: TextOperator,
  value: string,
): RawBuilder<SqlBool> => {
  const lowered = (text: string) => sql`lower(cast(${text} as text))`
  if (operator === 'eq') return sql`lower(${column}) = ${lowered(value)}`
  if (operator === 'ne') return sql`lower(${column}) <> ${lowered(value)}`
  const literal = value.replace(/[\\%_]/g, '\\$&')
  const pattern = `${operator === 'sw' ? '' : '%'}${literal}${operator === 'ew' ? '' : '%'}`
  return sql`lower(${column}) like ${lowered(pattern)} escape '\\'`
}
