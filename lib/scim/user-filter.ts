/** What a filter on users means for the database. */

import { emailsAttribute, isSensitive } from '../directory/attributes.ts'
import type { Filter } from '../directory/search.ts'
import type { UserCondition, UserField } from '../directory/user-list.ts'
import { bad } from './error.ts'
import { comparisonsOf } from './filter.ts'
import { parsePath } from './user-path.ts'

const plainFields: ReadonlyMap<string, UserField> = new Map([
  ['id', 'id'],
  ['username', 'userName'],
  ['meta.created', 'created'],
  ['meta.lastmodified', 'lastModified'],
])

const fieldOf = (name: string): UserField => {
  const plain = plainFields.get(
    name.toLowerCase().replace(/^urn:ietf:params:scim:schemas:core:2\.0:user:/, ''),
  )
  if (plain) return plain
  const { attribute, sub } = parsePath(name, undefined, 'invalidFilter')
  if (attribute === emailsAttribute && (sub === undefined || sub === 'value')) return 'email'
  const text = attribute.kind === 'string' || (attribute.kind === 'complex' && sub !== undefined)
  if (!text || attribute.access === 'readOnly' || isSensitive(attribute)) {
    throw bad('invalidFilter', `Users cannot be filtered by ${attribute.name}.`)
  }
  return { attribute: sub === undefined ? attribute.place : [...attribute.place, sub] }
}

const instant = (text: string): string => {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw bad('invalidFilter', `${text} is not an instant.`)
  return new Date(time).toISOString()
}

/** The conditions of a filter; what users cannot be found by is refused. */
export const userConditions = (filter: Filter): readonly UserCondition[] =>
  comparisonsOf(filter).map(({ path, operator, text: value }) => {
    const field = fieldOf(path)
    const dated = field === 'created' || field === 'lastModified'
    const ordered = operator === 'ge' || operator === 'le' || operator === 'gt' || operator === 'lt'
    if (operator === 'ne' || (dated ? !ordered && operator !== 'eq' : ordered)) {
      throw bad('invalidFilter', `${operator} is not supported for ${path}.`)
    }
    return { field, operator, value: dated ? instant(value) : value }
  })
