/** Groups as they are managed: found in the name of a caller; group-creation, -update and -deletion.ts write them. */
import type { Db } from '../database/connect.ts'
import { userNameKey } from './accounts.ts'
import { belongs } from './belonging.ts'
import type { Caller } from './caller.ts'
import { hasUnseen } from './readable-name.ts'

export interface Group {
  readonly id: string
  readonly name: string
  /** By which the client that provisions it knows it. */
  readonly externalId: string | null
  readonly edition: number
  readonly createdAt: string
  readonly modifiedAt: string
}

/**
 * Why a group is not made, changed or deleted. `beyond`: the caller does not hold what the group's roles permit;
 * `acting`: for who calls in person.
 */
export type GroupRefusal =
  | {
      readonly refused: 'acting' | 'beyond' | 'exists' | 'name' | 'last-administrator'
    }
  | { readonly refused: 'unknown-user' | 'nested'; readonly id: string }

const columns = [
  'user_group.id',
  'user_group.name',
  'user_group.external_id as externalId',
  'user_group.edition',
  'user_group.created_at as createdAt',
  'user_group.modified_at as modifiedAt',
] as const

/** Groups of the caller's organization by id, in the order of `ids`; those that do not exist are left out. */
export const findGroups = async (
  db: Db,
  caller: Caller,
  ids: readonly string[],
): Promise<readonly Group[]> => {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('user_group')
    .select(columns)
    .where(belongs('organization_id', caller.organizationId, true))
    .where('id', 'in', ids)
    .execute()
  const found = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => found.get(id) ?? [])
}

export const findGroup = async (db: Db, caller: Caller, id: string): Promise<Group | undefined> =>
  (await findGroups(db, caller, [id]))[0]

/** The key by which names are compared: case does not distinguish groups. */
export const groupNameKey = userNameKey

/** As for roles: a slash would name a user store. */
export const isGroupName = (name: string): boolean =>
  name.trim() !== '' && name.length <= 255 && !name.includes('/') && !hasUnseen(name)

/** Why a group cannot have that name, or undefined. */
export const refuseGroupName = async (
  db: Db,
  caller: Caller,
  name: string,
  ownId?: string,
): Promise<GroupRefusal | undefined> => {
  if (!isGroupName(name)) return { refused: 'name' }
  const row = await db
    .selectFrom('user_group')
    .select('id')
    .where('organization_id', '=', caller.organizationId)
    .where('name_key', '=', groupNameKey(name))
    .executeTakeFirst()
  return row && row.id !== ownId ? { refused: 'exists' } : undefined
}
