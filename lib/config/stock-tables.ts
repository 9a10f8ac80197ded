// What a WSO2 file contains that mayact answers by name: tables without meaning here, databases it does not
// speak, and keys whose purpose is served by another key.

const ignoredTables = new Set([
  'user_store',
  'datasource',
  'keystore',
  'truststore',
  'account_recovery',
  'identity',
  'recaptcha',
])

const sqliteInstead =
  'write type = "sqlite" and remove url, username and password, ' +
  'or type = "postgres" with the url of a Postgres database'

/** Database types of WSO2 that are refused, each with the line to write instead. */
export const refusedDatabases: ReadonlyMap<string, string> = new Map([
  ['h2', `"h2" is not available here; ${sqliteInstead}`],
  ...['mysql', 'mssql', 'oracle', 'db2'].map(
    (type) => [type, `"${type}" is not available here; ${sqliteInstead}`] as const,
  ),
])

/** Keys of WSO2 that mayact spells differently, with the lines to write instead. */
export const spelledDifferently: ReadonlyMap<string, string> = new Map([
  ['oauth.custom_grant_type', 'write [oauth.grant_type.token_exchange] with enable = true'],
  ['oauth.response_type', 'write [[oauth.custom_response_type]] with name, class and validator'],
])

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Splits a parsed file into what mayact reads and the names of the stock tables that mean nothing to it.
 * The document itself is left whole, since `$ref{…}` may point into an ignored table.
 */
export const withoutStockTables = (document: Readonly<Record<string, unknown>>) => {
  const ignored = Object.keys(document).filter((name) => ignoredTables.has(name))
  const kept = Object.entries(document).filter(([name]) => !ignoredTables.has(name))
  const { database } = document
  if (!isTable(database) || !Object.hasOwn(database, 'shared_db'))
    return { kept: Object.fromEntries(kept), ignored }
  const { shared_db: _, ...rest } = database
  return {
    kept: { ...Object.fromEntries(kept), database: rest },
    ignored: [...ignored, 'database.shared_db'],
  }
}
