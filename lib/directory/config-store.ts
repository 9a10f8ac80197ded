/**
 * The configuration store: what is common to all of it, and its types. Scripts write the same tables, so nothing of it
 * is cached. Every change grows the revision: no other change can come between what a request read and its commit.
 */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { type Change, change, Lost } from './change.ts'

/** The tenant of everything here, as scripts know it. */
export const tenantId = -1234

/** Its domain. */
export const tenantDomain = 'carbon.super'

/** Commits a change of the store with its one audit row; a script that was faster makes it `Lost`. */
export const changeStore = async (
  db: Db,
  caller: Caller,
  now: Date,
  writes: readonly Write[],
  event: Omit<Change['events'][number], 'outcome'>,
): Promise<void> => {
  const events = [{ ...event, outcome: 'Success' }]
  const outcome = await change(db, caller, now, { writes, events, administrative: true })
  if (outcome === 'conflict') throw new Lost(`${event.target} of the configuration store changed meanwhile`)
}

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

/** Adds a type; `taken` when there is one of that name. */
export const createConfigurationType = async (
  db: Db,
  caller: Caller,
  now: Date,
  { name, description }: Pick<ConfigurationType, 'name' | 'description'>,
): Promise<ConfigurationType | { readonly refused: 'taken' }> => {
  if (await findConfigurationType(db, name)) return { refused: 'taken' }
  const type = { id: crypto.randomUUID(), name, description }
  await changeStore(db, caller, now, [write(db.insertInto('idn_config_type').values(type))], {
    event: 'configuration-type-created',
    target: name,
    data: { id: type.id, name },
  })
  return type
}

/** Gives a type that was found another description; none takes it away. */
export const describeConfigurationType = async (
  db: Db,
  caller: Caller,
  now: Date,
  { id, name }: ConfigurationType,
  description: string | null,
): Promise<ConfigurationType> => {
  const update = db.updateTable('idn_config_type').set({ description }).where('id', '=', id)
  await changeStore(db, caller, now, [exactly(1, update)], {
    event: 'configuration-type-updated',
    target: name,
    data: { id, name },
  })
  return { id, name, description }
}

/** Removes a type that was found, with its resources, their attributes and files. */
export const deleteConfigurationType = async (
  db: Db,
  caller: Caller,
  now: Date,
  { id, name }: ConfigurationType,
): Promise<void> => {
  const resources = await configurationResourceNames(db, id)
  const removal = db.deleteFrom('idn_config_type').where('id', '=', id)
  await changeStore(db, caller, now, [exactly(1, removal)], {
    event: 'configuration-type-deleted',
    target: name,
    data: { id, name, resources: resources.length },
  })
}
