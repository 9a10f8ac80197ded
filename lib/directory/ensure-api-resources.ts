/** What a start brings in: the configured API resources first, then the built-in ones. */
import { exactly, revisionIs, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { ApiResourceDefinition } from './api-resources.ts'
import type { Caller } from './caller.ts'
import { type Change, change, Lost } from './change.ts'
import { systemApis } from './system-apis.ts'

interface Stored {
  readonly resources: ReadonlyMap<
    string,
    { readonly id: string; readonly type: string; readonly edition: number }
  >
  /** The ids of the API resources that they belong to, by name. */
  readonly scopes: ReadonlyMap<string, string>
}

/** What is stored of these definitions; there may be many thousands of others. */
const readStored = async (db: Db, definitions: readonly ApiResourceDefinition[]): Promise<Stored> => {
  const identifiers = definitions.map(({ identifier }) => identifier)
  const names = definitions.flatMap(({ scopes }) => scopes.map(({ name }) => name))
  const [resources, scopes] = await Promise.all([
    db
      .selectFrom('api_resource')
      .select(['id', 'identifier', 'type', 'edition'])
      .where('identifier', 'in', identifiers)
      .execute(),
    db.selectFrom('scope').select(['name', 'api_resource_id as owner']).where('name', 'in', names).execute(),
  ])
  return {
    resources: new Map(resources.map(({ identifier, ...resource }) => [identifier, resource])),
    scopes: new Map(scopes.map(({ name, owner }) => [name, owner])),
  }
}

/**
 * The API resource is what its definition says from now on. One that was made by REST may have been open to every user
 * of an application: that is over, or whoever made it would have decided who gets the scopes of a system API.
 */
const retype = (
  db: Db,
  { id, type: from }: { readonly id: string; readonly type: string },
  { type, requiresAuthorization }: ApiResourceDefinition,
  time: string,
): readonly Write[] => {
  const update = db.updateTable('api_resource').where('id', '=', id).where('type', '=', from)
  if (!requiresAuthorization) return [exactly(1, update.set({ type }))]
  const policies = db.updateTable('application_api').set({ policy: 'RBAC' }).where('api_resource_id', '=', id)
  return [exactly(1, update.set({ type, authorization_required_at: time })), write(policies)]
}

/** Those that a client goes by: audiences name clients and APIs alike, and resource servers trust them. */
const namedLikeClients = async (db: Db, identifiers: readonly string[]): Promise<ReadonlySet<string>> => {
  if (identifiers.length === 0) return new Set()
  const rows = await db
    .selectFrom('application')
    .select('client_id as id')
    .where('client_id', 'in', identifiers)
    .execute()
  return new Set(rows.map(({ id }) => id))
}

/** Each identifier and each scope once: the first definition wins. */
const distinct = (definitions: readonly ApiResourceDefinition[]): readonly ApiResourceDefinition[] => {
  const identifiers = new Set<string>()
  const names = new Set<string>()
  const isNew = (seen: Set<string>, value: string) => !seen.has(value) && Boolean(seen.add(value))
  return definitions
    .filter(({ identifier }) => isNew(identifiers, identifier))
    .map((definition) => ({
      ...definition,
      scopes: definition.scopes.filter(({ name }) => isNew(names, name)),
    }))
}

const plan = (db: Db, stored: Stored, definitions: readonly ApiResourceDefinition[], now: Date) => {
  const resources = []
  const scopes = []
  const updates: Write[] = []
  const created: string[] = []
  const updated: Record<string, unknown>[] = []
  for (const definition of definitions) {
    const { identifier, name, description, type, requiresAuthorization } = definition
    const known = stored.resources.get(identifier)
    const id = known?.id ?? Bun.randomUUIDv7()
    const added = definition.scopes.filter((scope) => !stored.scopes.has(scope.name))
    for (const scope of added)
      scopes.push({
        id: Bun.randomUUIDv7(),
        name: scope.name,
        api_resource_id: id,
        display_name: scope.displayName,
        description: scope.description,
      })
    if (!known) {
      const time = now.toISOString()
      const required = requiresAuthorization ? time : null
      resources.push({
        id,
        identifier,
        name,
        description,
        type,
        authorization_required_at: required,
        created_at: time,
      })
      created.push(identifier)
      continue
    }
    const retyped = known.type !== type
    if (retyped) updates.push(...retype(db, known, definition, now.toISOString()))
    if (retyped || added.length > 0) {
      const edition = known.edition + 1
      const next = db.updateTable('api_resource').set({ edition }).where('id', '=', id)
      updates.push(exactly(1, next.where('edition', '=', known.edition)))
      updated.push({
        identifier,
        addedScopes: added.map((scope) => scope.name),
        ...(retyped ? { fromType: known.type, toType: type } : {}),
      })
    }
  }
  const writes = [
    ...updates,
    ...(resources.length > 0 ? [write(db.insertInto('api_resource').values(resources))] : []),
    ...(scopes.length > 0 ? [write(db.insertInto('scope').values(scopes))] : []),
  ]
  const target = 'api-resources'
  const events: Change['events'] = [
    ...(created.length > 0
      ? [{ event: 'api-resource-created' as const, target, data: { created }, outcome: 'Success' }]
      : []),
    ...(updated.length > 0
      ? [{ event: 'api-resource-updated' as const, target, data: { updated }, outcome: 'Success' }]
      : []),
  ]
  return { writes, events }
}

/** What `deployment.toml` defines and is not stored. */
export interface NotStored {
  /** Another API resource has the scope: it stays where it is. */
  readonly misplaced: readonly { readonly scope: string; readonly identifier: string }[]
  /** Identifiers that clients go by: neither these API resources nor their new scopes are stored. */
  readonly clients: readonly string[]
}

const misplaced = (
  { resources, scopes }: Stored,
  configured: readonly ApiResourceDefinition[],
): NotStored['misplaced'] =>
  configured.flatMap(({ identifier, scopes: defined }) =>
    defined.flatMap(({ name: scope }) => {
      const owner = scopes.get(scope)
      return owner === undefined || owner === resources.get(identifier)?.id ? [] : [{ scope, identifier }]
    }),
  )

/**
 * Stores the configured and the built-in API resources that are not there yet; of those that are, new scopes and a
 * changed type. Nothing to do writes nothing. Answers what is configured and could not be stored. Throws `Lost` when
 * another start was faster.
 */
export const ensureApiResources = async (
  db: Db,
  caller: Caller,
  now: Date,
  configured: readonly (ApiResourceDefinition & { readonly disabled: boolean })[],
): Promise<NotStored> => {
  const wanted = configured.filter(({ disabled }) => !disabled)
  const clients = await namedLikeClients(
    db,
    wanted.map(({ identifier }) => identifier),
  )
  const enabled = wanted.filter(({ identifier }) => !clients.has(identifier))
  const definitions = distinct([...enabled, ...systemApis])
  const stored = await readStored(db, definitions)
  const notStored = { misplaced: misplaced(stored, enabled), clients: [...clients] }
  const { writes, events } = plan(db, stored, definitions, now)
  if (writes.length === 0) return notStored
  const outcome = await change(db, caller, now, {
    writes: [revisionIs(caller.revision), ...writes],
    events,
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('the API resources changed meanwhile')
  return notStored
}
