/** Fills a stopped server's database by SQL: people, groups, roles, and tokens that were issued long ago. */
import { Database as Sqlite } from 'bun:sqlite'
import { SQL } from 'bun'

const organization = '10084a8d-113f-4211-a0d5-efe36b082211'

export interface Sizes {
  readonly users: number
  readonly groups: number
  readonly roles: number
  readonly assignments: number
  readonly tokens: number
}

/** What the two engines say differently: a row for each number, and hexadecimal digits. */
interface Words {
  numbers(count: number): string
  hex(value: string, digits: number): string
  mod(value: string, by: string): string
}

const sqliteWords: Words = {
  numbers: (count) =>
    `(with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < ${count}) select i from numbers)`,
  hex: (value, digits) => `printf('%0${digits}x', ${value})`,
  mod: (value, by) => `((${value}) % ${by})`,
}
const postgresWords: Words = {
  numbers: (count) => `(select i::bigint from generate_series(1, ${count}) as series (i)) as numbers`,
  hex: (value, digits) => `lpad(to_hex(${value}), ${digits}, '0')`,
  mod: (value, by) => `mod(${value}, ${by})`,
}

const statements = (words: Words, sizes: Sizes): readonly string[] => {
  const { numbers, hex, mod } = words
  const id = (kind: string) =>
    `${hex('i', 8)} || '-${kind}-7000-8000-' || ${hex(mod('i * 2654435761', '281474976710656'), 12)}`
  const idOf = (kind: string, number: string) => id(kind).replaceAll(/\bi\b/g, `(${number})`)
  const at = `'2026-01-01T00:00:00.000Z'`
  const value = (path: string, key: string) =>
    `insert into account_value (account_id, organization_id, path, item, value_key)
     select ${id('0001')}, '${organization}', '${path}', 0, ${key} from ${numbers(sizes.users)}`
  const given = `'given' || ${mod('i', '1000')}`
  const family = `'family' || ${mod('i', '50000')}`
  const counts = (kind: string) =>
    `insert into population (kind, organization_id, block, n)
     select '${kind}', organization_id, substr(id, 35), count(*) from ${kind} group by organization_id, substr(id, 35)`
  return [
    `insert into account (id, organization_id, user_name, user_name_key, version, edition, email, attributes, created_at, modified_at)
     select ${id('0001')}, '${organization}', 'user' || i, 'user' || i, 1, 1, 'user' || i || '@example.com',
       '{"name":{"givenName":"' || ${given} || '","familyName":"' || ${family} || '"},"emails":[{"value":"user' || i || '@example.com","type":"work","primary":true}]}',
       ${at}, ${at} from ${numbers(sizes.users)}`,
    value('name.givenname', given),
    value('name.familyname', family),
    value('emails.value', `'user' || i || '@example.com'`),
    value('emails.type', `'work'`),
    value('emails.primary', `'true'`),
    `insert into account_without (organization_id, path, account_id)
     select '${organization}', 'displayname', ${id('0001')} from ${numbers(sizes.users)}`,
    `insert into user_group (id, organization_id, name, name_key, edition, created_at, modified_at)
     select ${id('0002')}, '${organization}', 'group' || i, 'group' || i, 1, ${at}, ${at} from ${numbers(sizes.groups)}`,
    `insert into group_member (account_id, group_id)
     select ${id('0001')}, ${idOf('0002', `1 + ${mod('i', String(sizes.groups))}`)} from ${numbers(sizes.users)}`,
    `insert into role (id, organization_id, name, audience_type, audience_id, edition, created_at, modified_at)
     select ${id('0003')}, '${organization}', 'role' || i, 'organization', '${organization}', 1, ${at}, ${at} from ${numbers(sizes.roles)}`,
    `insert into account_role (account_id, role_id)
     select ${id('0001')}, ${idOf('0003', `1 + ${mod('i', String(sizes.roles))}`)} from ${numbers(sizes.assignments)}`,
    'delete from population',
    counts('account'),
    counts('user_group'),
    counts('role'),
    ...(sizes.tokens === 0
      ? []
      : [
          `insert into lineage (id, kind, session_id, ends_at)
           select ${id('0004')}, 'grant', null, '2030-01-01T00:00:00.000Z' from ${numbers(Math.ceil(sizes.tokens / 10))}`,
          `insert into token (hash, id, class, lineage_id, application_id, client_id, organization_id, subject_id, scopes, issued_at, expires_at)
           select ${hex(mod('i * 2654435761', '281474976710656'), 12)} || ${hex('i', 31)}, ${id('0005')}, 'access',
             ${idOf('0004', `1 + ${mod('i', String(Math.ceil(sizes.tokens / 10)))}`)}, 'application', 'client', '${organization}', ${idOf('0001', `1 + ${mod('i', String(Math.max(1, sizes.users)))}`)},
             'openid internal_user_mgt_view', ${at}, '2030-01-01T00:00:00.000Z' from ${numbers(sizes.tokens)}`,
        ]),
  ]
}

/** Fills the database of a stopped server: a SQLite file, or one in Postgres by its URL. */
export const populate = async (
  place: { readonly file: string } | { readonly url: string },
  sizes: Sizes,
): Promise<void> => {
  if ('url' in place) {
    const sql = new SQL(place.url, { max: 1 })
    for (const statement of statements(postgresWords, sizes)) await sql.unsafe(statement)
    await sql.unsafe('analyze')
    await sql.end()
    return
  }
  const database = new Sqlite(place.file)
  database.exec('pragma synchronous = off; pragma cache_size = -500000; begin')
  for (const statement of statements(sqliteWords, sizes)) database.exec(statement)
  // not analyzed, as the server's own never is: it would be told that the tables of what happens are empty
  database.exec('commit; pragma wal_checkpoint(truncate)')
  database.close()
}
