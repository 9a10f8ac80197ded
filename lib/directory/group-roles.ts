/** The roles that the members of a group have: who puts somebody into the group hands them out. */
import type { Db } from '../database/connect.ts'
import { administratorRole } from './permissions.ts'

export interface RoleOfGroup {
  readonly groupId: string
  readonly id: string
  readonly name: string
  readonly audienceType: string
  readonly audienceId: string
  readonly audienceName: string
}

/** The roles of these groups, by name. */
export const rolesOfGroups = async (db: Db, groupIds: readonly string[]): Promise<readonly RoleOfGroup[]> => {
  if (groupIds.length === 0) return []
  const rows = await db
    .selectFrom('group_role')
    .innerJoin('role', 'role.id', 'group_role.role_id')
    .leftJoin('application', 'application.id', 'role.audience_id')
    .leftJoin('organization', 'organization.id', 'role.audience_id')
    .select([
      'group_role.group_id as groupId',
      'role.id',
      'role.name',
      'role.audience_type as audienceType',
      'role.audience_id as audienceId',
      'application.name as application',
      'organization.name as organization',
    ])
    .where('group_role.group_id', 'in', groupIds)
    .orderBy('role.name')
    .orderBy('role.id')
    .execute()
  return rows.map(({ application, organization, ...row }) => ({
    ...row,
    audienceName: application ?? organization ?? '',
  }))
}

export interface Power {
  /** Whether it has any role. */
  readonly some: boolean
  /** Whether Administrator is among them. */
  readonly administrator: boolean
  /** All that its roles permit, anywhere. */
  readonly permissions: ReadonlySet<string>
}

/** What the members of a group hold by it. */
export const powerOfGroup = async (db: Db, groupId: string): Promise<Power> => {
  const rows = await db
    .selectFrom('group_role')
    .leftJoin('role_permission', 'role_permission.role_id', 'group_role.role_id')
    .select(['group_role.role_id', 'role_permission.scope_name'])
    .where('group_role.group_id', '=', groupId)
    .execute()
  return {
    some: rows.length > 0,
    administrator: rows.some(({ role_id }) => role_id === administratorRole.id),
    permissions: new Set(rows.flatMap(({ scope_name }) => scope_name ?? [])),
  }
}
