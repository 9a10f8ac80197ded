/** Files of a resource of the configuration store. A file never changes: it is added, read in slices, and removed. */
import { sql } from 'kysely'
import { exactly, write } from '../database/commit.ts'
import { type Db, isPostgres } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { type ConfigurationType, changeStore } from './config-store.ts'
import { type ConfigurationResource, resourceTarget, touch } from './config-store-resources.ts'

export interface ConfigurationFile {
  readonly id: string
  /** Null where a script gave it none. */
  readonly name: string | null
}

/** The files of a resource, without their content. */
export const configurationFiles = (db: Db, resourceId: string): Promise<readonly ConfigurationFile[]> =>
  db
    .selectFrom('idn_config_file')
    .select(['id', 'name'])
    .where('resource_id', '=', resourceId)
    .orderBy('name')
    .orderBy('id')
    .execute()

// SQLite keeps what a script wrote as it was written, text too
const content = (db: Db) =>
  isPostgres(db) ? sql<Uint8Array>`coalesce(value, '')` : sql<Uint8Array>`cast(coalesce(value, x'') as blob)`

/** One file of a resource and how many bytes it has. */
export const findConfigurationFile = async (
  db: Db,
  resourceId: string,
  id: string,
): Promise<(ConfigurationFile & { readonly size: number }) | undefined> => {
  const row = await db
    .selectFrom('idn_config_file')
    .select(['id', 'name', sql<number | string>`length(${content(db)})`.as('size')])
    .where('resource_id', '=', resourceId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && { id: row.id, name: row.name, size: Number(row.size) }
}

/** A slice of a file's bytes, shorter at its end; undefined when the file is gone. */
export const readConfigurationFile = async (
  db: Db,
  id: string,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> => {
  const row = await db
    .selectFrom('idn_config_file')
    .select(
      sql<Uint8Array>`substr(${content(db)}, cast(${offset + 1} as integer), cast(${length} as integer))`.as(
        'slice',
      ),
    )
    .where('id', '=', id)
    .executeTakeFirst()
  return row?.slice
}

/** Adds a file to a resource that was found; answers its id. */
export const addConfigurationFile = async (
  db: Db,
  caller: Caller,
  now: Date,
  type: Pick<ConfigurationType, 'name'>,
  resource: ConfigurationResource,
  { name, value }: { readonly name: string; readonly value: Uint8Array },
): Promise<string> => {
  const id = crypto.randomUUID()
  const row = db.insertInto('idn_config_file').values({ id, name, value, resource_id: resource.id })
  await changeStore(db, caller, now, [touch(db, now, resource.id, { has_file: true }), write(row)], {
    event: 'configuration-file-added',
    target: resourceTarget(type, resource),
    data: { id, name, bytes: value.byteLength },
  })
  return id
}

/** Removes files of a resource, all that it has or one of them; one that is gone by then makes it `Lost`. */
export const deleteConfigurationFiles = async (
  db: Db,
  caller: Caller,
  now: Date,
  type: Pick<ConfigurationType, 'name'>,
  resource: ConfigurationResource,
  removed: readonly ConfigurationFile[],
): Promise<void> => {
  const ids = new Set(removed.map(({ id }) => id))
  const all = await configurationFiles(db, resource.id)
  const others = all.some(({ id }) => !ids.has(id))
  const rows = db.deleteFrom('idn_config_file').where('resource_id', '=', resource.id)
  const [only] = removed
  const removal = others && only ? rows.where('id', '=', only.id) : rows
  await changeStore(
    db,
    caller,
    now,
    [touch(db, now, resource.id, { has_file: others }), exactly(removed.length, removal)],
    {
      event: 'configuration-file-deleted',
      target: resourceTarget(type, resource),
      data: { files: removed.map(({ id, name }) => ({ id, name })) },
    },
  )
}
