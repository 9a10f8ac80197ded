/** The end of a user: the account and all that hangs on it; the audit keeps what was done. */
import { mask } from '../audit.ts'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount, findAccount, isActive } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { administratorBesides } from './last-administrator.ts'
import { administratorRole, allPermissions } from './permissions.ts'
import { counted } from './population.ts'
import type { UserRefusal } from './user-update.ts'
import { aboutUser, type User } from './users.ts'

/** The new editions of the roles and groups that are shown with him. */
const withoutMember = (db: Db, id: string): readonly Write[] => [
  write(
    db
      .updateTable('role')
      .set((eb) => ({ edition: eb('edition', '+', 1) }))
      .where('id', 'in', db.selectFrom('account_role').select('role_id').where('account_id', '=', id)),
  ),
  write(
    db
      .updateTable('user_group')
      .set((eb) => ({ edition: eb('edition', '+', 1) }))
      .where('id', 'in', db.selectFrom('group_member').select('group_id').where('account_id', '=', id)),
  ),
]

/**
 * Deletes the user that was read as `user`; `ending` ends his sessions, grants and impersonations, and goes behind the
 * deletion. Throws `Lost` when somebody else changed him meanwhile.
 */
export const deleteUser = async (
  db: Db,
  caller: Caller,
  user: User,
  ending: () => Promise<readonly Write[]>,
  now: Date,
): Promise<{ readonly deleted: true } | { readonly refused: UserRefusal }> => {
  if (caller.acting) return { refused: 'acting' }
  const account = await findAccount(db, user.id)
  if (account?.version !== user.version) throw new Lost('the user has changed')
  const himself = caller.kind === 'user' && user.id === caller.accountId
  if (!himself) {
    const held = await allPermissions(db, caller.revision, account)
    if (![...held].every((permission) => caller.may(permission))) return { refused: 'beyond' }
  }
  const guards: Write[] = []
  if (account.roleIds.includes(administratorRole.id) && isActive(account)) {
    const besides = await administratorBesides(db, [user.id])
    if (!besides.remains) return { refused: 'last-administrator' }
    guards.push(besides.guard)
  }
  const deletion = db
    .deleteFrom('account')
    .where('id', '=', user.id)
    .where('version', '=', user.version)
    .where('edition', '=', user.edition)
  const outcome = await change(db, caller, now, {
    claims: himself ? claimAccount(db, user.id) : undefined,
    writes: [
      ...guards,
      ...withoutMember(db, user.id),
      exactly(1, deletion),
      ...counted(db, 'account', caller.organizationId, [user.id], -1),
      ...(await ending()),
    ],
    events: [
      { event: 'user-deleted', ...aboutUser(caller, user.id), data: { userName: mask(user.userName) } },
    ],
    administrative: false,
  })
  if (outcome === 'conflict') throw new Lost('the user has changed')
  return { deleted: true }
}
