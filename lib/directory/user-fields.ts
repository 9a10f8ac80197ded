/** What users can be found by: columns of their own, rows of their values, their groups and their roles. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { userNameKey } from './accounts.ts'
import { type Attribute, disabledAttribute, lockedAttribute } from './attributes.ts'
import {
  againstNull,
  type Comparison,
  compareText,
  type Field,
  type Fields,
  type Filter,
  instantField,
  type SqlCondition,
  textField,
  textOf,
  toCondition,
  truthField,
  truthOf,
  Unsearchable,
} from './search.ts'
import { findUserPath } from './user-path.ts'
import { isUsual, valueKey, valuePath } from './user-values.ts'

const no = (condition: SqlCondition): SqlCondition => sql`((${condition}) is not true)`

/** Says that there is a row of which `column` is so. */
type Among = (condition: (column: RawBuilder<unknown>) => SqlCondition) => SqlCondition

const isTruth = (attribute: Attribute, sub: string | undefined) =>
  attribute.kind === 'boolean' || sub === 'primary'

/** The values of one place; `among` says where their rows are looked for. */
const valueField = (path: string, truth: boolean, among: Among): Field => {
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
const elementOf = (organizationId: string, attribute: Attribute, filter: Filter): SqlCondition => {
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

const lowered = (text: string) => text.normalize('NFC').toLowerCase()

/** Names of roles: both databases know the small letters of ASCII alone there. */
const small = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** The fields of what a user belongs to, by sub-attribute; and where it is looked for. */
interface Belonging {
  readonly subs: ReadonlyMap<string, Field>
  among(condition: SqlCondition): SqlCondition
}

const groups: Belonging = {
  subs: new Map([
    ['value', textField(sql.ref('user_group.id'))],
    ['display', textField(sql.ref('user_group.name_key'), lowered)],
  ]),
  among: (condition) => sql`account.id in (select group_member.account_id from group_member
    inner join user_group on user_group.id = group_member.group_id where ${condition})`,
}

const roles: Belonging = {
  subs: new Map([
    ['value', textField(sql.ref('role.id'))],
    ['display', textField(sql`lower(role.name)`, small)],
    ['audiencevalue', textField(sql.ref('role.audience_id'))],
    ['audiencetype', textField(sql.ref('role.audience_type'), (text) => text.toLowerCase())],
  ]),
  among: (condition) => sql`(account.id in (select account_role.account_id from account_role
    inner join role on role.id = account_role.role_id where ${condition})
    or account.id in (select group_member.account_id from group_member
    inner join group_role on group_role.group_id = group_member.group_id
    inner join role on role.id = group_role.role_id where ${condition}))`,
}

const belongings: ReadonlyMap<string, Belonging> = new Map([
  ['groups', groups],
  ['roles', roles],
])

const belongingField = ({ subs, among }: Belonging, sub: string): Field | undefined => {
  const inner = subs.get(sub)
  return (
    inner && {
      present: () => among(sql`1 = 1`),
      compare(comparison) {
        const unassigned = againstNull(comparison, among(sql`1 = 1`))
        if (unassigned) return unassigned
        if (comparison.operator !== 'ne') return among(inner.compare(comparison))
        return no(among(inner.compare({ ...comparison, operator: 'eq' })))
      },
    }
  )
}

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
  ['meta.resourcetype', textField(sql`'user'`, lowered)],
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
    if (belonging) return belongingField(belonging, sub)
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
      return belonging.among(toCondition(inner, { field: (sub) => belonging.subs.get(sub.toLowerCase()) }))
    }
    const found = findUserPath(written)
    if (!found || found.sub !== undefined || found.attribute.kind !== 'multi') return undefined
    return elementOf(organizationId, found.attribute, inner)
  },
})
