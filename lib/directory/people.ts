/** People as rules of others see them: name, address and roles by name; nothing secret. */
import type { Db } from '../database/connect.ts'

export interface KnownPerson {
  readonly id: string
  readonly userName: string
  readonly email: string | undefined
  readonly organizationId: string
  readonly roles: readonly { readonly id: string; readonly name: string }[]
  readonly locked: boolean
  readonly disabled: boolean
}

/** Several people by id in one query; those who do not exist are left out. */
export const findPeople = async (
  db: Db,
  ids: readonly string[],
): Promise<ReadonlyMap<string, KnownPerson>> => {
  const columns = [
    'account.id',
    'account.user_name as userName',
    'account.email',
    'account.organization_id as organizationId',
    'account.locked_at as lockedAt',
    'account.disabled_at as disabledAt',
    'role.id as roleId',
    'role.name as roleName',
  ] as const
  // given to them, and to the groups that they are in; what is both is there once
  const rows = await db
    .selectFrom('account')
    .leftJoin('account_role', 'account_role.account_id', 'account.id')
    .leftJoin('role', 'role.id', 'account_role.role_id')
    .select(columns)
    .where('account.id', 'in', [...ids])
    .union((eb) =>
      eb
        .selectFrom('account')
        .innerJoin('group_member', 'group_member.account_id', 'account.id')
        .innerJoin('group_role', 'group_role.group_id', 'group_member.group_id')
        .leftJoin('role', 'role.id', 'group_role.role_id')
        .select(columns)
        .where('account.id', 'in', [...ids]),
    )
    .orderBy('roleId')
    .execute()
  const people = new Map<string, KnownPerson>()
  for (const { lockedAt, disabledAt, roleId, roleName, ...row } of rows) {
    const role = roleId !== null && roleName !== null ? [{ id: roleId, name: roleName }] : []
    people.set(row.id, {
      ...row,
      email: row.email ?? undefined,
      roles: [...(people.get(row.id)?.roles ?? []), ...role],
      locked: lockedAt !== null,
      disabled: disabledAt !== null,
    })
  }
  return people
}
