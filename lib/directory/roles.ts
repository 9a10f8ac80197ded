/** Roles as they are managed: found in the name of a caller; role-creation.ts and role-update.ts write them. */
import { sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from './applications.ts'
import type { Caller } from './caller.ts'
import { hasUnseen } from './readable-name.ts'
import { type TextOperator, textMatches } from './text-condition.ts'
import type { Page } from './user-list.ts'

export interface Audience {
  readonly type: 'application' | 'organization'
  readonly id: string
}

export interface Role {
  readonly id: string
  readonly name: string
  readonly audience: Audience & { readonly name: string }
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
      'role.created_at',
      'role.modified_at',
      'application.name as application_name',
      'organization.name as organization_name',
    ])
    .where('role.organization_id', '=', caller.organizationId)

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const toRole = (row: Row): Role => ({
  id: row.id,
  name: row.name,
  audience: {
    type: row.audience_type === 'application' ? 'application' : 'organization',
    id: row.audience_id,
    name: row.application_name ?? row.organization_name ?? '',
  },
  createdAt: row.created_at,
  modifiedAt: row.modified_at,
})

export const findRole = async (db: Db, caller: Caller, id: string): Promise<Role | undefined> => {
  const row = await select(db, caller).where('role.id', '=', id).executeTakeFirst()
  return row && toRole(row)
}

export interface RoleCondition {
  readonly field: 'id' | 'name' | 'audienceId' | 'audienceType'
  readonly operator: TextOperator
  readonly value: string
}

const columns = {
  id: sql.ref('role.id'),
  name: sql.ref('role.name'),
  audienceId: sql.ref('role.audience_id'),
  audienceType: sql.ref('role.audience_type'),
} as const

const matches = ({ field, operator, value }: RoleCondition) => textMatches(columns[field], operator, value)

/** One page of the roles to which all conditions apply, and how many there are in all. */
export const listRoles = async (
  db: Db,
  caller: Caller,
  conditions: readonly RoleCondition[],
  { offset, limit }: Page,
): Promise<{ readonly total: number; readonly roles: readonly Role[] }> => {
  let counting = db.selectFrom('role').where('organization_id', '=', caller.organizationId)
  let found = select(db, caller)
  for (const condition of conditions) {
    counting = counting.where(matches(condition))
    found = found.where(matches(condition))
  }
  const [count, rows] = await Promise.all([
    counting.select((eb) => eb.fn.countAll().as('n')).executeTakeFirstOrThrow(),
    limit > 0 ? found.orderBy('role.id').limit(limit).offset(offset).execute() : [],
  ])
  return { total: Number(count.n), roles: rows.map(toRole) }
}

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

/** Whether a role of that audience has that name. */
export const nameIsTaken = async (db: Db, { type, id }: Audience, name: string): Promise<boolean> => {
  const row = await db
    .selectFrom('role')
    .select('id')
    .where('audience_type', '=', type)
    .where('audience_id', '=', id)
    .where('name', '=', name)
    .executeTakeFirst()
  return row !== undefined
}

/** Why a role of that audience cannot have that name, or undefined. */
export const refuseName = async (
  db: Db,
  audience: Audience,
  name: string,
): Promise<RoleRefusal | undefined> => {
  if (!isRoleName(name)) return { refused: 'name' }
  return (await nameIsTaken(db, audience, name)) ? { refused: 'exists' } : undefined
}
