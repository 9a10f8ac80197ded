/** What the values of attributes are found by: each of one place by itself, or the parts of one value together. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Attribute } from './attributes.ts'
import {
  againstNull,
  type Comparison,
  compareText,
  type Field,
  type Fields,
  type Filter,
  no,
  type SqlCondition,
  textOf,
  toCondition,
  truthOf,
} from './search.ts'
import { valueKey, valuePath } from './user-values.ts'

/** Says that there is a row of which `column` is so. */
type Among = (condition: (column: RawBuilder<unknown>) => SqlCondition) => SqlCondition

/** Whether the values of the attribute, or of that part of it, are truths. */
export const isTruth = (attribute: Attribute, sub: string | undefined) =>
  attribute.kind === 'boolean' || sub === 'primary'

/** The values of one place; `among` says where their rows are looked for. */
export const valueField = (path: string, truth: boolean, among: Among): Field => {
  const present = () => among((column) => sql`${column} is not null`)
  return {
    present,
    compare(comparison) {
      const unassigned = againstNull(comparison, present())
      if (unassigned) return unassigned
      if (truth) {
        const holds = among((column) => compareText(column, 'eq', 'true'))
        return truthOf(comparison) ? holds : no(holds)
      }
      const key = valueKey(path, textOf(comparison))
      const { operator } = comparison
      // of several values none may be equal, as `not (… eq …)` says
      if (operator === 'ne') return no(among((column) => compareText(column, 'eq', key)))
      return among((column) => compareText(column, operator, key))
    },
  }
}

/** How few rows a term leaves, the smaller the fewer; undefined for one that rows cannot be looked for by. */
const rank = (term: Filter): number | undefined => {
  if (term.kind !== 'comparison' || term.value === null || term.operator === 'ne') return undefined
  const sub = term.path.toLowerCase()
  if (sub === 'primary') return undefined
  return (term.operator === 'eq' ? 0 : term.operator === 'sw' ? 10 : 20) + (sub === 'type' ? 15 : 0)
}

const bestOf = (terms: readonly Filter[]): Comparison | undefined => {
  const ranked = terms
    .map((term) => ({ term, rank: rank(term) ?? 100 }))
    .sort((one, other) => one.rank - other.rank)
  const best = ranked[0]
  return best && best.rank < 100 && best.term.kind === 'comparison' ? best.term : undefined
}

/** What several values of one attribute are found by: one row leads to the value, the others say the rest of it. */
export const elementOf = (organizationId: string, attribute: Attribute, filter: Filter): SqlCondition => {
  if (filter.kind === 'or') {
    const terms = filter.terms.map((term) => elementOf(organizationId, attribute, term))
    return sql`(${sql.join(terms, sql` or `)})`
  }
  const place = (path: string) => {
    const sub = attribute.subs.get(path.toLowerCase())
    return sub === undefined ? undefined : { path: valuePath(attribute, sub), truth: isTruth(attribute, sub) }
  }
  const beside: Fields = {
    field(name) {
      const found = place(name)
      if (!found) return undefined
      return valueField(
        found.path,
        found.truth,
        // with a limit it is asked row by row: Postgres would begin with all who have the value, which may be everybody
        (condition) => sql`(select 1 from account_value as other
          where other.account_id = one.account_id and other.path = ${found.path} and other.item = one.item
          and ${condition(sql.ref('other.value_key'))} limit 1) is not null`,
      )
    },
  }
  const terms = filter.kind === 'and' ? filter.terms : [filter]
  const best = bestOf(terms)
  const leading = best && place(best.path)
  const first =
    best && leading
      ? sql<SqlBool>`one.path = ${leading.path} and ${valueField(leading.path, false, (condition) =>
          condition(sql.ref('one.value_key')),
        ).compare(best)}`
      : sql<SqlBool>`one.path in (${sql.join([...attribute.subs.values()].map((sub) => valuePath(attribute, sub)))})`
  const rest = terms.filter((term) => term !== best || !leading).map((term) => toCondition(term, beside))
  return sql`account.id in (select one.account_id from account_value as one
    where one.organization_id = ${organizationId} and ${sql.join([first, ...rest], sql` and `)})`
}
