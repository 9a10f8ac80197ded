/** Brings an empty database to this version's tables, and refuses one of another version. */
import schema from '../../schema.sql' with { type: 'text' }
import { runScript } from './commit.ts'
import { type Db, isPostgres } from './connect.ts'

/** The version of schema.sql; stored in `meta`. */
export const schemaVersion = 4

/** The root organization: WSO2's fixed id and name (facts/rest-apis.md §0.1). */
export const rootOrganization = { id: '10084a8d-113f-4211-a0d5-efe36b082211', name: 'Super' } as const

/** The configuration types of a fresh server; IMPERSONATION_CONFIGURATION is left to the operator (design.md §2.5). */
const configurationTypes = [
  [
    '9ab0ef95-13e9-4ed5-afaf-d29bed62f7bd',
    'IDP_TEMPLATE',
    'A resource type to keep identity provider templates.',
  ],
  [
    '3c4ac3d0-5903-4e3d-aaca-38df65b33bfd',
    'APPLICATION_TEMPLATE',
    'A resource type to keep application templates.',
  ],
  ['8ec6dbf1-218a-49bf-bc34-0d2db52d151c', 'CORS_CONFIGURATION', 'A resource type to keep CORS settings.'],
  ['669b99ca-cdb0-44a6-8cae-babed3b585df', 'Publisher', 'A resource type to keep notification senders.'],
  [
    '73f6d9ca-62f4-4566-bab9-2a930ae51ba8',
    'BRANDING_PREFERENCES',
    'A resource type to keep branding settings.',
  ],
] as const

/** The database is of another version; the message says which way to go. */
export class SchemaVersionError extends Error {
  override readonly name = 'SchemaVersionError'
}

const storedVersion = async (db: Db): Promise<number | undefined> => {
  try {
    const row = await db
      .selectFrom('meta')
      .select('value')
      .where('name', '=', 'schema_version')
      .executeTakeFirst()
    return row ? Number(row.value) : undefined
  } catch (error) {
    // only now, since looking at every table costs each start four milliseconds
    const tables = await db.introspection.getTables()
    if (tables.some(({ name }) => name === 'meta')) throw error
    return undefined
  }
}

/** SQLite compares texts by their bytes; so does Postgres then, whatever its locale: one order, one range of a prefix. */
const collated = (script: string) => script.replaceAll(/^( {2}\w+ text)\b/gm, '$1 collate "C"')

const quote = (value: string) => `'${value.replaceAll("'", "''")}'`

/**
 * Creates the tables and the first rows when there are none; two servers starting at once agree on one creation.
 * Answers what was done. Throws `SchemaVersionError`.
 */
export const migrate = async (db: Db, now: Date): Promise<'created' | 'current'> => {
  const version = await storedVersion(db)
  if (version === undefined) {
    const types = configurationTypes.map((type) => `(${type.map(quote).join(', ')})`)
    const script = `${isPostgres(db) ? collated(schema) : schema}
      insert into revision (id, n) values (1, 1);
      insert into organization (id, name, created_at) values (${quote(rootOrganization.id)}, ${quote(rootOrganization.name)}, ${quote(now.toISOString())});
      insert into idn_config_type (id, name, description) values ${types.join(', ')};
      insert into meta (name, value) values ('schema_version', ${quote(String(schemaVersion))});`
    try {
      await runScript(db, script)
      return 'created'
    } catch (error) {
      // another process may have been faster: then its tables are there, whole
      if ((await storedVersion(db)) === schemaVersion) return 'current'
      throw error
    }
  }
  if (version < schemaVersion) {
    throw new SchemaVersionError(
      `the database has schema version ${version}, this mayact needs ${schemaVersion}: it is from before the first release and is not upgraded, begin with an empty one`,
    )
  }
  if (version > schemaVersion) {
    throw new SchemaVersionError(
      `the database has schema version ${version}, this mayact knows ${schemaVersion}: it was written by a newer mayact, start that one`,
    )
  }
  return 'current'
}
