/**
 * API resources made, changed and removed in the name of a caller. Administrator holds every scope there is, so a new one
 * can be handed out by somebody; whoever made it does not hold it for that (design.md §7, invariant 14).
 */
import { sql } from 'kysely'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type ApiResource, findApiResource, scopesOf } from './api-resources.ts'
import type { Caller } from './caller.ts'
import { type Change, change, Lost } from './change.ts'
import { administratorRole } from './permissions.ts'
import { type NewScope, refuseScopes, type ScopeRefusal } from './scope-refusals.ts'
import { scopesGone } from './scope-removal.ts'
import { systemApis } from './system-apis.ts'

/** What REST makes: the types that are no system API's. */
export type OwnType = 'BUSINESS' | 'MCP'

export interface NewApiResource {
  readonly identifier: string
  readonly name: string
  readonly description: string | null
  readonly type: OwnType
  readonly requiresAuthorization: boolean
  readonly scopes: readonly NewScope[]
}

/** Whether only `deployment.toml` and the server itself change it. */
export const isSystemApi = ({ type }: Pick<ApiResource, 'type'>): boolean =>
  !['BUSINESS', 'MCP', 'SYSTEM'].includes(type)

const identifiers = new Set(systemApis.map(({ identifier }) => identifier))

/** `system:…` and `org:impersonation` are an operator's to define; what is built in comes back with the next start. */
const isReserved = (identifier: string): boolean =>
  /^(?:system:|org:impersonation$)/i.test(identifier) || identifiers.has(identifier)

/** Audiences name clients and APIs alike, and resource servers trust them: no API goes by a client's id. */
const namesClient = async (db: Db, identifier: string): Promise<boolean> =>
  (await db.selectFrom('application').select('id').where('client_id', '=', identifier).executeTakeFirst()) !==
  undefined

const isTaken = async (db: Db, identifier: string): Promise<boolean> =>
  (await db
    .selectFrom('api_resource')
    .select('id')
    .where('identifier', '=', identifier)
    .executeTakeFirst()) !== undefined

/** The writes that make scopes, for Administrator as well. */
export const scopesMade = (
  db: Db,
  apiResourceId: string,
  scopes: readonly NewScope[],
  now: Date,
): readonly Write[] => {
  if (scopes.length === 0) return []
  const rows = scopes.map(({ name, displayName, description }) => ({
    name,
    id: Bun.randomUUIDv7(),
    api_resource_id: apiResourceId,
    display_name: displayName,
    description,
  }))
  const role_id = administratorRole.id
  const edition = sql<number>`edition + 1`
  return [
    write(db.insertInto('scope').values(rows)),
    write(db.insertInto('role_permission').values(scopes.map(({ name }) => ({ role_id, scope_name: name })))),
    write(db.updateTable('role').set({ edition, modified_at: now.toISOString() }).where('id', '=', role_id)),
  ]
}

/** The write that makes the next edition of what was read, or loses. */
export const nextEdition = (
  db: Db,
  { id, edition }: ApiResource,
  values: { readonly name?: string; readonly description?: string | null } = {},
): Write =>
  exactly(
    1,
    db
      .updateTable('api_resource')
      .set({ ...values, edition: edition + 1 })
      .where('id', '=', id)
      .where('edition', '=', edition),
  )

/** Commits a change of an API resource with its one audit row; throws `Lost` when others were faster. */
export const commitApiResource = async (
  db: Db,
  caller: Caller,
  now: Date,
  event: 'api-resource-created' | 'api-resource-updated' | 'api-resource-deleted',
  { id, writes, data }: { readonly id: string; readonly writes: readonly Write[]; readonly data: object },
): Promise<void> => {
  const said = Object.entries(data).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  )
  const entry: Change['events'][number] = {
    event,
    target: id,
    data: Object.fromEntries(said),
    applicationId: caller.application?.id,
    outcome: 'Success',
  }
  const outcome = await change(db, caller, now, { writes, events: [entry], administrative: true })
  if (outcome === 'conflict') throw new Lost('an API resource or a scope of that name came meanwhile')
}

