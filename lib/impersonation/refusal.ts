/** An impersonation that was refused: the true reason, in the audit trail and in the list, which the client never hears. */
import { record, type Trace } from '../audit.ts'
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { findAccount } from '../directory/accounts.ts'
import { impersonationRefusals } from '../metrics.ts'
import type { Asked, Refused } from './decide.ts'
import { newId } from './ids.ts'
import { isKept } from './refused-lately.ts'
import { saidData } from './said.ts'

type RefusedRequest = Omit<Asked, 'sessionId' | 'revision'>

interface RefusalPlace {
  readonly applicationId?: string | undefined
  readonly organizationId: string
  readonly impersonationId?: string | undefined
}

/** What was asked for and refused, kept as an impersonation that never was. */
const refusedOne = (
  db: Db,
  id: string,
  asked: RefusedRequest,
  refused: Omit<Refused, 'error'>,
  place: RefusalPlace & { readonly applicationId: string },
  now: Date,
): Write =>
  write(
    db.insertInto('impersonation').values({
      id,
      application_id: place.applicationId,
      client_id: asked.clientId,
      organization_id: place.organizationId,
      impersonator_id: asked.impersonatorId,
      subject_id: asked.subjectId,
      scopes: asked.requestedScopes.toSorted().join(' '),
      reason: asked.reason ?? null,
      ticket: asked.ticket ?? null,
      state: 'refused',
      authorized_at: now.toISOString(),
      refused_at: now.toISOString(),
      refusal: `${refused.validator}: ${refused.code}`,
    }),
  )

/**
 * The audit row of a refusal: the true reason, which the client never hears. A refused authorization is kept as an
 * impersonation as well, as far as there are not too many of them; at the exchange there is one already. Who asks for
 * nobody has no such entry, and uses none up.
 */
export const recordRefusal = async (
  db: Db,
  asked: RefusedRequest,
  refused: Omit<Refused, 'error'>,
  place: RefusalPlace,
  trace: Trace,
  now: Date,
): Promise<readonly Write[]> => {
  impersonationRefusals.add(refused.validator, asked.phase)
  const { applicationId } = place
  const isNew = place.impersonationId === undefined && applicationId !== undefined
  const keep =
    isNew && (await findAccount(db, asked.subjectId)) !== undefined && isKept(db, asked.impersonatorId, now)
  const impersonationId = keep ? newId(now) : place.impersonationId
  const row = record(db, now, trace, {
    event: 'impersonation-refused',
    initiator: asked.impersonatorId,
    target: asked.subjectId,
    data: {
      clientId: asked.clientId,
      subject: asked.subjectId,
      impersonator: asked.impersonatorId,
      phase: asked.phase,
      validator: refused.validator,
      reason: refused.code,
      ...saidData(asked),
    },
    outcome: 'Refused',
    actorId: asked.impersonatorId,
    subjectId: asked.subjectId,
    ...place,
    impersonationId,
  })
  return keep && impersonationId !== undefined
    ? [refusedOne(db, impersonationId, asked, refused, { ...place, applicationId }, now), row]
    : [row]
}
