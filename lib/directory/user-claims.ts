/**
 * The claims about a user that a grant gives: those of its scopes, and those asked for one by one in the `claims`
 * parameter (OpenID Connect Core §5.4, §5.5), among what the server's scopes list at all. Never `sub`.
 */
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'
import type { Application } from './applications.ts'
import { isObject, parseAttributes } from './attributes.ts'
import { fact } from './facts.ts'
import { oidcScopesAt } from './oidc-scopes.ts'
import { claimOf } from './person.ts'

interface Row {
  readonly user_name: string
  readonly email: string | null
  readonly attributes: string
  readonly modified_at: string
}

const selectPerson = prepared<{ id: string }, Row>((db, parameter) =>
  db
    .selectFrom('account')
    .select(['user_name', 'email', 'attributes', 'modified_at'])
    .where('id', '=', parameter('id')),
)

const selectRoles = prepared<
  { account: string; member: string; type: string; audience: string },
  { name: string }
>((db, parameter) =>
  db
    .selectFrom('role')
    .select('role.name')
    .where('role.audience_type', '=', parameter('type'))
    .where('role.audience_id', '=', parameter('audience'))
    // given to him, or to a group that he is in
    .where(({ eb, or, selectFrom }) =>
      or([
        eb(
          'role.id',
          'in',
          selectFrom('account_role').select('role_id').where('account_id', '=', parameter('account')),
        ),
        eb(
          'role.id',
          'in',
          selectFrom('group_member')
            .innerJoin('group_role', 'group_role.group_id', 'group_member.group_id')
            .select('group_role.role_id')
            .where('group_member.account_id', '=', parameter('member')),
        ),
      ]),
    )
    .orderBy('role.name'),
)

const selectGroups = prepared<{ account: string }, { name: string }>((db, parameter) =>
  db
    .selectFrom('group_member')
    .innerJoin('user_group', 'user_group.id', 'group_member.group_id')
    .select('user_group.name')
    .where('group_member.account_id', '=', parameter('account'))
    .orderBy('user_group.name'),
)

/** The names of the account's groups. */
const groupsOf = async (db: Db, accountId: string): Promise<readonly string[]> => {
  const rows = await rowsOf(db, selectGroups(db, { account: accountId }))
  return rows.map(({ name }) => name)
}

/** The names of the account's roles that count in the application. */
const rolesIn = async (db: Db, application: Application, accountId: string): Promise<readonly string[]> => {
  const [type, audience] =
    application.allowedAudience === 'APPLICATION'
      ? ['application', application.id]
      : ['organization', application.organizationId]
  const rows = await rowsOf(db, selectRoles(db, { account: accountId, member: accountId, type, audience }))
  return rows.map(({ name }) => name)
}

/** A claim asked for with a `value`, or with `values`, is given only when it is one of them. */
const isAcceptable = (asked: unknown, value: unknown): boolean => {
  if (!isObject(asked)) return true
  const wanted = [
    ...('value' in asked ? [asked.value] : []),
    ...(Array.isArray(asked.values) ? asked.values : []),
  ]
  return wanted.length === 0 || wanted.some((item) => Bun.deepEquals(item, value, true))
}

/** Every claim that some scope gives. */
export const supportedClaims = (db: Db, n: number): Promise<ReadonlySet<string>> =>
  fact(db, n, 'claims of the oidc scopes', async () => {
    const scopes = await oidcScopesAt(db, n)
    return new Set([...scopes.values()].flatMap(({ claims }) => claims))
  })

/**
 * The claims of the account at the application as of `revision`; those without a value are left out. `scopes` are
 * the granted ones, `requested` a member of the `claims` parameter: what it names that is unknown is ignored.
 */
export const userClaims = async (
  db: Db,
  revision: number,
  application: Application,
  accountId: string,
  scopes: readonly string[],
  requested: Readonly<Record<string, unknown>> = {},
): Promise<Record<string, unknown>> => {
  const [all, supported] = await Promise.all([oidcScopesAt(db, revision), supportedClaims(db, revision)])
  const byScope = new Set(scopes.flatMap((scope) => all.get(scope)?.claims ?? []))
  const asked = Object.keys(requested).filter((name) => supported.has(name))
  const names = new Set([...byScope, ...asked])
  names.delete('sub')
  if (names.size === 0) return {}
  const [row] = await rowsOf(db, selectPerson(db, { id: accountId }))
  if (!row) return {}
  const person = {
    userName: row.user_name,
    email: row.email,
    attributes: parseAttributes(row.attributes),
    modifiedAt: row.modified_at,
  }
  const claims: Record<string, unknown> = {}
  for (const name of names) {
    const value =
      name === 'roles'
        ? await rolesIn(db, application, accountId)
        : name === 'groups'
          ? await groupsOf(db, accountId)
          : claimOf(person, name)
    if (value === undefined) continue
    if (!byScope.has(name) && !isAcceptable(requested[name], value)) continue
    claims[name] = value
  }
  return claims
}
