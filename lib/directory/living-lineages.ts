/**
 * Which lineages live, by whose they are or whom they were given to. An impersonation has one that is written with every
 * authorization, so it stands in the indexes of its own table alone, and all else in those of `lineage`.
 */
import { sql } from 'kysely'
import type { Db } from '../database/connect.ts'

export interface Whose {
  /** Who signed in, gave the grant, impersonates. */
  readonly accountId?: string
  readonly applicationId?: string
}

/** The lineages of impersonations whose end is not recorded: those that live, and for about a second those that do not. */
export const openImpersonations = (db: Db) =>
  db
    .selectFrom('impersonation')
    .select('impersonation.lineage_id as id')
    .where('impersonation.state', '=', 'open')
    // only refused ones have none
    .$narrowType<{ id: string }>()

/** Their ids; among them may be those of impersonations that have just ended. */
export const livingLineages = (db: Db, { accountId, applicationId }: Whose) => {
  let others = db
    .selectFrom('lineage as own')
    .select('own.id')
    // literals, as the indexes have them
    .where('own.kind', '<>', sql.lit('impersonation'))
    .where('own.ended_at', 'is', null)
  let impersonations = openImpersonations(db)
  if (accountId !== undefined) {
    others = others.where('own.account_id', '=', accountId)
    impersonations = impersonations.where('impersonation.impersonator_id', '=', accountId)
  }
  if (applicationId !== undefined) {
    others = others.where('own.application_id', '=', applicationId)
    impersonations = impersonations.where('impersonation.application_id', '=', applicationId)
  }
  return others.union(impersonations)
}
