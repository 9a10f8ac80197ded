/** A client's secret replaced, and a client revoked: both end everything that was issued to it. */
import type { Db } from '../database/connect.ts'
import { applicationEvent, rewritten, settled } from './application-change.ts'
import { endIssued } from './application-end.ts'
import type { ApplicationRecord } from './application-records.ts'
import { type Forbidden, refuseChange } from './application-removal.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'

/** Gives the client a new secret, sealed with the application's id as context; one that was revoked is active again. */
export const regenerateSecret = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
  sealedSecret: string,
): Promise<Forbidden | undefined> => {
  const refused = await refuseChange(db, caller, application)
  if (refused) return refused
  const { id, name, clientId, revokedAt } = application
  const data = { name, clientId, ...(revokedAt === null ? {} : { active: true }) }
  const outcome = await change(db, caller, now, {
    writes: [
      ...endIssued(db, application, { by: caller.accountId, reason: 'application-secret-regenerated' }, now),
      rewritten(db, application, now, { client_secret: sealedSecret, revoked_at: null }),
    ],
    events: [applicationEvent('application-secret-regenerated', id, data)],
    administrative: true,
  })
  settled(outcome)
  return undefined
}

/** Revokes the client until it gets a new secret; one that is revoked already stays as it is. */
export const revokeApplication = async (
  db: Db,
  caller: Caller,
  now: Date,
  application: ApplicationRecord,
): Promise<Forbidden | undefined> => {
  const refused = await refuseChange(db, caller, application)
  if (refused) return refused
  const { id, name, clientId, revokedAt } = application
  if (revokedAt !== null) return undefined
  const outcome = await change(db, caller, now, {
    writes: [
      ...endIssued(db, application, { by: caller.accountId, reason: 'application-revoked' }, now),
      rewritten(db, application, now, { revoked_at: now.toISOString() }),
    ],
    events: [applicationEvent('application-revoked', id, { name, clientId })],
    administrative: true,
  })
  settled(outcome)
  return undefined
}
