import { availableParallelism } from 'node:os'
import type { Draft } from './draft.ts'
import type { Settings } from './schema.ts'

export type Database =
  | { readonly type: 'sqlite'; readonly path: string }
  | { readonly type: 'postgres'; readonly url: string; readonly poolSize: number }

type IdentityDatabase = Settings['database']['identity_db']
type Name = keyof IdentityDatabase

const table = 'database.identity_db'
const onlySqlite = ['path'] as const satisfies readonly Name[]
const pieces = ['hostname', 'port', 'name'] as const satisfies readonly Name[]
const onlyPostgres = [
  'url',
  ...pieces,
  'username',
  'password',
  'pool_size',
] as const satisfies readonly Name[]
const placeholder = 'postgresql://localhost'
/** Two connections for a processor and one: more of them only take the processors from each other. Five at least, for what is slow. */
const usualPoolSize = Math.max(5, 2 * availableParallelism() + 1)

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // a stray percent sign
  }
}

/**
 * Both `postgresql://…` and JDBC's `jdbc:postgresql://…?user=…&password=…`, or undefined when it is neither.
 */
const urlOf = (text: string): URL | undefined => {
  const plain = text.replace(/^jdbc:(?=postgresql:)/, '')
  if (!/^postgres(ql)?:\/\/[^/?#]/.test(plain) || !URL.canParse(plain)) return undefined
  const url = new URL(plain)
  if ([url.username, url.password, url.pathname].some((part) => decoded(part) === undefined)) return undefined
  for (const [parameter, part] of [
    ['user', 'username'],
    ['password', 'password'],
  ] as const) {
    const value = url.searchParams.get(parameter)
    if (value === null) continue
    url[part] = encodeURIComponent(value)
    url.searchParams.delete(parameter)
  }
  return url
}

const postgresUrl = ({ refuse }: Draft, database: IdentityDatabase): URL => {
  if (database.url === undefined) {
    if (database.name === undefined)
      refuse(`${table}.name`, 'is missing; give it, with hostname, username and password, or give url', [
        `${table}.url`,
      ])
    const url = new URL(placeholder)
    url.hostname = database.hostname?.includes(':')
      ? `[${database.hostname}]`
      : (database.hostname ?? 'localhost')
    url.port = String(database.port ?? 5432)
    url.pathname = `/${encodeURIComponent(database.name ?? '')}`
    return url
  }
  for (const name of pieces.filter((piece) => database[piece] !== undefined))
    refuse(`${table}.${name}`, `is already said by ${table}.url; remove one of them`)
  const url = urlOf(database.url)
  if (!url) refuse(`${table}.url`, 'must be a URL such as "postgresql://localhost:5432/mayact"')
  return url ?? new URL(placeholder)
}

/**
 * `[database.identity_db]`. A Postgres database comes out as one URL: JDBC's form, the pieces, and a user
 * name and password given beside the URL are all merged into it.
 */
export const databaseOf = (draft: Draft): Database => {
  const { settings, locate, refuse } = draft
  const database = settings.database.identity_db
  const isSqlite = database.type === 'sqlite'
  for (const name of isSqlite ? onlyPostgres : onlySqlite) {
    if (database[name] === undefined) continue
    const other = isSqlite ? 'postgres' : 'sqlite'
    const message = `means nothing with type = "${database.type}"; remove it, or write type = "${other}"`
    refuse(`${table}.${name}`, message, [`${table}.type`])
  }

  if (isSqlite) {
    if (database.path?.startsWith(':memory:') || database.path?.startsWith('file:'))
      refuse(`${table}.path`, 'must be the path of a file')
    return { type: 'sqlite', path: locate(database.path ?? `${settings.server.data}/mayact.db`) }
  }

  const url = postgresUrl(draft, database)
  for (const name of ['username', 'password'] as const) {
    const value = database[name]
    if (value === undefined) continue
    const encoded = encodeURIComponent(value)
    if (url[name] !== '' && decoded(url[name]) !== value)
      refuse(`${table}.${name}`, `differs from the one in ${table}.url; remove one of them`)
    url[name] = encoded
  }
  return { type: 'postgres', url: url.href, poolSize: database.pool_size ?? usualPoolSize }
}
