/** Which API resources an application is authorized for, and with which of their scopes. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { findApiResource, scopesOf } from './api-resources.ts'
import { applicationEvent, settled } from './application-change.ts'
import type { ApplicationRecord } from './application-records.ts'
import { refuseChange } from './application-removal.ts'
import type { Policy } from './applications.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'

export interface AuthorizedApi {
  readonly id: string
  readonly identifier: string
  readonly name: string
  readonly type: string
  readonly policy: string
  readonly scopes: readonly { readonly id: string; readonly name: string; readonly displayName: string }[]
}

/** What an application is authorized for, in the order of the resources' ids. */
export const authorizedApis = async (db: Db, applicationId: string): Promise<readonly AuthorizedApi[]> => {
  const [apis, scopes] = await Promise.all([
    db
      .selectFrom('application_api')
      .innerJoin('api_resource', 'api_resource.id', 'application_api.api_resource_id')
      .select(['api_resource.id', 'identifier', 'name', 'type', 'policy'])
      .where('application_id', '=', applicationId)
      .orderBy('api_resource.id')
      .execute(),
    db
      .selectFrom('application_scope')
      .innerJoin('scope', 'scope.name', 'application_scope.scope_name')
      .select(['scope.id', 'scope.name', 'display_name as displayName', 'api_resource_id as api'])
      .where('application_id', '=', applicationId)
      .orderBy('scope.name')
      .execute(),
  ])
  return apis.map((api) => ({
    ...api,
    scopes: scopes
      .filter((scope) => scope.api === api.id)
      .map(({ id, name, displayName }) => ({ id, name, displayName })),
  }))
}

export type RefusedAuthorization =
  | { readonly refused: 'unknown-api' | 'needs-rbac' | 'already-authorized' | 'not-authorized' }
  | { readonly refused: 'unknown-scopes' | 'forbidden'; readonly scopes: readonly string[] }

export interface Authorization {
  readonly apiResourceId: string
  readonly policy: Policy
  readonly scopes: readonly string[]
}

