/** What ends with an application, or with its secret: everything that was issued to it, in the commit that does the rest. */
import { sql } from 'kysely'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { ApplicationRecord } from './application-records.ts'
import { type Ending, endColumns } from './ending.ts'
import { livingLineages, openImpersonations } from './living-lineages.ts'
import { counted } from './population.ts'

type Named = Pick<ApplicationRecord, 'id' | 'clientId' | 'organizationId'>

/**
 * Ends what was issued to the application: its grants, its impersonations, its own tokens, those it got by exchange and
 * those that hang on a browser session, which is not the client's and goes on. Requests under way are forgotten.
 */
export const endIssued = (db: Db, { id, clientId }: Named, end: Ending, now: Date): readonly Write[] => [
  write(
    db
      .updateTable('lineage')
      .set(endColumns(end, now))
      .where('id', 'in', livingLineages(db, { applicationId: id }))
      .where('ended_at', 'is', null),
  ),
  // literals, as the index has them
  write(
    db
      .deleteFrom('token')
      .where('application_id', '=', id)
      .where('class', '=', sql.lit('access'))
      .where('follows', 'is not', null),
  ),
  write(
    db
      .deleteFrom('token')
      .where('lineage_id', 'in', db.selectFrom('session').select('id'))
      .where('application_id', '=', id),
  ),
  write(db.deleteFrom('pushed_request').where('client_id', '=', clientId)),
  write(db.deleteFrom('device_authorization').where('application_id', '=', id)),
]

/** Ends every impersonation of the application that is under way, its subject tokens included. */
export const endImpersonations = (db: Db, id: string, end: Ending, now: Date): Write =>
  write(
    db
      .updateTable('lineage')
      .set(endColumns(end, now))
      .where('id', 'in', openImpersonations(db).where('impersonation.application_id', '=', id))
      .where('ended_at', 'is', null),
  )

/** Removes the application with its roles, its consents and all that was issued to it; lost when it changed meanwhile. */
export const removal = async (
  db: Db,
  application: Named & Pick<ApplicationRecord, 'edition'>,
  end: Ending,
  now: Date,
): Promise<{ readonly writes: readonly Write[]; readonly roles: readonly string[] }> => {
  const { id, edition, organizationId } = application
  const roles = (
    await db
      .selectFrom('role')
      .select('id')
      .where('audience_type', '=', 'application')
      .where('audience_id', '=', id)
      .orderBy('id')
      .execute()
  ).map((role) => role.id)
  const ofApplication = db
    .deleteFrom('role')
    .where('audience_type', '=', 'application')
    .where('audience_id', '=', id)
  return {
    roles,
    writes: [
      ...endIssued(db, application, end, now),
      write(db.deleteFrom('session_application').where('application_id', '=', id)),
      exactly(roles.length, ofApplication),
      ...counted(db, 'role', organizationId, roles, -1),
      // authorizations and consents go with it
      exactly(1, db.deleteFrom('application').where('id', '=', id).where('edition', '=', edition)),
    ],
  }
}
