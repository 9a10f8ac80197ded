/** Applications and their OAuth settings removed; what was issued to them ends in the same commit. */
import type { Db } from '../database/connect.ts'
import { applicationEvent, rewritten, settled } from './application-change.ts'
import { endIssued, removal } from './application-end.ts'
import type { ApplicationRecord } from './application-records.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'
import { lacksToChange } from './impersonation-power.ts'

/** What the caller would have to hold. */
export interface Forbidden {
  readonly refused: 'forbidden'
  readonly lacking: readonly string[]
}

/** What the caller lacks to change the application as it is, as a refusal (invariant 14). */
export const refuseChange = async (
  db: Db,
  caller: Caller,
  { id, oidc }: Pick<ApplicationRecord, 'id' | 'oidc'>,
): Promise<Forbidden | undefined> => {
  const lacking = await lacksToChange(db, caller, { id, settings: [oidc] })
  return lacking.length > 0 ? { refused: 'forbidden', lacking } : undefined
}

/** Deletes an application with its roles, authorizations, consents and everything that was issued to it. */
export const deleteApplication = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
): Promise<Forbidden | undefined> => {
  const refused = await refuseChange(db, caller, application)
  if (refused) return refused
  const { id, name, clientId, oidc } = application
  const { writes, roles } = await removal(
    db,
    application,
    { by: caller.accountId, reason: 'application-deleted' },
    now,
  )
  const data = { name, ...(oidc ? { clientId } : {}), ...(roles.length > 0 ? { roles } : {}) }
  const outcome = await change(db, caller, now, {
    writes,
    events: [applicationEvent('application-deleted', id, data)],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

/** Takes the OAuth settings away. The client id is free again, so the application waits with another one. */
export const removeOAuth = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  next: { readonly clientId: string; readonly sealedSecret: string },
): Promise<Forbidden | undefined> => {
  const refused = await refuseChange(db, caller, application)
  if (refused) return refused
  const { id, name, clientId } = application
  const columns = {
    oidc: '{}',
    client_id: next.clientId,
    client_secret: next.sealedSecret,
    revoked_at: null,
  }
  const outcome = await change(db, caller, now, {
    writes: [
      ...endIssued(db, application, { by: caller.accountId, reason: 'application-protocol-removed' }, now),
      rewritten(db, application, now, columns),
    ],
    events: [applicationEvent('application-protocol-removed', id, { name, clientId })],
    administrative: true,
  })
  settled(outcome)
  return undefined
}
