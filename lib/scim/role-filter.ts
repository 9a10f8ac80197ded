/** What a filter on roles means for the database. */
import type { RoleCondition } from '../directory/roles.ts'
import { bad } from './error.ts'
import { comparisonsOf, parseFilter } from './filter.ts'

const fields: ReadonlyMap<string, RoleCondition['field']> = new Map([
  ['id', 'id'],
  ['displayname', 'name'],
  ['audience.value', 'audienceId'],
  ['audience.type', 'audienceType'],
])

/** The conditions of a filter, if there is one. */
export const roleConditions = (filter: string | undefined): readonly RoleCondition[] =>
  (filter ? comparisonsOf(parseFilter(filter)) : []).map(({ path, operator, text: value }) => {
    const field = fields.get(path.toLowerCase())
    if (!field) throw bad('invalidFilter', `Roles cannot be filtered by ${path}.`)
    if (operator === 'ge' || operator === 'le' || operator === 'gt' || operator === 'lt') {
      throw bad('invalidFilter', `${operator} is not supported for ${path}.`)
    }
    return { field, operator, value }
  })
