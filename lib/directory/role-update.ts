/**
 * Changes to a role. Nobody hands out what he does not hold, be it to users or to groups; Administrator stays what it
 * is and keeps somebody who can use it (design.md §7, invariant 14).
 */
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { administratorAfter, becomesAdministrator } from './last-administrator.ts'
import { administratorRole } from './permissions.ts'
import {
  admitGroups,
  dismissGroups,
  groupIdsOfRole,
  groupsAmong,
  groupsChanged,
  groupsShowing,
} from './role-groups.ts'
import { admit, dismiss, findMembers, memberIdsOfRole, membersAmong, memberships } from './role-members.ts'
import { permissionsWrites, refusePermissions, scopesOfRole } from './role-permissions.ts'
import { findRole, type Role, type RoleRefusal, refuseName } from './roles.ts'
import { type Difference, difference, differenceOf, nothing, type SetEdit } from './set-edit.ts'

export interface RoleEdit {
  readonly name?: string | undefined
  readonly users?: SetEdit | undefined
  readonly groups?: SetEdit | undefined
  readonly permissions?: SetEdit | undefined
  /** The change is for the edition that was read, and no later one. */
  readonly exact?: boolean | undefined
}

const isNothing = ({ added, removed }: Difference) => added.length === 0 && removed.length === 0

const without = (parts: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(parts).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  )

/** What the edit comes to, as things are; those who have a large role are not read to add one. */
const plan = async (db: Db, role: Role, edit: RoleEdit) => {
  const [held, users, groups] = await Promise.all([
    scopesOfRole(db, role.id),
    differenceOf(
      edit.users,
      () => memberIdsOfRole(db, role.id),
      (ids) => membersAmong(db, role.id, ids),
    ),
    differenceOf(
      edit.groups,
      () => groupIdsOfRole(db, role.id),
      async (ids) => (await groupIdsOfRole(db, role.id)).intersection(new Set(ids)),
    ),
  ])
  return { held, users, groups, permissions: difference(held, edit.permissions ?? nothing) }
}

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
  const { held, users, groups, permissions } = await plan(db, role, edit)
  if (builtIn && (renamed || permissions.removed.length > 0)) return { refused: 'built-in' }
  const refusal =
    (renamed ? await refuseName(db, role.audience, name, role.id) : undefined) ??
    (await refusePermissions(db, caller, role.audience, permissions.added))
  if (refusal) return refusal
  const joining = await findMembers(db, caller, users.added)
  if (joining.size !== users.added.length) return { refused: 'unknown-user' }
  if ((await groupsAmong(db, caller, groups.added)).size !== groups.added.length) {
    return { refused: 'unknown-group' }
  }
  const moved = [...users.added, ...users.removed]
  const hands = users.added.length > 0 || groups.added.length > 0
  const takes = users.removed.length > 0 || groups.removed.length > 0
  // leaving Administrator takes an administrator, too: else whoever manages roles could depose him
  if ((hands || (builtIn && takes)) && ![...held].every((one) => caller.may(one))) {
    return { refused: 'beyond' }
  }
  const guards: Write[] = []
  if (builtIn && takes) {
    const witness = await administratorAfter(db, { members: users.removed, groups: groups.removed })
    const successor = [...joining.values()].find(({ active }) => active)
    if (witness) guards.push(witness.guard)
    else if (successor) guards.push(becomesAdministrator(db, successor.id))
    else return { refused: 'last-administrator' }
  }
  if (!renamed && [users, groups, permissions].every(isNothing)) return { role }
  const administrative = renamed || !isNothing(permissions) || !isNothing(groups)
  const update = db
    .updateTable('role')
    .set((eb) => ({ name, modified_at: now.toISOString(), edition: eb('edition', '+', 1) }))
    .where('id', '=', role.id)
  // who only gives it to users or takes it from them does not mind others who do
  const exact = administrative || edit.exact === true || edit.users?.replaceWith !== undefined
  const outcome = await change(db, caller, now, {
    claims: moved.includes(caller.accountId) ? claimAccount(db, caller.accountId) : undefined,
    writes: [
      exactly(1, exact ? update.where('edition', '=', role.edition) : update.where('name', '=', role.name)),
      ...permissionsWrites(db, role.id, permissions),
      ...dismiss(db, role.id, users.removed),
      ...admit(db, role.id, users.added),
      ...memberships(db, caller, moved),
      ...dismissGroups(db, role.id, groups.removed),
      ...admitGroups(db, role.id, groups.added),
      ...groupsChanged(db, caller, [...groups.added, ...groups.removed]),
      ...(renamed ? [groupsShowing(db, role.id)] : []),
      // behind the changes
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
          addedGroups: groups.added,
          removedGroups: groups.removed,
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
  // others may have given it to somebody meanwhile
  const after = await findRole(db, caller, role.id)
  if (!after) throw new Lost('the role is gone')
  return { role: after }
}
