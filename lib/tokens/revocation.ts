/**
 * How far the revocation of one token reaches, and the one write that does it; of many at once one wins.
 *
 * Whose grant or impersonation it is ends all of it. A token that somebody else got from it by exchange, and one that
 * hangs on a browser session itself, end alone: nobody ends what he was not given.
 */
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { endLineageOnce, type LineageKind } from './lineage.ts'
import { type FoundToken, hashOf } from './token.ts'

export interface Revocation {
  /** What ends: everything of its lineage, or the token. */
  readonly reach: Exclude<LineageKind, 'session'> | 'token'
  readonly write: Write
}

/** The client that a lineage was begun for: it refreshes it, or has an access token that comes from no other. */
const ownerOf = async (db: Db, token: FoundToken, kind: LineageKind): Promise<string | undefined> => {
  if (kind === 'impersonation') {
    const row = await db
      .selectFrom('impersonation')
      .select('client_id')
      .where('lineage_id', '=', token.lineageId)
      .executeTakeFirst()
    return row?.client_id
  }
  const rows = await db
    .selectFrom('token')
    .select(['class', 'client_id', 'follows'])
    .where('lineage_id', '=', token.lineageId)
    .where('class', 'in', ['access', 'refresh'])
    .execute()
  return rows.find((row) => row.class === 'refresh' || row.follows === null)?.client_id
}

/** What revoking the token means; undefined when it counts no longer anyway. `by` is the client that asks. */
export const revocationOf = async (
  db: Db,
  { value, token }: { readonly value: string; readonly token: FoundToken },
  by: string,
  now: Date,
): Promise<Revocation | undefined> => {
  const lineage = await db
    .selectFrom('lineage')
    .select('kind')
    .where('id', '=', token.lineageId)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  if (!lineage) return undefined
  const kind = lineage.kind as LineageKind // only beginLineage writes it
  // what was rotated or has expired still names its family
  if (kind !== 'session' && (await ownerOf(db, token, kind)) === by) {
    return token.lineageEndsAt > now
      ? { reach: kind, write: endLineageOnce(db, token.lineageId, { by, reason: 'revoked' }, now) }
      : undefined
  }
  if (!token.alive) return undefined
  const at = now.toISOString()
  const ended = db
    .updateTable('token')
    .set({ expires_at: at })
    .where('hash', '=', hashOf(value))
    .where('expires_at', '>', at)
  return { reach: 'token', write: exactly(1, ended) }
}
