/**
 * Clients that register themselves (RFC 7591) and manage their registration (RFC 7592). What an administrator has
 * granted beyond a registration takes the client's own hand off it.
 */
import { holds, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { applicationEvent, changedSettings, rewritten, settled } from './application-change.ts'
import { removal } from './application-end.ts'
import type { ApplicationRecord, Settings } from './application-records.ts'
import { findApplication } from './application-records.ts'
import type { Refused } from './application-registry.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'
import { registrableGrants } from './client-abilities.ts'
import { hasSubjectToken, lacksToChange } from './impersonation-power.ts'

const registrable: ReadonlySet<string> = new Set(registrableGrants)

export interface Registration extends ApplicationRecord {
  readonly createdAt: Date
  /** SHA-256 of the registration access token; null for an application that an administrator made. */
  readonly registrationHash: string | null
}

/** The application of a client id, read fresh, if it speaks OAuth. */
export const findRegistration = async (
  db: Db,
  organizationId: string,
  by: { readonly clientId: string } | { readonly name: string },
): Promise<Registration | undefined> => {
  const named = 'clientId' in by ? (['client_id', by.clientId] as const) : (['name', by.name] as const)
  const row = await db
    .selectFrom('application')
    .select(['id', 'created_at', 'registration_hash'])
    .where(named[0], '=', named[1])
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  if (!row) return undefined
  const record = await findApplication(db, organizationId, row.id)
  if (!record?.oidc) return undefined
  return { ...record, createdAt: new Date(row.created_at), registrationHash: row.registration_hash }
}

const grantsOf = (oidc: Settings | undefined): readonly string[] =>
  Array.isArray(oidc?.grantTypes) ? oidc.grantTypes.filter((grant) => typeof grant === 'string') : []

/** What of the grants only an administrator gives. */
export const grantedGrants = (oidc: Settings | undefined): readonly string[] =>
  grantsOf(oidc).filter((grant) => !registrable.has(grant))

/** What `caller` lacks to change the client, or to see its secret; a client lacks it once it was granted more. */
export const lacksToManage = async (
  db: Db,
  caller: Caller,
  { id, oidc }: Pick<Registration, 'id' | 'oidc'>,
): Promise<readonly string[]> => {
  const lacking = await lacksToChange(db, caller, { id, settings: [oidc] })
  const granted =
    caller.kind === 'client'
      ? [...grantedGrants(oidc), ...(hasSubjectToken(oidc) ? ['subjectToken.enable'] : [])]
      : []
  return [...lacking, ...granted]
}

const isNameTaken = async (db: Db, { organizationId, id }: Registration, name: string): Promise<boolean> =>
  (await db
    .selectFrom('application')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('name', '=', name)
    .where('id', '!=', id)
    .executeTakeFirst()) !== undefined

export interface RegistrationChange {
  readonly name: string
  readonly settings: Settings
}

/** Replaces what is registered. */
export const replaceRegistration = async (
  db: Db,
  caller: Caller,
  now: Date,
  registration: Registration,
  { name, settings }: RegistrationChange,
): Promise<Refused | undefined> => {
  const { id, clientId, oidc } = registration
  const lacking = [
    ...(await lacksToManage(db, caller, registration)),
    ...(await lacksToChange(db, caller, { id, settings: [settings] })),
  ]
  if (lacking.length > 0) return { refused: 'forbidden', lacking }
  if (await isNameTaken(db, registration, name)) return { refused: 'name-taken' }
  const changed = changedSettings(oidc, settings)
  const outcome = await change(db, caller, now, {
    writes: [rewritten(db, registration, now, { name, oidc: JSON.stringify(settings) })],
    events: [applicationEvent('client-updated', id, { clientId, name, changed })],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

/** Removes a client with its roles and everything that was issued to it (RFC 7592 §2.3). */
export const deleteRegistration = async (
  db: Db,
  caller: Caller,
  now: Date,
  registration: Registration,
): Promise<Refused | undefined> => {
  const { id, clientId, name } = registration
  const lacking = await lacksToManage(db, caller, registration)
  if (lacking.length > 0) return { refused: 'forbidden', lacking }
  const { writes } = await removal(
    db,
    registration,
    { by: caller.accountId, reason: 'application-deleted' },
    now,
  )
  const outcome = await change(db, caller, now, {
    writes,
    events: [applicationEvent('client-deleted', id, { clientId, name })],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

/** The guard that the registration access token is still the one. */
export const registrationIs = (db: Db, { id, registrationHash }: Registration): Write =>
  holds(
    db
      .selectFrom('application')
      .select('id')
      .where('id', '=', id)
      .where('registration_hash', '=', registrationHash ?? ''),
  )
