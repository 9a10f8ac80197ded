/**
 * Changes to a role. Nobody hands out what he does not hold, Administrator stays what it is and keeps somebody who can
 * use it (design.md §7, invariant 14).
 */
import { exactly, holds, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { administratorBesides } from './last-administrator.ts'
import { administratorRole } from './permissions.ts'
import { admit, dismiss, findMembers, membersAmong, memberships, membersOfRole } from './role-members.ts'
import { permissionsOfRole, refusePermissions } from './role-permissions.ts'
import { type Role, type RoleRefusal, refuseName } from './roles.ts'

/** First everything becomes `replaceWith`, when that is there; then some are added and some removed. */
export interface SetEdit {
  readonly replaceWith?: ReadonlySet<string> | undefined
  readonly add: ReadonlySet<string>
  readonly remove: ReadonlySet<string>
}

export interface RoleEdit {
  readonly name?: string | undefined
  readonly users?: SetEdit | undefined
  readonly permissions?: SetEdit | undefined
}

const nothing: SetEdit = { add: new Set(), remove: new Set() }

const difference = (current: ReadonlySet<string>, { replaceWith, add, remove }: SetEdit) => {
  const wanted = (replaceWith ?? current).union(add).difference(remove)
  return { added: [...wanted.difference(current)], removed: [...current.difference(wanted)] }
}

/** The users that join and leave; those of a large role are not read to add one. */
const userDifference = async (db: Db, role: Role, edit: SetEdit) => {
  const current = edit.replaceWith
    ? new Set((await membersOfRole(db, role.id)).map(({ id }) => id))
    : await membersAmong(db, role.id, [...edit.add, ...edit.remove])
  return difference(current, edit)
}

const without = (parts: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(parts).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  )

/** Changes the role that was read as `role`; throws `Lost` when that was overtaken. */
export const updateRole = async (
  db: Db,
  caller: Caller,
  role: Role,
  edit: RoleEdit,
  now: Date,
): Promise<{ readonly role: Role } | RoleRefusal> => {
  if (caller.acting) return { refused: 'acting' }
  const builtIn = role.id === administratorRole.id
  const name = edit.name ?? role.name
  const renamed = name !== role.name
  const held = new Set((await permissionsOfRole(db, role.id)).map((permission) => permission.name))
  const permissions = difference(held, edit.permissions ?? nothing)
  const users = edit.users ? await userDifference(db, role, edit.users) : { added: [], removed: [] }
  if (builtIn && (renamed || permissions.removed.length > 0)) return { refused: 'built-in' }
  const refusal =
    (renamed ? await refuseName(db, role.audience, name) : undefined) ??
    (await refusePermissions(db, caller, role.audience, permissions.added))
  if (refusal) return refusal
  const joining = await findMembers(db, caller, users.added)
  if (joining.size !== users.added.length) return { refused: 'unknown-user' }
  const moved = [...users.added, ...users.removed]
  // leaving Administrator takes an administrator, too: else whoever manages roles could depose him
  if (
    (users.added.length > 0 || (builtIn && moved.length > 0)) &&
    ![...held].every((one) => caller.may(one))
  ) {
    return { refused: 'beyond' }
  }
  const guards: Write[] = []
  if (builtIn && users.removed.length > 0) {
    const besides = await administratorBesides(db, users.removed)
    const joins = [...joining.values()].some(({ active }) => active)
    if (!besides.remains && !joins) return { refused: 'last-administrator' }
    guards.push(besides.guard)
  }
  const administrative = renamed || permissions.added.length > 0 || permissions.removed.length > 0
  if (!administrative && moved.length === 0) return { role }
  // grows with every change, so that a replacement knows that nothing came between
  const later = new Date(Math.max(now.getTime(), Date.parse(role.modifiedAt) + 1)).toISOString()
  const unchanged = db
    .selectFrom('role')
    .select('id')
    .where('id', '=', role.id)
    .where('modified_at', '=', role.modifiedAt)
  const update = db.updateTable('role').set({ name, modified_at: later }).where('id', '=', role.id)
  const outcome = await change(db, caller, now, {
    claims: moved.includes(caller.accountId) ? claimAccount(db, caller.accountId) : undefined,
    writes: [
      ...(edit.users?.replaceWith ? [holds(unchanged)] : []),
      exactly(1, update.where('name', '=', role.name)),
      ...(permissions.removed.length > 0
        ? [
            exactly(
              permissions.removed.length,
              db
                .deleteFrom('role_permission')
                .where('role_id', '=', role.id)
                .where('scope_name', 'in', permissions.removed),
            ),
          ]
        : []),
      ...(permissions.added.length > 0
        ? [
            write(
              db
                .insertInto('role_permission')
                .values(permissions.added.map((scope_name) => ({ role_id: role.id, scope_name }))),
            ),
          ]
        : []),
      ...dismiss(db, role.id, users.removed),
      ...admit(db, role.id, users.added),
      ...memberships(db, caller, moved),
      // behind the changes, so that an administrator who joins with this request counts
      ...guards,
    ],
    events: [
      {
        event: 'role-updated',
        target: role.id,
        data: without({
          name: role.name,
          renamedTo: renamed ? name : undefined,
          addedUsers: users.added,
          removedUsers: users.removed,
          addedPermissions: permissions.added,
          removedPermissions: permissions.removed,
        }),
        outcome: 'Success',
        applicationId: caller.application?.id,
      },
    ],
    administrative,
  })
  if (outcome === 'conflict') throw new Lost('the role has changed')
  return { role: { ...role, name, modifiedAt: later } }
}
