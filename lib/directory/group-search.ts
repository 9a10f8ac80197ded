/** Groups that a search asks for, found and paged by the database. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { findIds, type Search } from './found-ids.ts'
import { findGroups, type Group, groupNameKey } from './groups.ts'
import {
  type Comparison,
  type Field,
  type Fields,
  instantField,
  type SqlCondition,
  textField,
  textOf,
  toCondition,
  Unsearchable,
} from './search.ts'
import type { Found } from './user-list.ts'

const coreGroup = 'urn:ietf:params:scim:schemas:core:2.0:group:'

/** A path in small letters and without the URN that may stand in front of it. */
const plain = (path: string, urn: string): string => {
  const lower = path.toLowerCase()
  return lower.startsWith(urn) ? lower.slice(urn.length) : lower
}

/** The value of a comparison that asks for the one equal to it; others make no sense for the id of a member. */
const equal = (comparison: Comparison): string => {
  if (comparison.operator !== 'eq') {
    throw new Unsearchable(`${comparison.operator} is not supported for ${comparison.path}.`)
  }
  return textOf(comparison)
}

/** A condition on the rows of another table that belong to the group. */
const among = (condition: (value: string) => SqlCondition, any: SqlCondition): Field => ({
  present: () => any,
  compare: (comparison) => condition(equal(comparison)),
})

const members = sql`select group_id from group_member`
const roles = sql`select group_id from group_role`

const fieldsByPath: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['id', textField(sql.ref('user_group.id'))],
  ['displayname', textField(sql.ref('user_group.name_key'), groupNameKey)],
  ['externalid', textField(sql.ref('user_group.external_id'))],
  ['meta.created', instantField(sql.ref('user_group.created_at'))],
  ['meta.lastmodified', instantField(sql.ref('user_group.modified_at'))],
  [
    'members',
    among(
      (value) => sql<SqlBool>`user_group.id in (${members} where account_id = ${value})`,
      sql<SqlBool>`exists (${members} where group_id = user_group.id)`,
    ),
  ],
  [
    'members.display',
    among(
      (value) =>
        sql<SqlBool>`user_group.id in (${members} inner join account on account.id = group_member.account_id where account.organization_id = user_group.organization_id and account.user_name_key = ${groupNameKey(value)})`,
      sql<SqlBool>`exists (${members} where group_id = user_group.id)`,
    ),
  ],
  [
    'roles',
    among(
      (value) => sql<SqlBool>`user_group.id in (${roles} where role_id = ${value})`,
      sql<SqlBool>`exists (${roles} where group_id = user_group.id)`,
    ),
  ],
  [
    'roles.display',
    among(
      (value) =>
        sql<SqlBool>`user_group.id in (${roles} inner join role on role.id = group_role.role_id where lower(role.name) = lower(cast(${value} as text)))`,
      sql<SqlBool>`exists (${roles} where group_id = user_group.id)`,
    ),
  ],
])

const field = (path: string): Field | undefined =>
  fieldsByPath.get(plain(path, coreGroup).replace(/^(members|roles)\.value$/, '$1'))

/** What groups can be found by. */
const fields: Fields = {
  field,
  // an element is meant by its value or by its name; both at once would need a join nobody asks for
  element(path, filter) {
    const name = plain(path, coreGroup)
    if (name !== 'members' && name !== 'roles') return undefined
    if (filter.kind !== 'comparison' && filter.kind !== 'present') {
      throw new Unsearchable(`${path} are found by one comparison.`)
    }
    return toCondition({ ...filter, path: `${name}.${filter.path}` }, { field })
  },
}

const orders: ReadonlyMap<string, RawBuilder<string>> = new Map([
  ['id', sql.ref<string>('user_group.id')],
  ['displayname', sql.ref<string>('user_group.name_key')],
  ['externalid', sql<string>`coalesce(user_group.external_id, '')`],
  ['meta.created', sql.ref<string>('user_group.created_at')],
  ['meta.lastmodified', sql.ref<string>('user_group.modified_at')],
])

/** One page of the groups that are asked for. Throws `Unsearchable`. */
export const listGroups = async (
  db: Db,
  caller: Caller,
  search: Search,
): Promise<Found & { readonly groups: readonly Group[] }> => {
  const searched = {
    table: 'user_group',
    fields,
    order: (path: string) => orders.get(plain(path, coreGroup)),
  } as const
  const found = await findIds(db, caller.organizationId, searched, search)
  return { ...found, groups: await findGroups(db, caller, found.ids) }
}
