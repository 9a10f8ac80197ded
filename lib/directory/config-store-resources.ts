/** Resources of the configuration store, each with its attributes; a resource belongs to a type and to the tenant. */
import { type ExpressionBuilder, sql } from 'kysely'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Database } from '../database/schema.ts'
import type { Caller } from './caller.ts'
import { type ConfigurationType, changeStore, tenantId } from './config-store.ts'
import { instant, isTrue } from './config-store-values.ts'

export interface ConfigurationAttribute {
  readonly key: string
  readonly value: string | null
}

export interface ConfigurationResource {
  readonly id: string
  readonly name: string
  readonly createdAt: Date
  readonly modifiedAt: Date
  readonly hasFile: boolean
  /** By key; a script may have given one key several values. */
  readonly attributes: readonly ConfigurationAttribute[]
}

/** How the audit names a resource. */
export const resourceTarget = (type: Pick<ConfigurationType, 'name'>, resource: { readonly name: string }) =>
  `${type.name}/${resource.name}`

/** Which resources are meant, by columns of `idn_config_resource`. */
export type Which = (eb: ExpressionBuilder<Database, 'idn_config_resource'>) => ReturnType<typeof eb.and>

/** The resources that are meant, each with the name of its type, in two queries however many they are. */
export const readResources = async (
  db: Db,
  which: Which,
): Promise<readonly (ConfigurationResource & { readonly type: string })[]> => {
  const rows = await db
    .selectFrom('idn_config_resource')
    .innerJoin('idn_config_type', 'idn_config_type.id', 'idn_config_resource.type_id')
    .select([
      'idn_config_resource.id',
      'idn_config_resource.name',
      'idn_config_type.name as type',
      'has_file',
    ])
    .select((eb) => [
      // the drivers disagree about timestamps; as text they are the same
      sql<string>`cast(created_time as text)`.as('created'),
      sql<string>`cast(last_modified as text)`.as('modified'),
      // a script may have forgotten the flag
      eb
        .exists(
          eb
            .selectFrom('idn_config_file')
            .select('idn_config_file.id')
            .whereRef('idn_config_file.resource_id', '=', 'idn_config_resource.id'),
        )
        .as('files'),
    ])
    .where('tenant_id', '=', tenantId)
    .where(which)
    .orderBy('idn_config_type.name')
    .orderBy('idn_config_resource.name')
    .execute()
  if (rows.length === 0) return []
  const meant = db
    .selectFrom('idn_config_resource')
    .select('idn_config_resource.id')
    .where('tenant_id', '=', tenantId)
    .where(which)
  const attributes = await db
    .selectFrom('idn_config_attribute')
    .select(['resource_id', 'attr_key as key', 'attr_value as value'])
    .where('resource_id', 'in', meant)
    .orderBy('attr_key')
    .orderBy('attr_value')
    .execute()
  const byResource = Map.groupBy(attributes, ({ resource_id }) => resource_id)
  return rows.map(({ id, name, type, created, modified, has_file, files }) => ({
    id,
    name,
    type,
    createdAt: instant(created),
    modifiedAt: instant(modified),
    hasFile: isTrue(has_file) || isTrue(files),
    attributes: (byResource.get(id) ?? []).map(({ key, value }) => ({ key, value })),
  }))
}

/** One resource of a type with its attributes. */
export const findConfigurationResource = async (
  db: Db,
  typeId: string,
  name: string,
): Promise<ConfigurationResource | undefined> => {
  const [resource] = await readResources(db, (eb) =>
    eb.and([eb('idn_config_resource.type_id', '=', typeId), eb('idn_config_resource.name', '=', name)]),
  )
  return resource
}

/** The rows of a resource's attributes. */
export const attributeRows = (
  db: Db,
  resourceId: string,
  attributes: readonly ConfigurationAttribute[],
): readonly Write[] => {
  if (attributes.length === 0) return []
  const rows = attributes.map(({ key, value }) => ({
    id: crypto.randomUUID(),
    resource_id: resourceId,
    attr_key: key,
    attr_value: value,
  }))
  return [write(db.insertInto('idn_config_attribute').values(rows))]
}

/** The row of a resource that was found, as of now, with its flags; the commit is lost when it is gone. */
export const touch = (
  db: Db,
  now: Date,
  id: string,
  flags: { readonly has_attribute?: boolean; readonly has_file?: boolean },
): Write =>
  exactly(
    1,
    db
      .updateTable('idn_config_resource')
      .set({ last_modified: now.toISOString(), ...flags })
      .where('id', '=', id),
  )

interface Asked {
  readonly name: string
  readonly attributes: readonly ConfigurationAttribute[]
}

const sorted = (attributes: readonly ConfigurationAttribute[]) =>
  attributes.toSorted((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))

/** Adds a resource to a type; `taken` when the type has one of that name. */
export const createConfigurationResource = async (
  db: Db,
  caller: Caller,
  now: Date,
  type: ConfigurationType,
  { name, attributes }: Asked,
): Promise<ConfigurationResource | { readonly refused: 'taken' }> => {
  if (await findConfigurationResource(db, type.id, name)) return { refused: 'taken' }
  const id = crypto.randomUUID()
  const time = now.toISOString()
  const row = db.insertInto('idn_config_resource').values({
    id,
    tenant_id: tenantId,
    name,
    created_time: time,
    last_modified: time,
    has_file: false,
    has_attribute: attributes.length > 0,
    type_id: type.id,
  })
  await changeStore(db, caller, now, [write(row), ...attributeRows(db, id, attributes)], {
    event: 'configuration-resource-created',
    target: resourceTarget(type, { name }),
    data: { id, keys: attributes.map(({ key }) => key) },
  })
  return { id, name, createdAt: now, modifiedAt: now, hasFile: false, attributes: sorted(attributes) }
}

/** Gives a resource that was found other attributes; it keeps its id and its files. */
export const replaceConfigurationResource = async (
  db: Db,
  caller: Caller,
  now: Date,
  type: ConfigurationType,
  resource: ConfigurationResource,
  attributes: readonly ConfigurationAttribute[],
): Promise<ConfigurationResource> => {
  const { id } = resource
  const writes = [
    touch(db, now, id, { has_attribute: attributes.length > 0 }),
    write(db.deleteFrom('idn_config_attribute').where('resource_id', '=', id)),
    ...attributeRows(db, id, attributes),
  ]
  await changeStore(db, caller, now, writes, {
    event: 'configuration-resource-updated',
    target: resourceTarget(type, resource),
    data: { id, keys: attributes.map(({ key }) => key) },
  })
  return { ...resource, modifiedAt: now, attributes: sorted(attributes) }
}

/** Removes a resource that was found, with its attributes and files. */
export const deleteConfigurationResource = async (
  db: Db,
  caller: Caller,
  now: Date,
  type: Pick<ConfigurationType, 'name'>,
  resource: ConfigurationResource,
): Promise<void> => {
  const removal = db.deleteFrom('idn_config_resource').where('id', '=', resource.id)
  await changeStore(db, caller, now, [exactly(1, removal)], {
    event: 'configuration-resource-deleted',
    target: resourceTarget(type, resource),
    data: { id: resource.id, keys: resource.attributes.map(({ key }) => key) },
  })
}
