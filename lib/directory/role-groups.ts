/** Which groups have a role: their members have it as if it were given to each. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { belongs } from './belonging.ts'
import type { Caller } from './caller.ts'
import { chunks } from './role-members.ts'

export interface GroupOfRole {
  readonly roleId: string
  readonly id: string
  readonly name: string
}

/** The groups that have these roles, by name; at most `most` in all. */
export const groupsOfRoles = async (
  db: Db,
  roleIds: readonly string[],
  most?: number,
): Promise<readonly GroupOfRole[]> => {
  if (roleIds.length === 0) return []
  const groups = db
    .selectFrom('group_role')
    .innerJoin('user_group', 'user_group.id', 'group_role.group_id')
    .select(['group_role.role_id as roleId', 'user_group.id', 'user_group.name'])
    .where('group_role.role_id', 'in', roleIds)
  return (most === undefined ? groups.orderBy('user_group.name_key') : groups.limit(most)).execute()
}

/** The ids of all groups that have the role. */
export const groupIdsOfRole = async (db: Db, roleId: string): Promise<ReadonlySet<string>> => {
  const rows = await db.selectFrom('group_role').select('group_id').where('role_id', '=', roleId).execute()
  return new Set(rows.map(({ group_id }) => group_id))
}

/** Those among `ids` that are groups of the caller's organization. */
export const groupsAmong = async (
  db: Db,
  caller: Caller,
  ids: readonly string[],
): Promise<ReadonlySet<string>> => {
  const found = new Set<string>()
  for (const chunk of chunks(ids)) {
    const rows = await db
      .selectFrom('user_group')
      .select('id')
      .where(belongs('organization_id', caller.organizationId, true))
      .where('id', 'in', chunk)
      .execute()
    for (const { id } of rows) found.add(id)
  }
  return found
}

/** The writes that give the role to groups. */
export const admitGroups = (db: Db, roleId: string, ids: readonly string[]): Write[] =>
  chunks(ids).map((chunk) =>
    write(db.insertInto('group_role').values(chunk.map((group_id) => ({ group_id, role_id: roleId })))),
  )

/** The writes that take the role from groups; lost when one of them does not have it any more. */
export const dismissGroups = (db: Db, roleId: string, ids: readonly string[]): Write[] =>
  chunks(ids).map((chunk) =>
    exactly(
      chunk.length,
      db.deleteFrom('group_role').where('role_id', '=', roleId).where('group_id', 'in', chunk),
    ),
  )

/** The new editions of groups whose roles change; lost when one of them is gone. */
export const groupsChanged = (db: Db, caller: Caller, ids: readonly string[]): Write[] =>
  chunks([...ids].sort()).map((chunk) =>
    exactly(
      chunk.length,
      db
        .updateTable('user_group')
        .set((eb) => ({ edition: eb('edition', '+', 1) }))
        .where(belongs('organization_id', caller.organizationId, true))
        .where('id', 'in', chunk),
    ),
  )

/** The new editions of all groups that show the role: its name is part of them. */
export const groupsShowing = (db: Db, roleId: string): Write =>
  write(
    db
      .updateTable('user_group')
      .set((eb) => ({ edition: eb('edition', '+', 1) }))
      .where('id', 'in', (eb) =>
        eb.selectFrom('group_role').select('group_id').where('role_id', '=', roleId),
      ),
  )

/** The new editions of all roles that show the group: its name is part of them. */
export const rolesShowing = (db: Db, groupId: string): Write =>
  write(
    db
      .updateTable('role')
      .set((eb) => ({ edition: eb('edition', '+', 1) }))
      .where('id', 'in', (eb) =>
        eb.selectFrom('group_role').select('role_id').where('group_id', '=', groupId),
      ),
  )
