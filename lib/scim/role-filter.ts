/** What a filter on roles means for the database. */
import type { RoleCondition } from '../directory/roles.ts'
import { bad } from './error.ts'
import { parseFilter } from './filter.ts'

const fields: ReadonlyMap<string, RoleCondition['field']> = new Map([
  ['id', 'id'],
  ['displayname', 'name'],
  ['audience.value', 'audienceId'],
  ['audience.type', 'audienceType'],
])

/** The conditions of a filter, if there is one. */
export const roleConditions = (filter: string | undefined): readonly RoleCondition[] =>
  (filter ? parseFilter(filter) : []).map(({ attribute, operator, value }) => {
    const field = fields.get(attribute.toLowerCase())
    if (!field) throw bad('invalidFilter', `Roles cannot be filtered by ${attribute}.`)
    if (operator === 'ge' || operator === 'le' || operator === 'gt' || operator === 'lt') {
      throw bad('invalidFilter', `${operator} is not supported for ${attribute}.`)
    }
    return { field, operator, value }
  })
