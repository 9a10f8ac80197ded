/**
 * Whether a user lets others act for him: his own word, which a deployment may give him (`[impersonation]
 * allow_opt_out`). It is checked when an impersonation is decided, and ends those that live.
 */
import { exactly } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount, findAccount } from '../directory/accounts.ts'
import type { Caller } from '../directory/caller.ts'
import { change, Lost } from '../directory/change.ts'
import { endImpersonationsFor } from '../tokens/lineage.ts'

/** Whether others may act for that user, as he last said; undefined for nobody's id. */
export const allowsImpersonation = async (db: Db, accountId: string): Promise<boolean | undefined> => {
  const account = await findAccount(db, accountId)
  return account && account.optedOutAt === null
}

/**
 * Notes what the caller says of himself. His account's version grows with it, so that what is being decided at this moment
 * is decided again. Saying the same again changes nothing. Throws `Lost` when his account was changed meanwhile.
 */
export const allowImpersonation = async (
  db: Db,
  caller: Caller,
  allow: boolean,
  now: Date,
): Promise<void> => {
  const account = await findAccount(db, caller.accountId)
  if (!account) throw new Lost('the account is gone')
  if ((account.optedOutAt === null) === allow) return
  const update = db
    .updateTable('account')
    .set({ opted_out_at: allow ? null : now.toISOString(), version: account.version + 1 })
    .where('id', '=', account.id)
    .where('version', '=', account.version)
  await change(db, caller, now, {
    claims: claimAccount(db, account.id),
    writes: [
      exactly(1, update),
      ...(allow ? [] : [endImpersonationsFor(db, account.id, { by: account.id, reason: 'opted-out' }, now)]),
    ],
    events: [
      {
        event: 'impersonation-preference-changed',
        target: account.id,
        subjectId: account.id,
        data: { allowImpersonation: allow },
        outcome: 'Success',
      },
    ],
    administrative: false,
  })
}