/** Authorizes an application for an API resource. Nobody hands out a scope that he does not hold (invariant 14). */
export const authorizeApi = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  { apiResourceId, policy, ...asked }: Authorization,
): Promise<RefusedAuthorization | undefined> => {
  const api = await findApiResource(db, apiResourceId)
  if (!api) return { refused: 'unknown-api' }
  if (api.requiresAuthorization && policy !== 'RBAC') return { refused: 'needs-rbac' }
  const known = new Set((await scopesOf(db, api.id)).map(({ name }) => name))
  const scopes = [...new Set(asked.scopes)]
  const unknown = scopes.filter((scope) => !known.has(scope))
  if (unknown.length > 0) return { refused: 'unknown-scopes', scopes: unknown }
  const lacking = scopes.filter((scope) => !caller.may(scope))
  if (lacking.length > 0) return { refused: 'forbidden', scopes: lacking }
  const { id, name } = application
  const existing = await db
    .selectFrom('application_api')
    .select('policy')
    .where('application_id', '=', id)
    .where('api_resource_id', '=', api.id)
    .executeTakeFirst()
  if (existing) return { refused: 'already-authorized' }
  const row = { application_id: id, api_resource_id: api.id, policy }
  const rows = scopes.map((scope) => ({ application_id: id, scope_name: scope }))
  const outcome = await change(db, caller, now, {
    writes: [
      write(db.insertInto('application_api').values(row)),
      ...(rows.length > 0 ? [write(db.insertInto('application_scope').values(rows))] : []),
    ],
    events: [
      applicationEvent('application-api-authorized', id, { name, api: api.identifier, policy, scopes }),
    ],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

const findAuthorized = (db: Db, applicationId: string, apiResourceId: string) =>
  db
    .selectFrom('application_api')
    .innerJoin('api_resource', 'api_resource.id', 'application_api.api_resource_id')
    .select(['api_resource.id', 'identifier'])
    .where('application_id', '=', applicationId)
    .where('api_resource_id', '=', apiResourceId)
    .executeTakeFirst()

const authorizedScopes = async (db: Db, applicationId: string, apiResourceId: string) => {
  const rows = await db
    .selectFrom('application_scope')
    .innerJoin('scope', 'scope.name', 'application_scope.scope_name')
    .select('scope.name')
    .where('application_id', '=', applicationId)
    .where('api_resource_id', '=', apiResourceId)
    .orderBy('scope.name')
    .execute()
  return rows.map(({ name }) => name)
}

/** Takes scopes from the application, and from its own roles: what they give must be authorized for it. */
const withdraw = (db: Db, applicationId: string, scopes: readonly string[]): readonly Write[] => {
  if (scopes.length === 0) return []
  const own = db
    .selectFrom('role')
    .select('id')
    .where('audience_type', '=', 'application')
    .where('audience_id', '=', applicationId)
  const given = db.selectFrom('role_permission').select('role_id').where('scope_name', 'in', scopes)
  return [
    write(
      db
        .updateTable('role')
        .set((eb) => ({ edition: eb('edition', '+', 1) }))
        .where('id', 'in', own)
        .where('id', 'in', given),
    ),
    write(db.deleteFrom('role_permission').where('scope_name', 'in', scopes).where('role_id', 'in', own)),
    exactly(
      scopes.length,
      db
        .deleteFrom('application_scope')
        .where('application_id', '=', applicationId)
        .where('scope_name', 'in', scopes),
    ),
  ]
}

/** Adds and removes scopes of an API that the application is authorized for; one in both lists is removed. */
export const changeAuthorization = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  asked: {
    readonly apiResourceId: string
    readonly added: readonly string[]
    readonly removed: readonly string[]
  },
): Promise<RefusedAuthorization | undefined> => {
  const { id, name } = application
  const api = await findAuthorized(db, id, asked.apiResourceId)
  if (!api) return { refused: 'not-authorized' }
  const known = new Set((await scopesOf(db, api.id)).map((scope) => scope.name))
  const unknown = [...asked.added, ...asked.removed].filter((scope) => !known.has(scope))
  if (unknown.length > 0) return { refused: 'unknown-scopes', scopes: [...new Set(unknown)] }
  const current = new Set(await authorizedScopes(db, id, api.id))
  const wanted = current.union(new Set(asked.added)).difference(new Set(asked.removed))
  const [added, removed] = [[...wanted.difference(current)], [...current.difference(wanted)]]
  const lacking = added.filter((scope) => !caller.may(scope))
  if (lacking.length > 0) return { refused: 'forbidden', scopes: lacking }
  const refused = removed.length > 0 ? await refuseChange(db, caller, application) : undefined
  if (refused) return { refused: 'forbidden', scopes: refused.lacking }
  if (added.length + removed.length === 0) return undefined
  const rows = added.map((scope) => ({ application_id: id, scope_name: scope }))
  const outcome = await change(db, caller, now, {
    writes: [
      ...withdraw(db, id, removed),
      ...(rows.length > 0 ? [write(db.insertInto('application_scope').values(rows))] : []),
    ],
    events: [applicationEvent('application-api-changed', id, { name, api: api.identifier, added, removed })],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

/** Takes an API resource from the application with all its scopes; one that it does not have is gone already. */
export const withdrawApi = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  apiResourceId: string,
): Promise<RefusedAuthorization | undefined> => {
  const { id, name } = application
  const api = await findAuthorized(db, id, apiResourceId)
  if (!api) return undefined
  const refused = await refuseChange(db, caller, application)
  if (refused) return { refused: 'forbidden', scopes: refused.lacking }
  const scopes = await authorizedScopes(db, id, api.id)
  const outcome = await change(db, caller, now, {
    writes: [
      ...withdraw(db, id, scopes),
      exactly(
        1,
        db
          .deleteFrom('application_api')
          .where('application_id', '=', id)
          .where('api_resource_id', '=', api.id),
      ),
    ],
    events: [applicationEvent('application-api-removed', id, { name, api: api.identifier, scopes })],
    administrative: true,
  })
  settled(outcome)
  return undefined
}
