/** What users can be found by: columns of their own, rows of their values, their groups and their roles. */
import { type SqlBool, sql } from 'kysely'
import { userNameKey } from './accounts.ts'
import { disabledAttribute, lockedAttribute } from './attributes.ts'
import {
  againstNull,
  type Field,
  type Fields,
  type Filter,
  instantField,
  no,
  textField,
  toCondition,
  truthField,
  Unsearchable,
} from './search.ts'
import { belongingField, belongings } from './user-belongings.ts'
import { findUserPath } from './user-path.ts'
import { elementOf, isTruth, valueField } from './user-value-fields.ts'
import { isUsual, valuePath } from './user-values.ts'

const columns: ReadonlyMap<string, Field> = new Map([
  ['id', textField(sql.ref('account.id'))],
  [
    'username',
    textField(sql.ref('account.user_name_key'), (text) =>
      userNameKey(text.replace(/^PRIMARY\//i, '').replace(/@carbon\.super$/i, '') || text),
    ),
  ],
  ['meta.created', instantField(sql.ref('account.created_at'))],
  ['meta.lastmodified', instantField(sql.ref('account.modified_at'))],
  ['meta.resourcetype', textField(sql`'user'`, (text) => text.toLowerCase())],
])

/** A status that few accounts are in: those have an index of their own, and are a set that leads. */
export interface Status {
  /** The truth that few have. */
  readonly few: boolean
  readonly column: 'account.disabled_at' | 'account.locked_at'
}

export const statuses: ReadonlyMap<string, Status> = new Map([
  ['active', { few: false, column: 'account.disabled_at' }],
  [lockedAttribute.name.toLowerCase(), { few: true, column: 'account.locked_at' }],
  [disabledAttribute.name.toLowerCase(), { few: true, column: 'account.disabled_at' }],
])

const statusField = (organizationId: string, { few, column }: Status): Field => {
  const set = sql<SqlBool>`account.id in (select account.id from account
    where account.organization_id = ${organizationId} and ${sql.ref(column)} is not null)`
  const others = sql<SqlBool>`${sql.ref(column)} is null`
  return few ? truthField(set, others) : truthField(others, set)
}

const corePrefix = /^urn:ietf:params:scim:schemas:core:2\.0:user:/i

/** The place whose texts a name without a sub-attribute means: `emails` is `emails.value`. */
export const searchedPath = (
  name: string,
): { readonly path: string; readonly truth: boolean } | undefined => {
  const found = findUserPath(name)
  if (!found || found.attribute.access === 'readOnly' || found.attribute.name === 'password') return undefined
  const { attribute, sub = attribute.kind === 'multi' ? attribute.subs.get('value') : undefined } = found
  if (sub === undefined && attribute.subs.size > 0) return undefined
  return { path: valuePath(attribute, sub), truth: isTruth(attribute, sub) }
}

/** The column or status that a path stands for, in small letters: every user has one; undefined for others. */
export const columnOf = (written: string): string | undefined => {
  const name = written.replace(corePrefix, '').toLowerCase()
  const names = [name, searchedPath(written)?.path]
  return names.find((one) => one !== undefined && (columns.has(one) || statuses.has(one)))
}

/** Whether there is an `or` in it that is not in brackets or behind `not`. */
export const hasAlternatives = (filter: Filter): boolean =>
  filter.kind === 'or' || (filter.kind === 'and' && filter.terms.some(hasAlternatives))

/** The values of one place, of all accounts of the organization. */
const placeField = (organizationId: string, path: string, truth: boolean): Field => {
  const field = valueField(
    path,
    truth,
    (condition) => sql`account.id in (select account_id from account_value
      where organization_id = ${organizationId} and path = ${path} and ${condition(sql.ref('account_value.value_key'))})`,
  )
  if (!isUsual(path)) return field
  // a value may still be there behind the first; every id is more than nothing, by which SQLite prefers the index
  const lacks = sql<SqlBool>`account.id in (select without.account_id from account_without as without
    where without.organization_id = ${organizationId} and without.path = ${path}
    and without.account_id > '' and not exists (
      select 1 from account_value as other where other.account_id = without.account_id and other.path = ${path}))`
  return {
    present: () => no(lacks),
    compare: (comparison) => {
      const { operator, value } = comparison
      if (value !== null || (operator !== 'eq' && operator !== 'ne')) return field.compare(comparison)
      return operator === 'eq' ? lacks : no(lacks)
    },
  }
}

/** An attribute of parts: whether there is one, and how its `value` compares, if that is one of them. */
const partsField = (organizationId: string, name: string): Field | undefined => {
  const found = findUserPath(name)
  if (!found || found.sub !== undefined || found.attribute.subs.size === 0) return undefined
  const paths = [...found.attribute.subs.values()].map((sub) => valuePath(found.attribute, sub))
  const present = () =>
    sql<SqlBool>`account.id in (select account_id from account_value
      where organization_id = ${organizationId} and path in (${sql.join(paths)}))`
  return {
    present,
    compare(comparison) {
      const unassigned = againstNull(comparison, present())
      if (unassigned) return unassigned
      const value = found.attribute.subs.get('value')
      if (value === undefined) throw new Unsearchable(`${comparison.path} has parts: name one of them.`)
      return placeField(organizationId, valuePath(found.attribute, value), false).compare(comparison)
    },
  }
}

/** A user of that name as a set of one: what an index finds beside sets in an `or`. */
const nameField = (organizationId: string, column: Field): Field => ({
  present: column.present,
  compare: (comparison) =>
    comparison.operator === 'eq' && comparison.value !== null
      ? sql`account.id in (select account.id from account
          where account.organization_id = ${organizationId} and ${column.compare(comparison)})`
      : column.compare(comparison),
})

/** The fields of the users of an organization that such a filter may name, for a query on `account`. */
export const userFields = (organizationId: string, filter: Filter): Fields => ({
  field(written) {
    const name = written.replace(corePrefix, '').toLowerCase()
    const [first = '', sub = 'value'] = name.split('.')
    const belonging = belongings.get(first)
    if (belonging) return belongingField(organizationId, belonging, sub)
    const column = columnOf(written) ?? ''
    const status = statuses.get(column)
    if (status) return statusField(organizationId, status)
    const known = columns.get(column)
    if (known)
      return column === 'username' && hasAlternatives(filter) ? nameField(organizationId, known) : known
    const place = searchedPath(written)
    return place ? placeField(organizationId, place.path, place.truth) : partsField(organizationId, written)
  },
  element(written, inner) {
    const belonging = belongings.get(written.replace(corePrefix, '').toLowerCase())
    if (belonging) {
      const fields = { field: (sub: string) => belonging.subs.get(sub.toLowerCase()) }
      return belonging.among(organizationId, toCondition(inner, fields))
    }
    const found = findUserPath(written)
    if (!found || found.sub !== undefined || found.attribute.kind !== 'multi') return undefined
    return elementOf(organizationId, found.attribute, inner)
  },
})