export type ApiResourceRefusal =
  | ScopeRefusal
  | { readonly refused: 'identifier-taken' | 'identifier-reserved' }

/** Makes an API resource with its scopes. */
export const createApiResource = async (
  db: Db,
  caller: Caller,
  now: Date,
  { scopes, requiresAuthorization, ...asked }: NewApiResource,
): Promise<ApiResource | ApiResourceRefusal> => {
  if (await isTaken(db, asked.identifier)) return { refused: 'identifier-taken' }
  if (isReserved(asked.identifier) || (await namesClient(db, asked.identifier)))
    return { refused: 'identifier-reserved' }
  const refused = await refuseScopes(db, caller, scopes)
  if (refused) return refused
  const id = Bun.randomUUIDv7()
  const time = now.toISOString()
  const row = {
    id,
    ...asked,
    authorization_required_at: requiresAuthorization ? time : null,
    edition: 1,
    created_at: time,
  }
  await commitApiResource(db, caller, now, 'api-resource-created', {
    id,
    writes: [write(db.insertInto('api_resource').values(row)), ...scopesMade(db, id, scopes, now)],
    data: {
      identifier: asked.identifier,
      name: asked.name,
      type: asked.type,
      requiresAuthorization,
      scopes: scopes.map(({ name }) => name),
    },
  })
  return { id, ...asked, requiresAuthorization, edition: 1 }
}

export interface ApiResourceEdit {
  readonly name?: string | undefined
  readonly description?: string | null | undefined
  readonly addedScopes: readonly NewScope[]
}

/** Changes the API resource that was read as `resource`; what is undefined stays. */
export const updateApiResource = async (
  db: Db,
  caller: Caller,
  now: Date,
  resource: ApiResource,
  { addedScopes, ...edit }: ApiResourceEdit,
): Promise<ScopeRefusal | undefined> => {
  const refused = await refuseScopes(db, caller, addedScopes, (await scopesOf(db, resource.id)).length)
  if (refused) return refused
  const name = edit.name ?? resource.name
  const description = edit.description === undefined ? resource.description : edit.description
  const renamed = name !== resource.name
  const described = description !== resource.description
  if (!renamed && !described && addedScopes.length === 0) return undefined
  await commitApiResource(db, caller, now, 'api-resource-updated', {
    id: resource.id,
    writes: [
      nextEdition(db, resource, { name, description }),
      ...scopesMade(db, resource.id, addedScopes, now),
    ],
    data: {
      identifier: resource.identifier,
      name: resource.name,
      renamedTo: renamed ? name : undefined,
      description: described ? description : undefined,
      addedScopes: addedScopes.map((scope) => scope.name),
    },
  })
  return undefined
}

/** Removes the API resource that was read as `resource`, its scopes, and what was given of them. */
export const deleteApiResource = async (
  db: Db,
  caller: Caller,
  now: Date,
  { id, edition, identifier, name }: ApiResource,
): Promise<void> => {
  const scopes = (await scopesOf(db, id)).map((scope) => scope.name)
  const subscribed = db
    .selectFrom('application_api')
    .select('application_id')
    .where('api_resource_id', '=', id)
  const applications = db
    .updateTable('application')
    .set({ edition: sql<number>`edition + 1` })
    .where('id', 'in', subscribed)
  const remove = db.deleteFrom('api_resource').where('id', '=', id).where('edition', '=', edition)
  await commitApiResource(db, caller, now, 'api-resource-deleted', {
    id,
    writes: [...scopesGone(db, scopes, now), write(applications), exactly(1, remove)],
    data: { identifier, name, removedScopes: scopes },
  })
}

/** The API resource of that id as it can be changed, or why it cannot. */
export const findOwnApiResource = async (
  db: Db,
  id: string,
): Promise<ApiResource | { readonly refused: 'missing' | 'system' }> => {
  const resource = await findApiResource(db, id)
  if (!resource) return { refused: 'missing' }
  return isSystemApi(resource) ? { refused: 'system' } : resource
}
