/**
 * Writes lib/database/schema.ts from schema.sql: the script is applied to an empty SQLite and introspected.
 * `bun lib/database/generate.ts` writes it, `--check` fails when the file on disk is not what would be written.
 */
import { Database as Sqlite } from 'bun:sqlite'
import { Kysely, SqliteDialect } from 'kysely'

/** Columns that the two databases read back differently; SQLite gives 0/1, text and Uint8Array. */
const overrides: Readonly<Record<string, string>> = {
  'idn_config_resource.created_time': 'ColumnType<string | Date, string, string>',
  'idn_config_resource.last_modified': 'ColumnType<string | Date, string, string>',
  'idn_config_resource.has_file': 'ColumnType<boolean | number, boolean | number, boolean | number>',
  'idn_config_resource.has_attribute': 'ColumnType<boolean | number, boolean | number, boolean | number>',
}

const types: Readonly<Record<string, string>> = {
  text: 'string',
  integer: 'number',
  int: 'number',
  'varchar(255)': 'string',
  'varchar(1023)': 'string',
  bytea: 'Uint8Array',
}

const typeOf = (
  table: string,
  column: { name: string; dataType: string; isNullable: boolean; hasDefaultValue: boolean },
) => {
  const type = overrides[`${table}.${column.name}`] ?? types[column.dataType.toLowerCase()]
  if (!type) throw new Error(`schema.sql: no TypeScript type for ${table}.${column.name} ${column.dataType}`)
  const read = column.isNullable ? `${type} | null` : type
  return column.hasDefaultValue ? `Generated<${read}>` : read
}

/** The text of schema.ts for a text of schema.sql. */
export const generate = async (script: string): Promise<string> => {
  const database = new Sqlite(':memory:')
  database.exec(script)
  // bun:sqlite's class is what Kysely asks of better-sqlite3, but for its types
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: database as never }) })
  const tables = await db.introspection.getTables()
  await db.destroy()
  tables.sort((a, b) => a.name.localeCompare(b.name))
  const name = (table: string) =>
    table.replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())
  const interfaces = tables.map((table) => {
    const columns = table.columns.map((column) => `  ${column.name}: ${typeOf(table.name, column)}`)
    return `export interface ${name(table.name)}Table {\n${columns.join('\n')}\n}\n`
  })
  const all = tables.map((table) => `  ${table.name}: ${name(table.name)}Table`)
  return `// Generated from schema.sql by lib/database/generate.ts: change schema.sql, then run it.\nimport type { ColumnType, Generated } from 'kysely'\n\n${interfaces.join('\n')}\nexport interface Database {\n${all.join('\n')}\n}\n`
}

if (import.meta.main) {
  const root = new URL('../../', import.meta.url)
  const target = Bun.file(new URL('lib/database/schema.ts', root))
  const text = await generate(await Bun.file(new URL('schema.sql', root)).text())
  if (!process.argv.includes('--check')) await Bun.write(target, text)
  else if ((await target.text().catch(() => '')) !== text) {
    console.error('lib/database/schema.ts is not what schema.sql says: run bun lib/database/generate.ts')
    process.exit(1)
  }
}
