/** What a start brings in: the configured API resources first, then the built-in ones. */
import { exactly, revisionIs, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { ApiResourceDefinition } from './api-resources.ts'
import type { Caller } from './caller.ts'
import { type Change, change, Lost } from './change.ts'
import { systemApis } from './system-apis.ts'

interface Stored {
  readonly resources: ReadonlyMap<string, { readonly id: string; readonly type: string }>
  readonly scopes: ReadonlySet<string>
}

const readStored = async (db: Db): Promise<Stored> => {
  const [resources, scopes] = await Promise.all([
    db.selectFrom('api_resource').select(['id', 'identifier', 'type']).execute(),
    db.selectFrom('scope').select('name').execute(),
  ])
  return {
    resources: new Map(resources.map(({ id, identifier, type }) => [identifier, { id, type }])),
    scopes: new Set(scopes.map(({ name }) => name)),
  }
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
  for (const { identifier, name, description, type, requiresAuthorization, ...definition } of definitions) {
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
    if (retyped) {
      const update = db.updateTable('api_resource').set({ type }).where('id', '=', id)
      updates.push(exactly(1, update.where('type', '=', known.type)))
    }
    if (retyped || added.length > 0)
      updated.push({
        identifier,
        addedScopes: added.map((scope) => scope.name),
        ...(retyped ? { fromType: known.type, toType: type } : {}),
      })
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

/**
 * Stores the configured and the built-in API resources that are not there yet; of those that are, new scopes and a
 * changed type. Nothing to do writes nothing. Throws `Lost` when another start was faster.
 */
export const ensureApiResources = async (
  db: Db,
  caller: Caller,
  now: Date,
  configured: readonly (ApiResourceDefinition & { readonly disabled: boolean })[],
): Promise<void> => {
  const definitions = distinct([...configured.filter(({ disabled }) => !disabled), ...systemApis])
  const { writes, events } = plan(db, await readStored(db), definitions, now)
  if (writes.length === 0) return
  const outcome = await change(db, caller, now, {
    writes: [revisionIs(caller.revision), ...writes],
    events,
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('the API resources changed meanwhile')
}
