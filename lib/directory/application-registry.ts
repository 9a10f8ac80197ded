/** Applications written: registered, changed, their OAuth settings replaced. Secrets come sealed. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { applicationEvent, changedSettings, rewritten, settled } from './application-change.ts'
import type { ApplicationRecord, Settings } from './application-records.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'
import { lacksToChange } from './impersonation-power.ts'

/** Why an application is not written; `forbidden` names what the caller would have to hold. */
export type Refused =
  | { readonly refused: 'name-taken' | 'client-id-taken' | 'limit' }
  | { readonly refused: 'forbidden'; readonly lacking: readonly string[] }

export interface OAuthSettings {
  readonly clientId: string
  /** Sealed with the application's id as context. */
  readonly sealedSecret: string
  readonly settings: Settings
}

export interface NewApplication {
  readonly id: string
  readonly name: string
  readonly enabled: boolean
  /** How many applications there can be. */
  readonly most: number
  readonly model: Settings
  /** A client id and a secret are there in any case; without settings nobody can use them. */
  readonly oauth: Omit<OAuthSettings, 'settings'> & { readonly settings?: Settings | undefined }
  /** It registers itself (RFC 7591): the SHA-256 of its registration access token, and what else is to be written. */
  readonly registration?: { readonly hash: string; readonly writes: readonly Write[] } | undefined
}

const isNameTaken = async (db: Db, organizationId: string, name: string): Promise<boolean> =>
  (await db
    .selectFrom('application')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('name', '=', name)
    .executeTakeFirst()) !== undefined

/**
 * What ids of users look like here (UUIDs of version 7). Who had one is named by it in audit rows and in chains of actors
 * long after he was deleted: a client of that id would be taken for him, and bring to life what died with him.
 */
const userId = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/**
 * Tokens and audit rows name people and clients alike, and audiences clients and APIs: no client goes by a person's id,
 * nor by an API's identifier, nor as the system.
 */
export const isClientIdTaken = async (db: Db, clientId: string): Promise<boolean> => {
  if (clientId === 'system' || userId.test(clientId)) return true
  const taken = await Promise.all([
    db.selectFrom('application').select('id').where('client_id', '=', clientId).executeTakeFirst(),
    db.selectFrom('account').select('id').where('id', '=', clientId).executeTakeFirst(),
    db.selectFrom('api_resource').select('id').where('identifier', '=', clientId).executeTakeFirst(),
  ])
  return taken.some((row) => row !== undefined)
}

const isFull = async (db: Db, organizationId: string, most: number): Promise<boolean> => {
  const { n } = await db
    .selectFrom('application')
    .select((eb) => eb.fn.countAll().as('n'))
    .where('organization_id', '=', organizationId)
    .executeTakeFirstOrThrow()
  return Number(n) >= most
}

/** Registers an application. */
export const createApplication = async (
  db: Db,
  caller: Caller,
  now: Date,
  { id, name, enabled, most, model, oauth, registration }: NewApplication,
): Promise<Refused | undefined> => {
  const { organizationId } = caller
  if (await isFull(db, organizationId, most)) return { refused: 'limit' }
  if (await isNameTaken(db, organizationId, name)) return { refused: 'name-taken' }
  if (await isClientIdTaken(db, oauth.clientId)) return { refused: 'client-id-taken' }
  const lacking = await lacksToChange(db, caller, { settings: [oauth.settings] })
  if (lacking.length > 0) return { refused: 'forbidden', lacking }
  const time = now.toISOString()
  const row = {
    id,
    organization_id: organizationId,
    name,
    client_id: oauth.clientId,
    client_secret: oauth.sealedSecret,
    disabled_at: enabled ? null : time,
    registration_hash: registration?.hash ?? null,
    model: JSON.stringify(model),
    oidc: JSON.stringify(oauth.settings ?? {}),
    created_at: time,
    modified_at: time,
  }
  const outcome = await change(db, caller, now, {
    writes: [write(db.insertInto('application').values(row)), ...(registration?.writes ?? [])],
    events: [
      applicationEvent(registration ? 'client-registered' : 'application-created', id, {
        name,
        enabled,
        ...(oauth.settings ? { clientId: oauth.clientId } : {}),
      }),
    ],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

export interface ApplicationChange {
  readonly name?: string | undefined
  readonly enabled?: boolean | undefined
  /** Top-level objects of the model, each replaced whole. */
  readonly model: Settings
}

/** Changes what is given; what is as it was already is not written. */
export const updateApplication = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  asked: ApplicationChange,
): Promise<Refused | undefined> => {
  const { id, oidc } = application
  const lacking = await lacksToChange(db, caller, { id, settings: [oidc] })
  if (lacking.length > 0) return { refused: 'forbidden', lacking }
  const renamed = asked.name !== undefined && asked.name !== application.name
  if (renamed && (await isNameTaken(db, application.organizationId, asked.name)))
    return { refused: 'name-taken' }
  const switched = asked.enabled !== undefined && asked.enabled !== (application.disabledAt === null)
  const settings = Object.keys(asked.model).filter(
    (key) => !Bun.deepEquals(asked.model[key], application.model[key], true),
  )
  if (!renamed && !switched && settings.length === 0) return undefined
  const time = now.toISOString()
  const columns = {
    ...(renamed ? { name: asked.name } : {}),
    ...(switched ? { disabled_at: asked.enabled ? null : time } : {}),
    ...(settings.length > 0 ? { model: JSON.stringify({ ...application.model, ...asked.model }) } : {}),
  }
  const outcome = await change(db, caller, now, {
    writes: [rewritten(db, application, now, columns)],
    events: [
      applicationEvent('application-updated', id, {
        name: application.name,
        changed: settings,
        ...(renamed ? { renamedTo: asked.name } : {}),
        ...(switched ? { enabled: asked.enabled } : {}),
      }),
    ],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

/** Replaces the OAuth settings whole, or gives them to an application that had none. */
export const replaceOAuth = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  { clientId, settings, ...secret }: Omit<OAuthSettings, 'sealedSecret'> & { readonly sealedSecret?: string },
): Promise<Refused | undefined> => {
  const { id, name, oidc } = application
  const lacking = await lacksToChange(db, caller, { id, settings: [oidc, settings] })
  if (lacking.length > 0) return { refused: 'forbidden', lacking }
  const renamed = clientId !== application.clientId
  if (renamed && (await isClientIdTaken(db, clientId))) return { refused: 'client-id-taken' }
  const changed = changedSettings(oidc, settings)
  const { sealedSecret } = secret
  if (!renamed && sealedSecret === undefined && changed.length === 0) return undefined
  const columns = {
    oidc: JSON.stringify(settings),
    ...(renamed ? { client_id: clientId } : {}),
    ...(sealedSecret === undefined ? {} : { client_secret: sealedSecret }),
  }
  const outcome = await change(db, caller, now, {
    writes: [rewritten(db, application, now, columns)],
    events: [
      applicationEvent('application-protocol-updated', id, {
        name,
        clientId,
        changed,
        ...(sealedSecret === undefined ? {} : { secretChanged: true }),
      }),
    ],
    administrative: true,
  })
  settled(outcome)
  return undefined
}
