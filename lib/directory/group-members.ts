/** Who is in a group. Only users are: a group in a group would make its roles hard to follow. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { chunks, type Member } from './role-members.ts'

export interface MemberOfGroup extends Member {
  readonly groupId: string
}

/** The members of these groups, at most `most` in all. */
export const membersOfGroups = async (
  db: Db,
  groupIds: readonly string[],
  most?: number,
): Promise<readonly MemberOfGroup[]> => {
  if (groupIds.length === 0) return []
  const members = db
    .selectFrom('group_member')
    .innerJoin('account', 'account.id', 'group_member.account_id')
    .select(['group_id as groupId', 'account.id', 'user_name as userName', 'locked_at', 'disabled_at'])
    .where('group_id', 'in', groupIds)
  const rows = await (most === undefined
    ? members.orderBy('group_member.account_id')
    : members.limit(most)
  ).execute()
  return rows.map(({ groupId, id, userName, locked_at, disabled_at }) => ({
    groupId,
    id,
    userName,
    active: locked_at === null && disabled_at === null,
  }))
}

/** The ids of everybody in the group. */
export const memberIdsOfGroup = async (db: Db, groupId: string): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom('group_member')
    .select('account_id')
    .where('group_id', '=', groupId)
    .execute()
  return rows.map(({ account_id }) => account_id)
}

/** Whether the group has more members than `n`; no more than that are looked at. */
export const hasMoreMembers = async (db: Db, groupId: string, n: number): Promise<boolean> => {
  const row = await db
    .selectFrom('group_member')
    .select('account_id')
    .where('group_id', '=', groupId)
    .limit(1)
    .offset(n)
    .executeTakeFirst()
  return row !== undefined
}

/** Those among `ids` who are in the group. */
export const groupMembersAmong = async (
  db: Db,
  groupId: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> => {
  const found = new Set<string>()
  for (const chunk of chunks(ids)) {
    const rows = await db
      .selectFrom('group_member')
      .select('account_id')
      .where('group_id', '=', groupId)
      .where('account_id', 'in', chunk)
      .execute()
    for (const row of rows) found.add(row.account_id)
  }
  return found
}

/** The writes by which they join the group. */
export const join = (db: Db, groupId: string, ids: readonly string[]): Write[] =>
  chunks(ids).map((chunk) =>
    write(
      db.insertInto('group_member').values(chunk.map((account_id) => ({ account_id, group_id: groupId }))),
    ),
  )

/** The writes by which they leave the group; lost when one of them is not in it any more. */
export const leave = (db: Db, groupId: string, ids: readonly string[]): Write[] =>
  chunks(ids).map((chunk) =>
    exactly(
      chunk.length,
      db.deleteFrom('group_member').where('group_id', '=', groupId).where('account_id', 'in', chunk),
    ),
  )
