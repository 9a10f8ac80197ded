/** Which users indexes find, and which are looked for among all. */
import { type SqlBool, sql } from 'kysely'
import { compareText, type Filter, type SqlCondition, textOf, truthOf } from './search.ts'
import { columnOf, hasAlternatives, searchedPath, statuses } from './user-fields.ts'
import { findUserPath, hasSeveral } from './user-path.ts'
import { isUsual, valueKey } from './user-values.ts'

/** Whether the filter begins with a set of users that an index finds, rather than with a look at every user. */
export const leadsToUsers = (filter: Filter): boolean => leads(filter, hasAlternatives(filter))

/** Whether indexes find those to whom the filter applies: as sets, or by a name that is one user's. */
export const isFoundByIndexes = (filter: Filter): boolean => leads(filter, true)

/** Whether those who have no value of what the path stands for are found by an index. */
export const lacksUsual = (path: string): boolean =>
  columnOf(path) === undefined && isUsual(searchedPath(path)?.path ?? '')

const leads = (filter: Filter, alternatives: boolean): boolean => {
  switch (filter.kind) {
    case 'and':
      return filter.terms.some((term) => leads(term, alternatives))
    case 'or':
      return filter.terms.every((term) => leads(term, alternatives))
    case 'element':
      return true
    case 'comparison': {
      if (filter.value === null) return filter.operator === 'eq' && lacksUsual(filter.path)
      const column = columnOf(filter.path)
      const status = statuses.get(column ?? '')
      if (status) return truthOf(filter) === status.few
      if (column)
        return filter.operator === 'eq' && (column === 'id' || (column === 'username' && alternatives))
      // who has no true one is nowhere
      if (searchedPath(filter.path)?.truth) return truthOf(filter)
      return filter.operator !== 'ne'
    }
    default:
      return false
  }
}

/** Rows of `account_value` that are all of what a filter means: each user has one, or with `several` one or more. */
export interface ValueRows {
  readonly where: SqlCondition
  readonly several: boolean
  /** Whether the index has them in the order of their users. */
  readonly ordered: boolean
}

/** The rows of the values that the one comparison of `filter` finds; undefined for any other filter. */
export const valueRowsOf = (organizationId: string, filter: Filter): ValueRows | undefined => {
  if (filter.kind !== 'comparison' && filter.kind !== 'present') return undefined
  const place = columnOf(filter.path) === undefined ? searchedPath(filter.path) : undefined
  if (!place || place.truth) return undefined
  const operator = filter.kind === 'present' || filter.value === null ? undefined : filter.operator
  if (operator === 'ne' || (filter.kind === 'comparison' && operator === undefined)) return undefined
  const column = sql.ref('account_value.value_key')
  const attribute = findUserPath(filter.path)?.attribute
  const holds =
    filter.kind === 'present'
      ? sql<SqlBool>`1 = 1`
      : compareText(column, filter.operator, valueKey(place.path, textOf(filter)))
  return {
    where: sql`account_value.organization_id = ${organizationId} and account_value.path = ${place.path} and ${holds}`,
    several: attribute !== undefined && hasSeveral(attribute),
    ordered: operator === 'eq',
  }
}
