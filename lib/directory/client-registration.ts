/**
 * Clients that register themselves (RFC 7591) and manage their registration (RFC 7592). What an administrator has
 * granted beyond a registration takes the client's own hand off it.
 */
import { exactly, holds, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { ApplicationRecord, Settings } from './application-records.ts'
import { findApplication } from './application-records.ts'
import type { Refused } from './application-registry.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
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
  const keys = new Set([...Object.keys(oidc ?? {}), ...Object.keys(settings)])
  const changed = [...keys].filter((key) => !Bun.deepEquals(oidc?.[key], settings[key], true)).sort()
  const outcome = await change(db, caller, now, {
    writes: [
      exactly(
        1,
        db
          .updateTable('application')
          .set({ name, oidc: JSON.stringify(settings), modified_at: now.toISOString() })
          .where('id', '=', id),
      ),
    ],
    events: [
      {
        event: 'client-updated',
        target: id,
        data: { clientId, name, changed },
        applicationId: id,
        outcome: 'Success',
      },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('another application took the name meanwhile')
  return undefined
}

/** Ends what the client's tokens hang on; a browser session is not the client's, its tokens die with the client. */
const endTokens = (db: Db, applicationId: string, now: Date): Write =>
  write(
    db
      .updateTable('lineage')
      .set({ ended_at: now.toISOString(), ended_by: 'client-deleted' })
      .where('ended_at', 'is', null)
      .where('kind', '!=', 'session')
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('token')
          .select('lineage_id')
          .where('application_id', '=', applicationId)
          .union(
            eb
              .selectFrom('authorization_code')
              .select('lineage_id')
              .where('application_id', '=', applicationId),
          ),
      ),
  )

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
  const outcome = await change(db, caller, now, {
    writes: [
      endTokens(db, id, now),
      write(db.deleteFrom('role').where('audience_type', '=', 'application').where('audience_id', '=', id)),
      exactly(1, db.deleteFrom('application').where('id', '=', id)),
    ],
    events: [
      {
        event: 'client-deleted',
        target: id,
        data: { clientId, name },
        applicationId: id,
        outcome: 'Success',
      },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') throw new Lost('something came to depend on the client meanwhile')
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
