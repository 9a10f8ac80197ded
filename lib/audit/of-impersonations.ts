/**
 * The rows of the audit trail that name some impersonations. They are two questions: those that wait for the sealer are
 * few, and the others have the indexes; asked as one, both databases would read the whole trail.
 */
import type { Db } from '../database/connect.ts'

export type Place = 'unsealed' | 'sealed'

/** The rows of these impersonations in one of the two places. */
export const rowsOf = (db: Db, ids: readonly string[], place: Place) =>
  db
    .selectFrom('audit')
    .where('impersonation_id', 'in', ids)
    .where('position', place === 'sealed' ? 'is not' : 'is', null)

/** What is asked of both, the newest first. Asked in this order no row is missed that is sealed meanwhile. */
export const everywhere = async <Row extends { readonly id: string }>(
  ask: (place: Place) => Promise<readonly Row[]>,
): Promise<readonly Row[]> => {
  const unsealed = await ask('unsealed')
  const rows = new Map([...unsealed, ...(await ask('sealed'))].map((row) => [row.id, row]))
  return [...rows.values()].sort((one, other) => (one.id < other.id ? 1 : -1))
}
