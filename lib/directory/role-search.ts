/** Roles that a search asks for, found and paged by the database. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { findIds, type Search } from './found-ids.ts'
import { findRoles, type Role } from './roles.ts'
import {
  type Field,
  type Fields,
  instantField,
  textField,
  textOf,
  toCondition,
  Unsearchable,
} from './search.ts'
import type { Found } from './user-list.ts'

/** The index of names has them so; both databases know the small letters of ASCII alone here. */
const small = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** A condition on the rows of another table that belong to the role. */
const among = (table: string, column: string): Field => ({
  present: () =>
    sql<SqlBool>`exists (select role_id from ${sql.table(table)} where ${sql.ref(`${table}.role_id`)} = role.id)`,
  compare(comparison) {
    if (comparison.operator !== 'eq') {
      throw new Unsearchable(`${comparison.operator} is not supported for ${comparison.path}.`)
    }
    return sql<SqlBool>`role.id in (select role_id from ${sql.table(table)} where ${sql.ref(column)} = ${textOf(comparison)})`
  },
})

const fieldsByPath: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['id', textField(sql.ref('role.id'))],
  ['displayname', textField(sql`lower(role.name)`, small)],
  ['audience.value', textField(sql.ref('role.audience_id'))],
  ['audience.type', textField(sql.ref('role.audience_type'), small)],
  ['meta.created', instantField(sql.ref('role.created_at'))],
  ['meta.lastmodified', instantField(sql.ref('role.modified_at'))],
  ['users', among('account_role', 'account_id')],
  ['groups', among('group_role', 'group_id')],
  ['permissions', among('role_permission', 'scope_name')],
])

const urn = 'urn:ietf:params:scim:schemas:extension:2.0:role:'

const plain = (path: string): string => {
  const lower = path.toLowerCase()
  return lower.startsWith(urn) ? lower.slice(urn.length) : lower
}

const field = (path: string): Field | undefined =>
  fieldsByPath.get(plain(path).replace(/^(users|groups|permissions)\.value$/, '$1'))

/** What roles can be found by. */
const fields: Fields = {
  field,
  element(path, filter) {
    if (filter.kind !== 'comparison' && filter.kind !== 'present') {
      throw new Unsearchable(`${path} are found by one comparison.`)
    }
    return toCondition({ ...filter, path: `${plain(path)}.${filter.path}` }, { field })
  },
}

const orders: ReadonlyMap<string, RawBuilder<string>> = new Map([
  ['id', sql.ref<string>('role.id')],
  ['displayname', sql<string>`lower(role.name)`],
  ['audience.value', sql.ref<string>('role.audience_id')],
  ['audience.type', sql.ref<string>('role.audience_type')],
  ['meta.created', sql.ref<string>('role.created_at')],
  ['meta.lastmodified', sql.ref<string>('role.modified_at')],
])

/** One page of the roles that are asked for. Throws `Unsearchable`. */
export const listRoles = async (
  db: Db,
  caller: Caller,
  search: Search,
): Promise<Found & { readonly roles: readonly Role[] }> => {
  const searched = { table: 'role', fields, order: (path: string) => orders.get(plain(path)) } as const
  const found = await findIds(db, caller.organizationId, searched, search)
  return { ...found, roles: await findRoles(db, caller, found.ids) }
}
