/** Deletes groups. Its members lose its roles; Administrator is taken only by administrators, and never from the last. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { groupMembersAmong } from './group-members.ts'
import { powerOfGroup, rolesOfGroups } from './group-roles.ts'
import { refusePower } from './group-update.ts'
import type { Group, GroupRefusal } from './groups.ts'
import { administratorAfter } from './last-administrator.ts'
import { counted } from './population.ts'
import { rolesShowing } from './role-groups.ts'

/** Deletes the group that was read as `group`; throws `Lost` when that was overtaken. */
export const deleteGroup = async (
  db: Db,
  caller: Caller,
  group: Group,
  now: Date,
): Promise<'deleted' | GroupRefusal> => {
  const { id } = group
  const [power, roles, own] = await Promise.all([
    powerOfGroup(db, id),
    rolesOfGroups(db, [id]),
    groupMembersAmong(db, id, [caller.accountId]),
  ])
  const refusal = refusePower(caller, power, { joining: [], leaving: true })
  if (refusal) return refusal
  const guards: Write[] = []
  if (power.administrator) {
    const witness = await administratorAfter(db, { groups: [id] })
    if (!witness) return { refused: 'last-administrator' }
    guards.push(witness.guard)
  }
  const outcome = await change(db, caller, now, {
    claims: own.size > 0 ? claimAccount(db, caller.accountId) : undefined,
    writes: [
      write(
        db
          .updateTable('account')
          .set((eb) => ({ version: eb('version', '+', 1), edition: eb('edition', '+', 1) }))
          .where('id', 'in', (eb) =>
            eb.selectFrom('group_member').select('account_id').where('group_id', '=', id),
          ),
      ),
      rolesShowing(db, id),
      // its members and roles go with it
      exactly(1, db.deleteFrom('user_group').where('id', '=', id).where('edition', '=', group.edition)),
      ...counted(db, 'user_group', caller.organizationId, [id], -1),
      ...guards,
    ],
    events: [
      {
        event: 'group-deleted',
        target: id,
        data: { name: group.name, roles: roles.map((role) => role.name) },
        outcome: 'Success',
        applicationId: caller.application?.id,
      },
    ],
    // what many lose at once is an administrative fact
    administrative: power.some,
  })
  if (outcome === 'conflict') throw new Lost('the group has changed')
  return 'deleted'
}
