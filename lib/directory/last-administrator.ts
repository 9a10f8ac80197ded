/** The last active administrator: nobody may lock him out or take his role, himself included. */
import { holds, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { administratorRole } from './permissions.ts'

/** Whether an active administrator remains besides `ids`, and the guard that it is still so at the commit. */
export const administratorBesides = async (
  db: Db,
  ids: readonly string[],
): Promise<{ readonly remains: boolean; readonly guard: Write }> => {
  const others = db
    .selectFrom('account')
    .innerJoin('account_role', 'account_role.account_id', 'account.id')
    .select('account.id')
    .where('account_role.role_id', '=', administratorRole.id)
    .where('account.id', 'not in', ids)
    .where('account.locked_at', 'is', null)
    .where('account.disabled_at', 'is', null)
  return { remains: (await others.limit(1).executeTakeFirst()) !== undefined, guard: holds(others) }
}
