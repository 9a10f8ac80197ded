/** The configuration store: types and resources in the tables that scripts write too, so nothing of it is cached. */
import { sql } from 'kysely'
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'

/** The tenant of everything here, as scripts know it. */
export const tenantId = -1234

export interface ConfigurationType {
  readonly id: string
  readonly name: string
  readonly description: string | null
}

/** Types belong to the server, not to a tenant; their names are compared as they are written. */
export const findConfigurationType = (db: Db, name: string): Promise<ConfigurationType | undefined> =>
  db
    .selectFrom('idn_config_type')
    .select(['id', 'name', 'description'])
    .where('name', '=', name)
    .executeTakeFirst()

/** Adds a type; `taken` when there is one of that name. */
export const createConfigurationType = async (
  db: Db,
  caller: Caller,
  now: Date,
  { name, description }: Pick<ConfigurationType, 'name' | 'description'>,
): Promise<ConfigurationType | { readonly refused: 'taken' }> => {
  if (await findConfigurationType(db, name)) return { refused: 'taken' }
  const type = { id: crypto.randomUUID(), name, description }
  const outcome = await change(db, caller, now, {
    writes: [write(db.insertInto('idn_config_type').values(type))],
    events: [
      { event: 'configuration-type-created', target: name, data: { id: type.id, name }, outcome: 'Success' },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost(`the configuration type ${name} appeared meanwhile`)
  return type
}

/** The names of a type's resources. */
export const configurationResourceNames = async (db: Db, typeId: string): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom('idn_config_resource')
    .select('name')
    .where('type_id', '=', typeId)
    .where('tenant_id', '=', tenantId)
    .orderBy('name')
    .execute()
  return rows.map(({ name }) => name)
}

export interface ConfigurationResource {
  readonly id: string
  readonly name: string
  readonly createdAt: Date
  readonly modifiedAt: Date
  readonly hasFile: boolean
  readonly attributes: readonly { readonly key: string; readonly value: string | null }[]
}

/** A timestamp as either database prints it: without a zone it is UTC. */
const instant = (text: string): Date => {
  const iso = text.trim().replace(' ', 'T')
  return new Date(/(?:Z|[+-]\d\d(?::?\d\d)?)$/.test(iso.slice(10)) ? iso : `${iso}Z`)
}

/** A boolean as either driver gives it, or as a script wrote it into SQLite, where a column takes anything. */
const isTrue = (value: unknown): boolean =>
  value === true || value === 1 || ['1', 't', 'true'].includes(String(value).toLowerCase())

/** One resource of a type with its attributes. */
export const findConfigurationResource = async (
  db: Db,
  typeId: string,
  name: string,
): Promise<ConfigurationResource | undefined> => {
  const row = await db
    .selectFrom('idn_config_resource')
    .select(['id', 'name', 'has_file'])
    .select([
      // the drivers disagree about timestamps; as text they are the same
      sql<string>`cast(created_time as text)`.as('created'),
      sql<string>`cast(last_modified as text)`.as('modified'),
    ])
    .where('type_id', '=', typeId)
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .executeTakeFirst()
  if (!row) return undefined
  const attributes = await db
    .selectFrom('idn_config_attribute')
    .select(['attr_key as key', 'attr_value as value'])
    .where('resource_id', '=', row.id)
    .orderBy('attr_key')
    .orderBy('attr_value')
    .execute()
  return {
    id: row.id,
    name: row.name,
    createdAt: instant(row.created),
    modifiedAt: instant(row.modified),
    hasFile: isTrue(row.has_file),
    attributes,
  }
}
