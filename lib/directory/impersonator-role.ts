/** A role whose members may impersonate: found by its name, made where there is none, and joined. */
import { sql } from 'kysely'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { administratorRole } from './permissions.ts'
import { counted } from './population.ts'
import { admit, findMembers, membersAmong, memberships } from './role-members.ts'
import { type Audience, isRoleName } from './roles.ts'

export interface AskedRole {
  readonly name: string
  readonly audience: Audience
  readonly permission: string
  readonly users: readonly string[]
}

export type RefusedRole =
  | { readonly refused: 'role-name' | 'built-in-role' }
  | { readonly refused: 'unknown-users'; readonly users: readonly string[] }
  | { readonly refused: 'forbidden'; readonly lacking: readonly string[] }

export interface EnsuredRole {
  readonly id: string
  readonly name: string
  readonly made: boolean
  /** Who was not in it yet. */
  readonly joining: readonly string[]
  /** None when the role was as it should be. */
  readonly writes: readonly Write[]
}

const scopesOfRole = async (db: Db, roleId: string): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom('role_permission')
    .select('scope_name')
    .where('role_id', '=', roleId)
    .orderBy('scope_name')
    .execute()
  return rows.map((row) => row.scope_name)
}

/** What a role that is made is, and how it is counted. */
const insertion = (db: Db, caller: Caller, now: Date, id: string, { name, audience }: AskedRole) => {
  const at = now.toISOString()
  const row = {
    id,
    organization_id: caller.organizationId,
    name,
    audience_type: audience.type,
    audience_id: audience.id,
    created_at: at,
    modified_at: at,
  }
  return [write(db.insertInto('role').values(row)), ...counted(db, 'role', caller.organizationId, [id], 1)]
}

const touched = (db: Db, now: Date, id: string, modifiedAt: string, edition: number): Write => {
  const later = new Date(Math.max(now.getTime(), Date.parse(modifiedAt) + 1)).toISOString()
  return exactly(
    1,
    db
      .updateTable('role')
      .set({ modified_at: later, edition: edition + 1 })
      .where('id', '=', id)
      .where('edition', '=', edition),
  )
}

/**
 * The writes after which the role gives the permission and has the users. The caller must hold whatever it gives, and
 * the permission to make or change roles (invariant 14).
 */
export const ensureRole = async (
  db: Db,
  caller: Caller,
  now: Date,
  asked: AskedRole,
): Promise<EnsuredRole | RefusedRole> => {
  const { name, audience, permission } = asked
  if (!isRoleName(name)) return { refused: 'role-name' }
  const known = await db
    .selectFrom('role')
    .select(['id', 'name', 'modified_at', 'edition'])
    .where('audience_type', '=', audience.type)
    .where('audience_id', '=', audience.id)
    .where(sql<boolean>`lower(name) = lower(cast(${name} as text))`)
    .executeTakeFirst()
  if (known?.id === administratorRole.id) return { refused: 'built-in-role' }
  const users = [...new Set(asked.users)]
  const found = await findMembers(db, caller, users)
  const unknown = users.filter((user) => !found.has(user))
  if (unknown.length > 0) return { refused: 'unknown-users', users: unknown }
  const id = known?.id ?? crypto.randomUUID()
  const held = known ? await scopesOfRole(db, id) : []
  const members = known ? await membersAmong(db, id, users) : new Set<string>()
  const joining = users.filter((user) => !members.has(user))
  const lacksPermission = !held.includes(permission)
  const given = [...(joining.length > 0 ? held : []), ...(lacksPermission ? [permission] : [])]
  const changes = joining.length > 0 || lacksPermission
  const needed = known ? (changes ? ['internal_role_mgt_update'] : []) : ['internal_role_mgt_create']
  const lacking = [...needed, ...given].filter((one) => !caller.may(one))
  if (lacking.length > 0) return { refused: 'forbidden', lacking }
  const writes = [
    ...(known
      ? changes
        ? [touched(db, now, id, known.modified_at, known.edition)]
        : []
      : insertion(db, caller, now, id, asked)),
    ...(lacksPermission
      ? [write(db.insertInto('role_permission').values({ role_id: id, scope_name: permission }))]
      : []),
    ...admit(db, id, joining),
    ...memberships(db, caller, joining),
  ]
  return { id, name: known?.name ?? name, made: known === undefined, joining, writes }
}
