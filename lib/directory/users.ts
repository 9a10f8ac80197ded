/** Users as they are managed: read and made in the name of a caller; user-update.ts changes them. */
import { mask } from '../audit.ts'
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { userNameKey } from './accounts.ts'
import { type Attributes, nestAttributes, parseAttributes, primaryEmail } from './attributes.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'
import { findUserIds, type Page, type UserCondition } from './user-list.ts'

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
  readonly attributes: Attributes
  /** The attributes as the database has them, by which a change knows that nobody else made one meanwhile. */
  readonly stored: string
  readonly createdAt: string
  readonly modifiedAt: string
  readonly roles: readonly RoleOfUser[]
}

const rolesOfUsers = async (db: Db, ids: readonly string[]) => {
  const rows = await db
    .selectFrom('account_role')
    .innerJoin('role', 'role.id', 'account_role.role_id')
    .leftJoin('application', 'application.id', 'role.audience_id')
    .leftJoin('organization', 'organization.id', 'role.audience_id')
    .select([
      'account_role.account_id',
      'role.id',
      'role.name',
      'role.audience_type',
      'role.audience_id',
      'application.name as application_name',
      'organization.name as organization_name',
    ])
    .where('account_role.account_id', 'in', ids)
    .orderBy('role.name')
    .execute()
  return Map.groupBy(rows, (row) => row.account_id)
}

const findUsers = async (
  db: Db,
  organizationId: string,
  ids: readonly string[],
): Promise<readonly User[]> => {
  if (ids.length === 0) return []
  const [rows, roles] = await Promise.all([
    db
      .selectFrom('account')
      .selectAll()
      .where('organization_id', '=', organizationId)
      .where('id', 'in', ids)
      .orderBy('id')
      .execute(),
    rolesOfUsers(db, ids),
  ])
  return rows.map((row) => ({
    id: row.id,
    userName: row.user_name,
    version: row.version,
    locked: row.locked_at !== null,
    disabled: row.disabled_at !== null,
    attributes: parseAttributes(row.attributes),
    stored: row.attributes,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    roles: (roles.get(row.id) ?? []).map((role) => ({
      id: role.id,
      name: role.name,
      audienceType: role.audience_type,
      audienceId: role.audience_id,
      audienceName: role.application_name ?? role.organization_name ?? '',
    })),
  }))
}

/** A user of the caller's organization. */
export const findUser = async (db: Db, caller: Caller, id: string): Promise<User | undefined> =>
  (await findUsers(db, caller.organizationId, [id]))[0]

/** One page of the users to which all conditions apply, oldest first, and how many there are in all. */
export const listUsers = async (
  db: Db,
  caller: Caller,
  conditions: readonly UserCondition[],
  page: Page,
): Promise<{ readonly total: number; readonly users: readonly User[] }> => {
  const { total, ids } = await findUserIds(db, caller, conditions, page)
  return { total, users: await findUsers(db, caller.organizationId, ids) }
}

export interface NewUser {
  readonly userName: string
  readonly attributes: Attributes
  readonly locked: boolean
  readonly disabled: boolean
  /** Asked only once nothing else speaks against it: hashing is work. */
  hashPassword(): Promise<string>
}

/** Makes a user. Refuses one who acts for somebody else, since a password is set, and a name that is taken. */
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
  const stored = JSON.stringify(nestAttributes(attributes))
  const row = {
    id,
    organization_id: caller.organizationId,
    user_name: userName,
    user_name_key: userNameKey(userName),
    password_hash: await asked.hashPassword(),
    password_shipped_at: null,
    version: 1,
    locked_at: asked.locked ? at : null,
    disabled_at: asked.disabled ? at : null,
    email: primaryEmail(attributes),
    attributes: stored,
    created_at: at,
    modified_at: at,
  }
  const outcome = await change(db, caller, now, {
    writes: [write(db.insertInto('account').values(row))],
    events: [{ event: 'user-created', ...aboutUser(caller, id), data: { userName: mask(userName) } }],
    administrative: false,
  })
  if (outcome === 'conflict') return { refused: 'exists' }
  const { locked, disabled } = asked
  const user = {
    id,
    userName,
    version: 1,
    locked,
    disabled,
    attributes,
    stored,
    createdAt: at,
    modifiedAt: at,
  }
  return { user: { ...user, roles: [] } }
}

/** What every event about a user says. */
export const aboutUser = (caller: Caller, id: string) => ({
  target: id,
  outcome: 'Success',
  subjectId: id,
  applicationId: caller.application?.id,
})
