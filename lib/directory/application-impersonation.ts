/**
 * Impersonation switched on and off for one application, each in one commit. On: its OAuth settings, the API it needs,
 * and a role whose members may impersonate. Off: its settings, and every impersonation that is under way.
 */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import { applicationEvent, changedSettings, rewritten, settled } from './application-change.ts'
import { endImpersonations } from './application-end.ts'
import type { ApplicationRecord, Settings } from './application-records.ts'
import { type Forbidden, refuseChange } from './application-removal.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'
import { lacksToChange } from './impersonation-power.ts'
import { ensureRole, type RefusedRole } from './impersonator-role.ts'
import { audienceOf } from './readiness.ts'

/** What a role has to give, so that its members may impersonate users in the application. */
export const impersonationScope = 'internal_user_impersonate'

export interface ImpersonationAsked {
  /** The OAuth settings as they are to be: complete and checked. */
  readonly settings: Settings
  /** Further scopes of APIs that the application is authorized for: what impersonated users may have. */
  readonly scopes: readonly string[]
  /** The name of the impersonators' role. */
  readonly role: string
  /** Ids of users who join it. */
  readonly impersonators: readonly string[]
}

export type RefusedImpersonation =
  | Forbidden
  | RefusedRole
  | { readonly refused: 'unknown-scopes'; readonly scopes: readonly string[] }

/** The API resources and scopes that the application is not authorized for yet, and the writes that authorize it. */
const authorize = async (db: Db, id: string, asked: readonly string[]) => {
  const rows = await db
    .selectFrom('scope')
    .leftJoin('application_scope', (join) =>
      join.onRef('scope_name', '=', 'scope.name').on('application_scope.application_id', '=', id),
    )
    .leftJoin('application_api', (join) =>
      join
        .onRef('application_api.api_resource_id', '=', 'scope.api_resource_id')
        .on('application_api.application_id', '=', id),
    )
    .select(['scope.name', 'scope.api_resource_id as api', 'scope_name as has', 'policy'])
    .where('scope.name', 'in', asked)
    .orderBy('scope.name')
    .execute()
  const known = new Set(rows.map(({ name }) => name))
  const scopes = rows.filter(({ has }) => has === null).map(({ name }) => name)
  const apis = new Set(rows.filter(({ policy }) => policy === null).map(({ api }) => api))
  const writes: Write[] = [
    ...[...apis].map((api) =>
      write(
        db.insertInto('application_api').values({ application_id: id, api_resource_id: api, policy: 'RBAC' }),
      ),
    ),
    ...scopes.map((scope) =>
      write(db.insertInto('application_scope').values({ application_id: id, scope_name: scope })),
    ),
  ]
  return { unknown: asked.filter((scope) => !known.has(scope)), scopes, writes }
}

/** Switches it on; what is there already stays, and when nothing lacks nothing is written. */
export const switchImpersonationOn = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  { settings, scopes: further, role: name, impersonators }: ImpersonationAsked,
): Promise<{ readonly role: { readonly id: string; readonly name: string } } | RefusedImpersonation> => {
  const { id, oidc } = application
  const scopes = [...new Set([impersonationScope, ...further])]
  const authorized = await authorize(db, id, scopes)
  if (authorized.unknown.length > 0) return { refused: 'unknown-scopes', scopes: authorized.unknown }
  const lacking = new Set([
    ...(await lacksToChange(db, caller, { id, settings: [oidc, settings] })),
    ...scopes.filter((scope) => !caller.may(scope)),
  ])
  if (lacking.size > 0) return { refused: 'forbidden', lacking: [...lacking] }
  const audience = audienceOf(application)
  const role = await ensureRole(db, caller, now, {
    name,
    audience,
    permission: impersonationScope,
    users: impersonators,
  })
  if ('refused' in role) return role
  const changed = changedSettings(oidc, settings)
  const writes = [...authorized.writes, ...role.writes]
  if (changed.length === 0 && writes.length === 0) return { role }
  const { joining, made } = role
  const outcome = await change(db, caller, now, {
    claims: joining.includes(caller.accountId) ? claimAccount(db, caller.accountId) : undefined,
    writes: [rewritten(db, application, now, { oidc: JSON.stringify(settings) }), ...writes],
    events: [
      applicationEvent('application-impersonation-enabled', id, {
        name: application.name,
        changed,
        scopes: authorized.scopes,
        role: { id: role.id, name, audience, made },
        users: joining,
      }),
    ],
    administrative: true,
  })
  settled(outcome)
  return { role }
}

/** Switches it off with these settings, and ends what is under way; authorizations and roles stay for another day. */
export const switchImpersonationOff = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  settings: Settings,
): Promise<Forbidden | undefined> => {
  const refused = await refuseChange(db, caller, application)
  if (refused) return refused
  const { id, name } = application
  const changed = changedSettings(application.oidc, settings)
  if (changed.length === 0) return undefined
  const outcome = await change(db, caller, now, {
    writes: [
      endImpersonations(db, id, { by: caller.accountId, reason: 'application-impersonation-disabled' }, now),
      rewritten(db, application, now, { oidc: JSON.stringify(settings) }),
    ],
    events: [applicationEvent('application-impersonation-disabled', id, { name, changed })],
    administrative: true,
  })
  settled(outcome)
  return undefined
}
