/** Whether an impersonated person is told by e-mail: one attribute of the configuration store. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import {
  type ConfigurationResource,
  findConfigurationResource,
  findConfigurationType,
  tenantId,
} from './config-store.ts'
import { fact } from './facts.ts'

export const impersonationType = 'IMPERSONATION_CONFIGURATION'
const resourceName = 'TENANT_IMPERSONATION_CONFIGURATION'
const attribute = 'EnableEmailNotification'

const effective = (resource: ConfigurationResource | undefined): boolean => {
  // the default covers a missing resource; one without the attribute says no
  if (!resource) return true
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
    ? db
        .updateTable('idn_config_resource')
        .set({ last_modified: time, has_attribute: true })
        .where('id', '=', id)
    : db.insertInto('idn_config_resource').values({
        id,
        tenant_id: tenantId,
        name: resourceName,
        created_time: time,
        last_modified: time,
        has_file: false,
        has_attribute: true,
        type_id: typeId,
      })
  return [
    write(row),
    write(
      db.deleteFrom('idn_config_attribute').where('resource_id', '=', id).where('attr_key', '=', attribute),
    ),
    write(
      db.insertInto('idn_config_attribute').values({
        id: crypto.randomUUID(),
        resource_id: id,
        attr_key: attribute,
        attr_value: String(enabled),
      }),
    ),
  ]
}

/** Stores the setting; `no-type` while nobody has created the configuration type. */
export const setEmailNotification = async (
  db: Db,
  caller: Caller,
  now: Date,
  enabled: boolean,
): Promise<'stored' | 'no-type'> => {
  const { type, resource } = await read(db)
  if (!type) return 'no-type'
  const outcome = await change(db, caller, now, {
    writes: upsert(db, now, type.id, resource, enabled),
    events: [
      {
        event: 'configuration-changed',
        target: `${impersonationType}/${resourceName}`,
        data: { setting: attribute, from: effective(resource), to: enabled },
        outcome: 'Success',
      },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('the impersonation configuration appeared meanwhile')
  return 'stored'
}
