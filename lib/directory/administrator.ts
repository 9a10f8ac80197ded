/** The Administrator role and its first member, as a start brings them in. */
import { mask } from '../audit.ts'
import { exactly, revisionIs, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { userNameKey } from './accounts.ts'
import type { Caller } from './caller.ts'
import { type Change, change, Lost } from './change.ts'
import { administratorRole } from './permissions.ts'
import { counted } from './population.ts'
import { addValues } from './user-values.ts'

/** The account that the very first start creates. */
export interface FirstAdministrator {
  readonly userName: string
  /** Asked for only when the account is created. */
  passwordHash(): Promise<string>
  /** The password is the one that everybody knows. */
  readonly shipped: boolean
}

type Event = Change['events'][number]

/** The ids of administrators who still have the password that everybody knows. */
export const administratorsWithShippedPassword = async (db: Db): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom('account_role')
    .innerJoin('account', 'account.id', 'account_role.account_id')
    .select('account.id')
    .where('account_role.role_id', '=', administratorRole.id)
    .where('account.password_shipped_at', 'is not', null)
    .execute()
  return rows.map(({ id }) => id)
}

const { id: roleId, name } = administratorRole

const findMissing = async (db: Db): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom('scope')
    .select('name')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('role_permission')
            .select('role_id')
            .where('role_id', '=', roleId)
            .whereRef('scope_name', '=', 'scope.name'),
        ),
      ),
    )
    .orderBy('name')
    .execute()
  return rows.map((row) => row.name)
}

/** Whether nobody is an administrator and nobody has that name: else an account is never touched. */
const isWanted = async (db: Db, organizationId: string, userName: string): Promise<boolean> => {
  const [member, memberOfGroup, account] = await Promise.all([
    db.selectFrom('account_role').select('account_id').where('role_id', '=', roleId).executeTakeFirst(),
    db
      .selectFrom('group_role')
      .innerJoin('group_member', 'group_member.group_id', 'group_role.group_id')
      .select('group_member.account_id')
      .where('group_role.role_id', '=', roleId)
      .executeTakeFirst(),
    db
      .selectFrom('account')
      .select('id')
      .where('organization_id', '=', organizationId)
      .where('user_name_key', '=', userNameKey(userName))
      .executeTakeFirst(),
  ])
  return !member && !memberOfGroup && !account
}

const roleRow = (organizationId: string, time: string) => ({
  id: roleId,
  organization_id: organizationId,
  name,
  audience_type: 'organization',
  audience_id: organizationId,
  created_at: time,
  modified_at: time,
})

const accountWrites = async (
  db: Db,
  organizationId: string,
  time: string,
  { userName, passwordHash, shipped }: FirstAdministrator,
): Promise<{ readonly writes: readonly Write[]; readonly event: Event }> => {
  const id = Bun.randomUUIDv7()
  const account = {
    id,
    organization_id: organizationId,
    user_name: userName,
    user_name_key: userNameKey(userName),
    password_hash: await passwordHash(),
    password_shipped_at: shipped ? time : null,
    version: 1,
    attributes: '{}',
    created_at: time,
    modified_at: time,
  }
  return {
    writes: [
      write(db.insertInto('account').values(account)),
      ...addValues(db, { id: account.id, organizationId: account.organization_id, attributes: new Map() }),
      write(db.insertInto('account_role').values({ account_id: id, role_id: roleId })),
      ...counted(db, 'account', organizationId, [id], 1),
    ],
    event: {
      event: 'user-created',
      target: id,
      data: { userName: mask(userName), roles: [name] },
      subjectId: id,
      outcome: 'Success',
    },
  }
}

/**
 * Gives Administrator every scope that it does not have yet, and creates `first` in it when there is no administrator
 * at all. Nothing to do writes nothing. Answers whether the account was created; throws `Lost` when another start was
 * faster.
 */
export const ensureAdministrator = async (
  db: Db,
  caller: Caller,
  now: Date,
  first: FirstAdministrator | undefined,
): Promise<{ readonly created: boolean }> => {
  const { organizationId } = caller
  const [role, missing, wanted] = await Promise.all([
    db.selectFrom('role').select('id').where('id', '=', roleId).executeTakeFirst(),
    findMissing(db),
    first !== undefined && isWanted(db, organizationId, first.userName),
  ])
  if (role && missing.length === 0 && !wanted) return { created: false }
  const time = now.toISOString()
  const account = first && wanted ? await accountWrites(db, organizationId, time, first) : undefined
  const permissions = missing.map((scope) => ({ role_id: roleId, scope_name: scope }))
  const ownRole = role
    ? [
        exactly(
          1,
          db
            .updateTable('role')
            .set((eb) => ({ modified_at: time, edition: eb('edition', '+', 1) }))
            .where('id', '=', roleId),
        ),
      ]
    : [
        write(db.insertInto('role').values(roleRow(organizationId, time))),
        ...counted(db, 'role', organizationId, [roleId], 1),
      ]
  const outcome = await change(db, caller, now, {
    writes: [
      revisionIs(caller.revision),
      ...ownRole,
      ...(permissions.length > 0 ? [write(db.insertInto('role_permission').values(permissions))] : []),
      ...(account?.writes ?? []),
    ],
    events: [
      {
        event: role ? 'role-updated' : 'role-created',
        target: roleId,
        data: { name, addedPermissions: missing, ...(account ? { addedUsers: [account.event.target] } : {}) },
        outcome: 'Success',
      },
      ...(account ? [account.event] : []),
    ],
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('the Administrator role changed meanwhile')
  return { created: account !== undefined }
}
