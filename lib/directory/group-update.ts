/**
 * Changes to a group. Who joins a group gets its roles: that is for those who hold all that these permit
 * (design.md §7, invariant 14), and never for somebody who acts for another.
 */
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { groupMembersAmong, join, leave, memberIdsOfGroup } from './group-members.ts'
import { type Power, powerOfGroup } from './group-roles.ts'
import { findGroup, type Group, type GroupRefusal, groupNameKey, refuseGroupName } from './groups.ts'
import { administratorAfter } from './last-administrator.ts'
import { groupsAmong, rolesShowing } from './role-groups.ts'
import { findMembers, memberships } from './role-members.ts'
import { differenceOf, type SetEdit } from './set-edit.ts'

export interface GroupEdit {
  readonly name?: string | undefined
  /** Null takes it away. */
  readonly externalId?: string | null | undefined
  readonly members?: SetEdit | undefined
  /** The change is for the edition that was read, and no later one. */
  readonly exact?: boolean | undefined
}

/** Why these cannot be members of a group, or undefined: users of the organization can. */
export const refuseMembers = async (
  db: Db,
  caller: Caller,
  ids: readonly string[],
): Promise<GroupRefusal | undefined> => {
  const found = await findMembers(db, caller, ids)
  const id = ids.find((one) => !found.has(one))
  if (id === undefined) return undefined
  const nested = await groupsAmong(db, caller, [id])
  return { refused: nested.has(id) ? 'nested' : 'unknown-user', id }
}

/** Whether the caller must not touch who is in a group of that power, or must not put those in or out. */
export const refusePower = (
  caller: Caller,
  power: Power,
  { joining, leaving }: { readonly joining: readonly string[]; readonly leaving: boolean },
): GroupRefusal | undefined => {
  const { acting } = caller
  if (acting && (power.some || joining.includes(acting.impersonatorId))) return { refused: 'acting' }
  // leaving Administrator takes an administrator, too: else whoever manages groups could depose him
  const matters = joining.length > 0 || (leaving && power.administrator)
  if (matters && ![...power.permissions].every((one) => caller.may(one))) return { refused: 'beyond' }
  return undefined
}

const without = (parts: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(parts).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  )

/** Changes the group that was read as `group`; throws `Lost` when that was overtaken. */
export const updateGroup = async (
  db: Db,
  caller: Caller,
  group: Group,
  edit: GroupEdit,
  now: Date,
): Promise<{ readonly group: Group } | GroupRefusal> => {
  const { id } = group
  const name = edit.name ?? group.name
  const externalId = edit.externalId === undefined ? group.externalId : edit.externalId
  const renamed = name !== group.name
  const described = renamed || externalId !== group.externalId
  const [members, power] = await Promise.all([
    differenceOf(
      edit.members,
      () => memberIdsOfGroup(db, id),
      (ids) => groupMembersAmong(db, id, ids),
    ),
    powerOfGroup(db, id),
  ])
  const moved = [...members.added, ...members.removed]
  const refusal =
    refusePower(caller, power, { joining: members.added, leaving: members.removed.length > 0 }) ??
    (renamed ? await refuseGroupName(db, caller, name, id) : undefined) ??
    (await refuseMembers(db, caller, members.added))
  if (refusal) return refusal
  if (!described && moved.length === 0) return { group }
  const guards: Write[] = []
  if (power.administrator && members.removed.length > 0) {
    const witness = await administratorAfter(db, {
      membersOfGroup: { groupId: id, ids: members.removed },
    })
    if (!witness) return { refused: 'last-administrator' }
    guards.push(witness.guard)
  }
  let update = db
    .updateTable('user_group')
    .set((eb) => ({
      name,
      name_key: groupNameKey(name),
      external_id: externalId,
      edition: eb('edition', '+', 1),
      modified_at: now.toISOString(),
    }))
    .where('id', '=', id)
  // who only joins or leaves does not mind others who do
  const exact = described || edit.exact === true || edit.members?.replaceWith !== undefined
  update = exact ? update.where('edition', '=', group.edition) : update.where('name', '=', group.name)
  const outcome = await change(db, caller, now, {
    claims: moved.includes(caller.accountId) ? claimAccount(db, caller.accountId) : undefined,
    writes: [
      exactly(1, update),
      ...leave(db, id, members.removed),
      ...join(db, id, members.added),
      ...memberships(db, caller, moved),
      ...(renamed ? [rolesShowing(db, id)] : []),
      ...guards,
    ],
    events: [
      {
        event: 'group-updated',
        target: id,
        data: without({
          name: group.name,
          renamedTo: renamed ? name : undefined,
          externalId: externalId === group.externalId ? undefined : (externalId ?? ''),
          addedMembers: members.added,
          removedMembers: members.removed,
        }),
        outcome: 'Success',
        applicationId: caller.application?.id,
      },
    ],
    administrative: false,
  })
  if (outcome === 'conflict') throw new Lost('the group has changed')
  // others may have added to it meanwhile
  const after = await findGroup(db, caller, id)
  if (!after) throw new Lost('the group is gone')
  return { group: after }
}
