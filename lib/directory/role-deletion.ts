/** Deletes roles; whoever had one has lost it. Administrator stays. */
import { exactly, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { administratorRole } from './permissions.ts'
import { counted } from './population.ts'
import { membersAmong } from './role-members.ts'
import type { Role, RoleRefusal } from './roles.ts'

/** Deletes the role that was read as `role`; throws `Lost` when that was overtaken. */
export const deleteRole = async (
  db: Db,
  caller: Caller,
  role: Role,
  now: Date,
): Promise<'deleted' | RoleRefusal> => {
  if (caller.acting) return { refused: 'acting' }
  if (role.id === administratorRole.id) return { refused: 'built-in' }
  const own = await membersAmong(db, role.id, [caller.accountId])
  const outcome = await change(db, caller, now, {
    claims: own.size > 0 ? claimAccount(db, caller.accountId) : undefined,
    writes: [
      write(
        db
          .updateTable('account')
          .set((eb) => ({ version: eb('version', '+', 1), edition: eb('edition', '+', 1) }))
          .where('id', 'in', (eb) =>
            eb.selectFrom('account_role').select('account_id').where('role_id', '=', role.id),
          ),
      ),
      write(
        db
          .updateTable('user_group')
          .set((eb) => ({ edition: eb('edition', '+', 1) }))
          .where('id', 'in', (eb) =>
            eb.selectFrom('group_role').select('group_id').where('role_id', '=', role.id),
          ),
      ),
      // who has it and what it permits go with it
      exactly(1, db.deleteFrom('role').where('id', '=', role.id).where('edition', '=', role.edition)),
      ...counted(db, 'role', caller.organizationId, [role.id], -1),
    ],
    events: [
      {
        event: 'role-deleted',
        target: role.id,
        data: { name: role.name, audience: { type: role.audience.type, id: role.audience.id } },
        outcome: 'Success',
        applicationId: caller.application?.id,
      },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('the role has changed')
  return 'deleted'
}
