/** What the columns of a CSV file mean: names of their own for what most files have, and every path that SCIM knows. */
import { isStorable } from '../../harmless-json.ts'
import { type Brought, groupNames } from '../../scim/imported-user.ts'
import { parsePath, type Target } from '../../scim/user-path.ts'

/** Several values stand in one field with this between them. */
const separator = ';'

/** In small letters. */
const short: ReadonlyMap<string, string> = new Map([
  ['givenname', 'name.givenName'],
  ['familyname', 'name.familyName'],
  ['middlename', 'name.middleName'],
  ['formatted', 'name.formatted'],
  ['email', 'emails'],
  ['phone', 'phoneNumbers'],
  ['mobile', 'phoneNumbers[type eq "mobile"].value'],
  ['locked', 'urn:scim:wso2:schema:accountLocked'],
  ...['employeeNumber', 'costCenter', 'organization', 'division', 'department'].map(
    (name) =>
      [name.toLowerCase(), `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:${name}`] as const,
  ),
])

type Column = 'passwordHash' | 'groups' | Target

/** The header is not one that can be read: the sentence says why. */
export class HeaderError extends Error {
  override readonly name = 'HeaderError'
}

const columnOf = (title: string): Column => {
  const name = title.trim()
  const lower = name.toLowerCase()
  if (lower === 'passwordhash') return 'passwordHash'
  if (lower === 'groups') return 'groups'
  let target: Target
  try {
    target = parsePath(short.get(lower) ?? name)
  } catch {
    throw new HeaderError(`there is no column ${JSON.stringify(name.slice(0, 200))}`)
  }
  if (target.attribute.access === 'readOnly') throw new HeaderError(`the column ${name} cannot be imported`)
  return target
}

const split = (field: string) =>
  field
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '')

const keyOf = (column: Column) =>
  JSON.stringify(column, (_, value) => (value instanceof Map ? undefined : value))

/** Reads the header; answers what reads the other records. Throws `HeaderError`. */
export const readHeader = (titles: readonly string[]): ((fields: readonly string[]) => Brought) => {
  const columns = titles.map(columnOf)
  const keys = new Set(columns.map(keyOf))
  if (keys.size < columns.length) throw new HeaderError('two columns mean the same')
  return (fields) => {
    if (fields.length !== columns.length) {
      throw new Error(`It has ${fields.length} fields, the header has ${columns.length}.`)
    }
    let passwordHash: string | undefined
    let groups: readonly string[] = []
    const steps: { op: 'add'; target: Target; value: unknown }[] = []
    for (const [index, column] of columns.entries()) {
      const field = fields[index] ?? ''
      if (field === '') continue
      if (!isStorable(field)) throw new Error('It contains NUL.')
      if (column === 'passwordHash') passwordHash = field
      else if (column === 'groups') groups = groupNames(split(field))
      else {
        const isList = column.sub === undefined && ['multi', 'strings'].includes(column.attribute.kind)
        steps.push({ op: 'add', target: column, value: isList ? split(field) : field })
      }
    }
    return { steps, groups, passwordHash }
  }
}
