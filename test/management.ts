/** What the tests of the management APIs share: operators with few permissions, and proof that nothing happened. */
import { expect } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { counted } from '../lib/directory/population.ts'
import { addValues } from '../lib/directory/user-values.ts'
import { hashPassword } from '../lib/sign-in/password.ts'
import { type Booted, basic } from './boot.ts'

const password = 'Operator@123'
let hash: Promise<string> | undefined

/** A user who holds exactly these permissions at our own APIs; answers the headers that he sends. */
export const operator = async ({ db }: Booted, name: string, permissions: readonly string[]) => {
  hash ??= hashPassword(password)
  const [accountId, roleId, time] = [crypto.randomUUID(), crypto.randomUUID(), new Date().toISOString()]
  const times = { created_at: time, modified_at: time }
  const outcome = await commit(db, [
    write(
      db.insertInto('account').values({
        id: accountId,
        organization_id: rootOrganization.id,
        user_name: name,
        user_name_key: name.toLowerCase(),
        password_hash: await hash,
        version: 1,
        attributes: '{}',
        ...times,
      }),
    ),
    ...addValues(db, { id: accountId, organizationId: rootOrganization.id, attributes: new Map() }),
    ...counted(db, 'account', rootOrganization.id, [accountId], 1),
    write(
      db.insertInto('role').values({
        id: roleId,
        organization_id: rootOrganization.id,
        name: `role of ${name}`,
        audience_type: 'organization',
        audience_id: rootOrganization.id,
        ...times,
      }),
    ),
    write(db.insertInto('account_role').values({ account_id: accountId, role_id: roleId })),
    ...permissions.map((scope) =>
      write(db.insertInto('role_permission').values({ role_id: roleId, scope_name: scope })),
    ),
  ])
  expect(outcome).toBe('committed')
  return { Authorization: basic(name, password) }
}

const tables = [
  'account',
  'api_resource',
  'application',
  'application_api',
  'application_scope',
  'audit',
  'idn_config_attribute',
  'idn_config_file',
  'idn_config_resource',
  'idn_config_type',
  'role',
  'role_permission',
  'scope',
] as const

/** How many rows every table of the management APIs has, and the revision. */
export const stateOf = async ({ db }: Pick<Booted, 'db'>): Promise<Record<string, number>> => {
  const counts = await Promise.all(
    tables.map(async (table) => {
      const { n } = await db
        .selectFrom(table)
        .select((eb) => eb.fn.countAll().as('n'))
        .executeTakeFirstOrThrow()
      return [table, Number(n)] as const
    }),
  )
  const { n } = await db.selectFrom('revision').select('n').executeTakeFirstOrThrow()
  return { ...Object.fromEntries(counts), revision: n }
}

export interface Refusal {
  readonly status: number
  readonly code: string | number
  readonly description?: string | RegExp
}

/** The request is refused in exactly this way, and nothing else happened. */
export const expectRefusal = async (
  booted: Booted,
  request: () => Promise<Response>,
  refusal: Refusal,
): Promise<Record<string, unknown>> => {
  const before = await stateOf(booted)
  const response = await request()
  const body = (await response.json()) as Record<string, unknown>
  expect({ status: response.status, code: body.code }).toEqual({ status: refusal.status, code: refusal.code })
  const { description } = refusal
  if (typeof description === 'string') expect(body.description).toBe(description)
  else if (description) expect(body.description).toMatch(description)
  expect(body.traceId).toBe(response.headers.get('activityid'))
  expect(response.headers.get('Cache-Control')).toBe('no-store')
  expect(await stateOf(booted)).toEqual(before)
  return body
}
