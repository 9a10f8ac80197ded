/** Attributes of a resource of the configuration store, one at a time. The audit has their keys, never their values. */
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { type ConfigurationType, changeStore } from './config-store.ts'
import {
  attributeRows,
  type ConfigurationAttribute,
  type ConfigurationResource,
  resourceTarget,
  touch,
} from './config-store-resources.ts'

/** Columns are 1023 characters wide. */
export const longestValue = 1023

/** Key and value together stand in an index, whose rows have at most so many bytes in Postgres. */
export const largestAttribute = 2400

/** The attribute of that key; the first one where a script gave it several values. */
export const attributeOf = (
  resource: ConfigurationResource,
  key: string,
): ConfigurationAttribute | undefined => resource.attributes.find((attribute) => attribute.key === key)

const rowsOf = (db: Db, resource: ConfigurationResource, key: string) =>
  db.deleteFrom('idn_config_attribute').where('resource_id', '=', resource.id).where('attr_key', '=', key)

/** Adds an attribute to a resource that was found, or replaces all that the key had. */
export const setConfigurationAttribute = async (
  db: Db,
  caller: Caller,
  now: Date,
  type: Pick<ConfigurationType, 'name'>,
  resource: ConfigurationResource,
  attribute: ConfigurationAttribute,
): Promise<void> => {
  const known = attributeOf(resource, attribute.key) !== undefined
  const writes = [
    touch(db, now, resource.id, { has_attribute: true }),
    write(rowsOf(db, resource, attribute.key)),
    ...attributeRows(db, resource.id, [attribute]),
  ]
  await changeStore(db, caller, now, writes, {
    event: known ? 'configuration-attribute-updated' : 'configuration-attribute-added',
    target: resourceTarget(type, resource),
    data: { key: attribute.key },
  })
}

/** Removes an attribute that was found. */
export const deleteConfigurationAttribute = async (
  db: Db,
  caller: Caller,
  now: Date,
  type: Pick<ConfigurationType, 'name'>,
  resource: ConfigurationResource,
  key: string,
): Promise<void> => {
  const others = resource.attributes.some((attribute) => attribute.key !== key)
  const writes = [touch(db, now, resource.id, { has_attribute: others }), write(rowsOf(db, resource, key))]
  await changeStore(db, caller, now, writes, {
    event: 'configuration-attribute-deleted',
    target: resourceTarget(type, resource),
    data: { key },
  })
}
