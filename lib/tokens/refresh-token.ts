/**
 * Refresh tokens (RFC 6749 §6): random, each spent when it is rotated, all of a grant on its lineage. A family is
 * followed from a token to what replaced it, so that a spent one presented again is known as such (RFC 9700 §4.14.2).
 */
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'
import { type FoundToken, randomValue, storeToken, type Token } from './token.ts'

/** What a refresh token keeps of its grant; the scopes are those that the user agreed to. */
export type RefreshSpec = Omit<Token, 'id' | 'class' | 'codeChallenge' | 'issuedAt'>

/** A new one; `follows` is the token that it replaces. */
export const issueRefreshToken = (
  db: Db,
  spec: RefreshSpec,
  now: Date,
): { readonly value: string; readonly id: string; readonly write: Write } => {
  const value = randomValue()
  const id = crypto.randomUUID()
  const write = storeToken(db, value, { ...spec, id, class: 'refresh', codeChallenge: null, issuedAt: now })
  return { value, id, write }
}

const spend = prepared<{ hash: string; now: string }, unknown>((db, parameter) =>
  db
    .updateTable('token')
    .set({ spent_at: parameter('now') })
    .where('hash', '=', parameter('hash'))
    .where('class', '=', 'refresh')
    .where('spent_at', 'is', null),
)

/** Spends it; of many commits with this write one happens. */
export const spendRefreshToken = (db: Db, { hash }: Pick<FoundToken, 'hash'>, now: Date): Write =>
  exactly(1, spend(db, { hash, now: now.toISOString() }))

const selectSuccessor = prepared<{ id: string; lineageId: string }, { hash: string }>((db, parameter) =>
  db
    .selectFrom('token')
    .select('hash')
    .where('lineage_id', '=', parameter('lineageId'))
    .where('follows', '=', parameter('id'))
    .where('class', '=', 'refresh')
    .where('spent_at', 'is', null),
)

/** What replaced a spent token and was not used yet, if there is such a one. */
export const unusedSuccessor = async (
  db: Db,
  { id, lineageId }: Pick<Token, 'id' | 'lineageId'>,
): Promise<Pick<FoundToken, 'hash'> | undefined> => {
  const [row] = await rowsOf(db, selectSuccessor(db, { id, lineageId }))
  return row
}
