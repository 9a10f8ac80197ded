/**
 * The last active administrator: nobody may lock him out, delete him or take his role, himself included. He may have
 * the role himself or by a group; both count.
 */
import { holds, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { administratorRole } from './permissions.ts'

/** What a change takes from the administrators there are. */
export interface Leaving {
  /** Accounts that are locked, disabled or deleted. */
  readonly accounts?: readonly string[]
  /** Accounts from whom the role itself is taken; their groups may still give it to them. */
  readonly members?: readonly string[]
  /** Groups that are deleted, or from which the role is taken. */
  readonly groups?: readonly string[]
  /** Accounts that leave a group which has the role. */
  readonly membersOfGroup?: { readonly groupId: string; readonly ids: readonly string[] }
}

const direct = (db: Db) =>
  db
    .selectFrom('account')
    .innerJoin('account_role', 'account_role.account_id', 'account.id')
    .select('account.id')
    .where('account_role.role_id', '=', administratorRole.id)
    .where('account.locked_at', 'is', null)
    .where('account.disabled_at', 'is', null)

const byGroup = (db: Db) =>
  db
    .selectFrom('group_role')
    .innerJoin('group_member', 'group_member.group_id', 'group_role.group_id')
    .innerJoin('account', 'account.id', 'group_member.account_id')
    .select(['account.id', 'group_member.group_id as groupId'])
    .where('group_role.role_id', '=', administratorRole.id)
    .where('account.locked_at', 'is', null)
    .where('account.disabled_at', 'is', null)

type Witness = { readonly guard: Write } | undefined

/** One by the role itself, besides `gone`. */
const directBesides = async (db: Db, gone: ReadonlySet<string>): Promise<Witness> => {
  const found = await direct(db)
    .orderBy('account.id')
    .limit(gone.size + 1)
    .execute()
  const one = found.find(({ id }) => !gone.has(id))
  return one && { guard: holds(direct(db).where('account.id', '=', one.id)) }
}

/** One by a group besides `groups`; of `left`'s group those who stay in it. */
const byGroupBesides = async (
  db: Db,
  gone: ReadonlySet<string>,
  groups: readonly string[],
  left: Leaving['membersOfGroup'],
): Promise<Witness> => {
  let others = byGroup(db)
  for (const id of [...groups, ...(left ? [left.groupId] : [])])
    others = others.where('group_role.group_id', '!=', id)
  for (const id of gone) others = others.where('account.id', '!=', id)
  const leavers = new Set(left?.ids)
  const staying = left
    ? await byGroup(db)
        .where('group_role.group_id', '=', left.groupId)
        .orderBy('account.id')
        .limit(leavers.size + gone.size + 1)
        .execute()
    : []
  const one =
    staying.find(({ id }) => !leavers.has(id) && !gone.has(id)) ?? (await others.limit(1).executeTakeFirst())
  return (
    one && {
      guard: holds(
        byGroup(db).where('account.id', '=', one.id).where('group_member.group_id', '=', one.groupId),
      ),
    }
  )
}

/**
 * Looks for one active administrator whom the change leaves as he is. `guard` holds at the commit while that one is
 * still there; it locks his rows, so that of two changes which each rely on the other's administrator one is lost.
 */
export const administratorAfter = async (
  db: Db,
  { accounts = [], members = [], groups = [], membersOfGroup }: Leaving,
): Promise<Witness> => {
  const gone = new Set(accounts)
  return (
    (await directBesides(db, gone.union(new Set(members)))) ??
    (await byGroupBesides(db, gone, groups, membersOfGroup))
  )
}

/** The guard that this one, to whom the commit gives the role, is an active administrator in the end. */
export const becomesAdministrator = (db: Db, id: string): Write =>
  holds(direct(db).where('account.id', '=', id))

/** Whether an active administrator remains besides the accounts `ids`, and the guard that it is still so at the commit. */
export const administratorBesides = async (
  db: Db,
  ids: readonly string[],
): Promise<
  { readonly remains: true; readonly guard: Write } | { readonly remains: false; readonly guard: undefined }
> => {
  const witness = await administratorAfter(db, { accounts: ids })
  return witness ? { remains: true, ...witness } : { remains: false, guard: undefined }
}
