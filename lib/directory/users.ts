/** Users as they are managed: read and made in the name of a caller; user-update.ts changes them. */
import { mask } from '../audit.ts'
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { userNameKey } from './accounts.ts'
import { type Attributes, nestAttributes, parseAttributes, primaryEmail } from './attributes.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'
import { counted } from './population.ts'
import { type Found, findUserIds, type UserSearch } from './user-list.ts'
import { addValues } from './user-values.ts'

export interface RoleOfUser {
  readonly id: string
  readonly name: string
  readonly audienceType: string
  readonly audienceId: string
  readonly audienceName: string
}

export interface User {
  readonly id: string
  readonly userName: string
  readonly version: number
  readonly locked: boolean
  readonly disabled: boolean
  /** Grows with every change, by which a change knows that nobody else made one meanwhile. */
  readonly edition: number
  readonly attributes: Attributes
  readonly createdAt: string
  readonly modifiedAt: string
  /** His own and those of his groups, each once. */
  readonly roles: readonly RoleOfUser[]
  readonly groups: readonly { readonly id: string; readonly name: string }[]
}

/** What a reader of users wants beside their own attributes; each is a query of its own. */
export interface Wanted {
  readonly roles: boolean
  readonly groups: boolean
}

const everything: Wanted = { roles: true, groups: true }

const rolesOfUsers = async (db: Db, ids: readonly string[]) => {
  const held = db
    .selectFrom('account_role')
    .select(['account_id', 'role_id'])
    .where('account_id', 'in', ids)
    // through two groups, or in person as well, a role is held once
    .union(
      db
        .selectFrom('group_member')
        .innerJoin('group_role', 'group_role.group_id', 'group_member.group_id')
        .select(['group_member.account_id', 'group_role.role_id'])
        .where('group_member.account_id', 'in', ids),
    )
  const rows = await db
    .selectFrom(held.as('held'))
    .innerJoin('role', 'role.id', 'held.role_id')
    .leftJoin('application', 'application.id', 'role.audience_id')
    .leftJoin('organization', 'organization.id', 'role.audience_id')
    .select([
      'held.account_id',
      'role.id',
      'role.name',
      'role.audience_type',
      'role.audience_id',
      'application.name as application_name',
      'organization.name as organization_name',
    ])
    .orderBy('role.name')
    .orderBy('role.id')
    .execute()
  return Map.groupBy(rows, (row) => row.account_id)
}

const groupsOfUsers = async (db: Db, ids: readonly string[]) => {
  const rows = await db
    .selectFrom('group_member')
    .innerJoin('user_group', 'user_group.id', 'group_member.group_id')
    .select(['group_member.account_id', 'user_group.id', 'user_group.name'])
    .where('group_member.account_id', 'in', ids)
    .orderBy('user_group.name')
    .execute()
  return Map.groupBy(rows, (row) => row.account_id)
}

const nothing = new Map<string, never[]>()

/** Those of `ids` who are there, in the order of `ids`. */
const findUsers = async (
  db: Db,
  organizationId: string,
  ids: readonly string[],
  wanted: Wanted,
): Promise<readonly User[]> => {
  if (ids.length === 0) return []
  const [rows, roles, groups] = await Promise.all([
    db.selectFrom('account').selectAll().where('id', 'in', ids).execute(),
    wanted.roles ? rolesOfUsers(db, ids) : nothing,
    wanted.groups ? groupsOfUsers(db, ids) : nothing,
  ])
  // asked of the database, SQLite would walk through the organization instead of looking the ids up
  const own = rows.filter((row) => row.organization_id === organizationId)
  const byId = new Map(own.map((row) => [row.id, row]))
  return ids.flatMap((id) => {
    const row = byId.get(id)
    if (!row) return []
    return {
      id: row.id,
      userName: row.user_name,
      version: row.version,
      edition: row.edition,
      locked: row.locked_at !== null,
      disabled: row.disabled_at !== null,
      attributes: parseAttributes(row.attributes),
      createdAt: row.created_at,
      modifiedAt: row.modified_at,
      roles: (roles.get(row.id) ?? []).map((role) => ({
        id: role.id,
        name: role.name,
        audienceType: role.audience_type,
        audienceId: role.audience_id,
        audienceName: role.application_name ?? role.organization_name ?? '',
      })),
      groups: (groups.get(row.id) ?? []).map((group) => ({ id: group.id, name: group.name })),
    }
  })
}

/** A user of the caller's organization. */
export const findUser = async (
  db: Db,
  caller: Caller,
  id: string,
  wanted: Wanted = everything,
): Promise<User | undefined> => (await findUsers(db, caller.organizationId, [id], wanted))[0]

/** One page of the users to whom the filter applies. Throws `Unsearchable`. */
export const listUsers = async (
  db: Db,
  caller: Caller,
  search: UserSearch,
  wanted: Wanted = everything,
): Promise<Omit<Found, 'ids'> & { readonly users: readonly User[] }> => {
  const { ids, ...found } = await findUserIds(db, caller.organizationId, search)
  return { ...found, users: await findUsers(db, caller.organizationId, ids, wanted) }
}

export interface NewUser {
  readonly userName: string
  readonly attributes: Attributes
  readonly locked: boolean
  readonly disabled: boolean
  /** Of the password, if there is one; asked only once nothing else speaks against it: hashing is work. */
  readonly hashPassword?: (() => Promise<string>) | undefined
}

/** Makes a user. Refuses one who acts for somebody else, and a name that is taken. */
export const createUser = async (
  db: Db,
  caller: Caller,
  asked: NewUser,
  now: Date,
): Promise<{ readonly user: User } | { readonly refused: 'acting' | 'exists' }> => {
  if (caller.acting) return { refused: 'acting' }
  const { userName, attributes } = asked
  const taken = await db
    .selectFrom('account')
    .select('id')
    .where('organization_id', '=', caller.organizationId)
    .where('user_name_key', '=', userNameKey(userName))
    .executeTakeFirst()
  if (taken) return { refused: 'exists' }
  const id = Bun.randomUUIDv7()
  const at = now.toISOString()
  const row = {
    id,
    organization_id: caller.organizationId,
    user_name: userName,
    user_name_key: userNameKey(userName),
    password_hash: (await asked.hashPassword?.()) ?? null,
    password_shipped_at: null,
    version: 1,
    locked_at: asked.locked ? at : null,
    disabled_at: asked.disabled ? at : null,
    email: primaryEmail(attributes),
    attributes: JSON.stringify(nestAttributes(attributes)),
    created_at: at,
    modified_at: at,
  }
  const outcome = await change(db, caller, now, {
    writes: [
      write(db.insertInto('account').values(row)),
      ...addValues(db, { id, organizationId: caller.organizationId, attributes }),
      ...counted(db, 'account', caller.organizationId, [id], 1),
    ],
    events: [{ event: 'user-created', ...aboutUser(caller, id), data: { userName: mask(userName) } }],
    administrative: false,
  })
  if (outcome === 'conflict') return { refused: 'exists' }
  const { locked, disabled } = asked
  const user = {
    id,
    userName,
    version: 1,
    edition: 1,
    locked,
    disabled,
    attributes,
    createdAt: at,
    modifiedAt: at,
  }
  return { user: { ...user, roles: [], groups: [] } }
}

/** What every event about a user says. */
export const aboutUser = (caller: Caller, id: string) => ({
  target: id,
  outcome: 'Success',
  subjectId: id,
  applicationId: caller.application?.id,
})
