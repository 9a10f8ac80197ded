/** Who was given a role himself. Whoever joins or leaves gets a new version: decisions about him begin anew. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { belongs } from './belonging.ts'
import type { Caller } from './caller.ts'

export interface Member {
  readonly id: string
  readonly userName: string
  readonly active: boolean
}

const chunkSize = 1_000

/** In parts, since statements have a largest number of parameters. */
export const chunks = (ids: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(ids.length / chunkSize) }, (_, index) =>
    ids.slice(index * chunkSize, (index + 1) * chunkSize),
  )

export interface MemberOfRole extends Member {
  readonly roleId: string
}

/** The users to whom these roles were given, at most `most` in all. */
export const membersOfRoles = async (
  db: Db,
  roleIds: readonly string[],
  most?: number,
): Promise<readonly MemberOfRole[]> => {
  if (roleIds.length === 0) return []
  const members = db
    .selectFrom('account_role')
    .innerJoin('account', 'account.id', 'account_role.account_id')
    .select(['role_id as roleId', 'account.id', 'user_name as userName', 'locked_at', 'disabled_at'])
    .where('role_id', 'in', roleIds)
  const rows = await (most === undefined ? members.orderBy('account.id') : members.limit(most)).execute()
  return rows.map(({ roleId, id, userName, locked_at, disabled_at }) => ({
    roleId,
    id,
    userName,
    active: locked_at === null && disabled_at === null,
  }))
}

/** The ids of all to whom the role was given. */
export const memberIdsOfRole = async (db: Db, roleId: string): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom('account_role')
    .select('account_id')
    .where('role_id', '=', roleId)
    .execute()
  return rows.map(({ account_id }) => account_id)
}

/** Whether the role was given to more than `n` users; no more than that are looked at. */
export const hasMoreUsers = async (db: Db, roleId: string, n: number): Promise<boolean> => {
  const row = await db
    .selectFrom('account_role')
    .select('account_id')
    .where('role_id', '=', roleId)
    .limit(1)
    .offset(n)
    .executeTakeFirst()
  return row !== undefined
}

/** Those among `ids` who are users of the caller's organization. */
export const findMembers = async (
  db: Db,
  caller: Caller,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Member>> => {
  const found = new Map<string, Member>()
  for (const chunk of chunks(ids)) {
    const rows = await db
      .selectFrom('account')
      .select(['id', 'user_name as userName', 'locked_at', 'disabled_at'])
      .where(belongs('organization_id', caller.organizationId, true))
      .where('id', 'in', chunk)
      .execute()
    for (const { id, userName, locked_at, disabled_at } of rows) {
      found.set(id, { id, userName, active: locked_at === null && disabled_at === null })
    }
  }
  return found
}

/** Those among `ids` who have the role. */
export const membersAmong = async (
  db: Db,
  roleId: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> => {
  const found = new Set<string>()
  for (const chunk of chunks(ids)) {
    const rows = await db
      .selectFrom('account_role')
      .select('account_id')
      .where('role_id', '=', roleId)
      .where('account_id', 'in', chunk)
      .execute()
    for (const row of rows) found.add(row.account_id)
  }
  return found
}

/** The writes that give the role. */
export const admit = (db: Db, roleId: string, ids: readonly string[]): Write[] =>
  chunks(ids).map((chunk) =>
    write(db.insertInto('account_role').values(chunk.map((account_id) => ({ account_id, role_id: roleId })))),
  )

/** The writes that take the role; lost when one of them does not have it any more. */
export const dismiss = (db: Db, roleId: string, ids: readonly string[]): Write[] =>
  chunks(ids).map((chunk) =>
    exactly(
      chunk.length,
      db.deleteFrom('account_role').where('role_id', '=', roleId).where('account_id', 'in', chunk),
    ),
  )

/** The new versions and editions of accounts whose roles or groups change; lost when one of them is gone. */
export const memberships = (db: Db, caller: Caller, ids: readonly string[]): Write[] =>
  chunks([...ids].sort()).map((chunk) =>
    exactly(
      chunk.length,
      db
        .updateTable('account')
        .set((eb) => ({ version: eb('version', '+', 1), edition: eb('edition', '+', 1) }))
        .where(belongs('organization_id', caller.organizationId, true))
        .where('id', 'in', chunk),
    ),
  )
