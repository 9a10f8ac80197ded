/** An application replaced whole by what a file says of it. */
import type { Db } from '../database/connect.ts'
import { applicationEvent, changedSettings, rewritten, settled } from './application-change.ts'
import { endIssued } from './application-end.ts'
import type { ApplicationRecord, Settings } from './application-records.ts'
import { isClientIdTaken, type OAuthSettings, type Refused } from './application-registry.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'
import { lacksToChange } from './impersonation-power.ts'

export interface Replacement {
  readonly enabled: boolean
  readonly model: Settings
  /** Without it the OAuth settings stay as they are; without a sealed secret the secret does. */
  readonly oauth?:
    | (Omit<OAuthSettings, 'sealedSecret'> & { readonly sealedSecret?: string | undefined })
    | undefined
}

/** Replaces model and OAuth settings. With another client id or secret everything that was issued ends. */
export const replaceApplication = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  { enabled, model, oauth }: Replacement,
): Promise<Refused | undefined> => {
  const { id, name, oidc } = application
  const lacking = await lacksToChange(db, caller, { id, settings: [oidc, oauth?.settings] })
  if (lacking.length > 0) return { refused: 'forbidden', lacking }
  const clientId = oauth?.clientId ?? application.clientId
  const renamed = clientId !== application.clientId
  if (renamed && (await isClientIdTaken(db, clientId))) return { refused: 'client-id-taken' }
  const { owner } = application.model
  const next = owner === undefined ? model : { ...model, owner }
  const switched = enabled !== (application.disabledAt === null)
  const changed = [
    ...changedSettings(application.model, next),
    ...(oauth ? changedSettings(oidc, oauth.settings).map((key) => `oidc.${key}`) : []),
  ]
  const secretChanged = oauth?.sealedSecret !== undefined
  if (!renamed && !switched && !secretChanged && changed.length === 0) return undefined
  const columns = {
    model: JSON.stringify(next),
    ...(switched ? { disabled_at: enabled ? null : now.toISOString() } : {}),
    ...(oauth ? { oidc: JSON.stringify(oauth.settings), client_id: clientId } : {}),
    ...(oauth?.sealedSecret === undefined ? {} : { client_secret: oauth.sealedSecret }),
  }
  const outcome = await change(db, caller, now, {
    writes: [
      ...(renamed || secretChanged
        ? endIssued(db, application, { by: caller.accountId, reason: 'application-updated' }, now)
        : []),
      rewritten(db, application, now, columns),
    ],
    events: [
      applicationEvent('application-updated', id, {
        name,
        changed,
        ...(switched ? { enabled } : {}),
        ...(oauth ? { clientId } : {}),
        ...(secretChanged ? { secretChanged } : {}),
      }),
    ],
    administrative: true,
  })
  settled(outcome)
  return undefined
}
