/** Roles as they are managed: found in the name of a caller; role-creation, -update and -deletion.ts write them. */
import { sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from './applications.ts'
import { belongs } from './belonging.ts'
import type { Caller } from './caller.ts'
import { hasUnseen } from './readable-name.ts'

export interface Audience {
  readonly type: 'application' | 'organization'
  readonly id: string
}

export interface Role {
  readonly id: string
  readonly name: string
  readonly audience: Audience & { readonly name: string }
  readonly edition: number
  readonly createdAt: string
  readonly modifiedAt: string
}

/** Why a role is not made or changed. `beyond`: the caller does not hold what he would hand out. */
export type RoleRefusal =
  | {
      readonly refused:
        | 'acting'
        | 'beyond'
        | 'exists'
        | 'name'
        | 'unknown-user'
        | 'unknown-group'
        | 'unknown-organization'
        | 'unknown-application'
        | 'other-audience'
        | 'built-in'
        | 'last-administrator'
    }
  | { readonly refused: 'unknown-permission' | 'unauthorized-permission'; readonly permission: string }

const select = (db: Db, caller: Caller) =>
  db
    .selectFrom('role')
    .leftJoin('application', 'application.id', 'role.audience_id')
    .leftJoin('organization', 'organization.id', 'role.audience_id')
    .select([
      'role.id',
      'role.name',
      'role.audience_type',
      'role.audience_id',
      'role.edition',
      'role.created_at',
      'role.modified_at',
      'application.name as application_name',
      'organization.name as organization_name',
    ])
    .where(belongs('role.organization_id', caller.organizationId, true))

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const toRole = (row: Row): Role => ({
  id: row.id,
  name: row.name,
  audience: {
    type: row.audience_type === 'application' ? 'application' : 'organization',
    id: row.audience_id,
    name: row.application_name ?? row.organization_name ?? '',
  },
  edition: row.edition,
  createdAt: row.created_at,
  modifiedAt: row.modified_at,
})

/** Roles of the caller's organization by id, in the order of `ids`; those that do not exist are left out. */
export const findRoles = async (db: Db, caller: Caller, ids: readonly string[]): Promise<readonly Role[]> => {
  if (ids.length === 0) return []
  const rows = await select(db, caller).where('role.id', 'in', ids).execute()
  const found = new Map(rows.map((row) => [row.id, toRole(row)]))
  return ids.flatMap((id) => found.get(id) ?? [])
}

export const findRole = async (db: Db, caller: Caller, id: string): Promise<Role | undefined> =>
  (await findRoles(db, caller, [id]))[0]

/** A name may neither look like one of the system's own nor like one with a domain. */
export const isRoleName = (name: string): boolean =>
  name.trim() !== '' &&
  name.length <= 255 &&
  !/^system_/i.test(name) &&
  !name.includes('/') &&
  !hasUnseen(name)

/** The application of that id, as of the caller's revision. */
export const applicationOf = async (db: Db, caller: Caller, id: string): Promise<Application | undefined> => {
  const row = await db
    .selectFrom('application')
    .select('client_id')
    .where('id', '=', id)
    .where('organization_id', '=', caller.organizationId)
    .executeTakeFirst()
  return row && findClient(db, caller.revision, row.client_id)
}

/** A name as the index of roles has it: case does not distinguish them. */
const lowered = (text: string) => sql<string>`lower(cast(${text} as text))`

/** Why a role of that audience cannot have that name, or undefined. */
export const refuseName = async (
  db: Db,
  { type, id }: Audience,
  name: string,
  ownId?: string,
): Promise<RoleRefusal | undefined> => {
  if (!isRoleName(name)) return { refused: 'name' }
  const row = await db
    .selectFrom('role')
    .select('id')
    .where('audience_type', '=', type)
    .where('audience_id', '=', id)
    .where(sql`lower(name)`, '=', lowered(name))
    .executeTakeFirst()
  return row && row.id !== ownId ? { refused: 'exists' } : undefined
}
