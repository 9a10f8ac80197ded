/** Whether an impersonated person is told by e-mail: one attribute of the configuration store. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { changeStore, findConfigurationType, tenantId } from './config-store.ts'
import {
  attributeRows,
  type ConfigurationResource,
  findConfigurationResource,
  resourceTarget,
  touch,
} from './config-store-resources.ts'
import { fact } from './facts.ts'

export const impersonationType = 'IMPERSONATION_CONFIGURATION'
const resourceName = 'TENANT_IMPERSONATION_CONFIGURATION'
const attribute = 'EnableEmailNotification'
const initially = true

const effective = (resource: ConfigurationResource | undefined): boolean => {
  // the default covers a missing resource; one without the attribute says no
  if (!resource) return initially
  return resource.attributes.some(({ key, value }) => key === attribute && value?.toLowerCase() === 'true')
}

const read = async (db: Db) => {
  const type = await findConfigurationType(db, impersonationType)
  return { type, resource: type && (await findConfigurationResource(db, type.id, resourceName)) }
}

/** True unless somebody switched it off, also while the type does not exist. */
export const isEmailNotificationEnabled = async (db: Db): Promise<boolean> =>
  effective((await read(db)).resource)

/** The same as of revision `n`, asked by every exchange. */
export const isNoticeOn = (db: Db, n: number): Promise<boolean> =>
  fact(db, n, 'impersonation notice', () => isEmailNotificationEnabled(db))

const upsert = (
  db: Db,
  now: Date,
  typeId: string,
  resource: ConfigurationResource | undefined,
  enabled: boolean,
): readonly Write[] => {
  const time = now.toISOString()
  const id = resource?.id ?? crypto.randomUUID()
  const row = resource
    ? touch(db, now, id, { has_attribute: true })
    : write(
        db.insertInto('idn_config_resource').values({
          id,
          tenant_id: tenantId,
          name: resourceName,
          created_time: time,
          last_modified: time,
          has_file: false,
          has_attribute: true,
          type_id: typeId,
        }),
      )
  return [
    row,
    write(
      db.deleteFrom('idn_config_attribute').where('resource_id', '=', id).where('attr_key', '=', attribute),
    ),
    ...attributeRows(db, id, [{ key: attribute, value: String(enabled) }]),
  ]
}

const store = (
  db: Db,
  caller: Caller,
  now: Date,
  writes: readonly Write[],
  { from, to }: { readonly from: boolean; readonly to: boolean },
) =>
  changeStore(db, caller, now, writes, {
    event: 'configuration-changed',
    target: resourceTarget({ name: impersonationType }, { name: resourceName }),
    data: { setting: attribute, from, to },
  })

/** Stores the setting; `no-type` while nobody has created the configuration type. */
export const setEmailNotification = async (
  db: Db,
  caller: Caller,
  now: Date,
  enabled: boolean,
): Promise<'stored' | 'no-type'> => {
  const { type, resource } = await read(db)
  if (!type) return 'no-type'
  const writes = upsert(db, now, type.id, resource, enabled)
  await store(db, caller, now, writes, { from: effective(resource), to: enabled })
  return 'stored'
}

/** Removes what is stored: the default counts again. There may be nothing to remove. */
export const resetEmailNotification = async (db: Db, caller: Caller, now: Date): Promise<void> => {
  const { resource } = await read(db)
  if (!resource) return
  const removal = db.deleteFrom('idn_config_resource').where('id', '=', resource.id)
  await store(db, caller, now, [exactly(1, removal)], { from: effective(resource), to: initially })
}
