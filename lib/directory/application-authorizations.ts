/** Which API resources an application is authorized for, and with which of their scopes. */
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { findApiResource, scopesOf } from './api-resources.ts'
import type { ApplicationRecord } from './application-records.ts'
import type { Policy } from './applications.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'

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
  | { readonly refused: 'unknown-api' | 'needs-rbac' | 'already-authorized' }
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
      {
        event: 'application-api-authorized',
        target: id,
        data: { name, api: api.identifier, policy, scopes },
        applicationId: id,
        outcome: 'Success',
      },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('the application or the API resource changed meanwhile')
  return undefined
}
