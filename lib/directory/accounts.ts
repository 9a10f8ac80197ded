/** Accounts as decisions see them: status, version and roles, always read fresh. */
import { sql } from 'kysely'
import { exactly, holds, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'

export interface Account {
  readonly id: string
  readonly organizationId: string
  readonly userName: string
  readonly version: number
  readonly lockedAt: string | null
  readonly disabledAt: string | null
  /** Since when nobody may act for this user, because he said so (`impersonation/preference.ts`). */
  readonly optedOutAt: string | null
  readonly passwordHash: string | null
  /** Where mail goes. */
  readonly email: string | null
  /** Those given to it and those of its groups, each once. */
  readonly roleIds: readonly string[]
}

/** The key by which names are compared: case does not distinguish users. */
export const userNameKey = (userName: string): string => userName.normalize('NFC').toLowerCase()

const select = (db: Db) =>
  db
    .selectFrom('account')
    .select([
      'id',
      'organization_id as organizationId',
      'user_name as userName',
      'version',
      'locked_at as lockedAt',
      'disabled_at as disabledAt',
      'opted_out_at as optedOutAt',
      'password_hash as passwordHash',
      'email',
    ])
    .select([
      sql<
        string | null
      >`(select string_agg(role_id, ' ') from account_role where account_id = account.id)`.as('roles'),
      sql<
        string | null
      >`(select string_agg(role_id, ' ') from group_member inner join group_role on group_role.group_id = group_member.group_id where account_id = account.id)`.as(
        'groupRoles',
      ),
    ])

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const words = (text: string | null): readonly string[] => text?.split(' ') ?? []

const toAccount = ({ roles, groupRoles, ...row }: Row): Account => ({
  ...row,
  roleIds: [...new Set([...words(roles), ...words(groupRoles)])].sort(),
})

const selectOne = prepared<{ id: string }, Row>((db, parameter) =>
  select(db).where('id', '=', parameter('id')),
)
const selectTwo = prepared<{ one: string; other: string }, Row>((db, parameter) =>
  select(db).where('id', 'in', [parameter('one'), parameter('other')]),
)

/** One or two accounts by id in one query; those that do not exist are left out. */
export const findAccounts = async (
  db: Db,
  ids: readonly [string] | readonly [string, string],
): Promise<ReadonlyMap<string, Account>> => {
  const [one, other] = ids
  const rows = await rowsOf(
    db,
    other === undefined ? selectOne(db, { id: one }) : selectTwo(db, { one, other }),
  )
  return new Map(rows.map((row) => [row.id, toAccount(row)]))
}

export const findAccount = async (db: Db, id: string): Promise<Account | undefined> =>
  (await findAccounts(db, [id])).get(id)

export const findAccountByName = async (
  db: Db,
  organizationId: string,
  userName: string,
): Promise<Account | undefined> => {
  const row = await select(db)
    .where('organization_id', '=', organizationId)
    .where('user_name_key', '=', userNameKey(userName))
    .executeTakeFirst()
  return row && toAccount(row)
}

/** Neither locked nor disabled. */
export const isActive = (account: Account): boolean =>
  account.lockedAt === null && account.disabledAt === null

const selectVersion = prepared<{ id: string; version: number }, unknown>((db, parameter) =>
  db
    .selectFrom('account')
    .select('id')
    .where('id', '=', parameter('id'))
    .where('version', '=', parameter('version')),
)

/** The account's status, roles and credentials are still what `version` says: the guard of every decision on it. */
export const accountIs = (db: Db, { id, version }: Pick<Account, 'id' | 'version'>): Write =>
  holds(selectVersion(db, { id, version }))

/**
 * Takes the account's row for oneself, unchanged. A commit that guards an account and then writes it begins with this:
 * two of them would hold the row together and then wait for each other.
 */
export const claimAccount = (db: Db, id: string): Write =>
  exactly(
    1,
    db
      .updateTable('account')
      .set((eb) => ({ version: eb.ref('version') }))
      .where('id', '=', id),
  )
