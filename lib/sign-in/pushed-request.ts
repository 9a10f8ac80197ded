/**
 * Authorization requests that clients pushed (RFC 9126): kept for a minute under the hash of their `request_uri`, read
 * as often as a browser reloads, and spent once, in the commit that precedes the answer.
 */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting } from '../database/prepared.ts'
import { type Confirmation, hashOf, randomValue } from '../tokens/token.ts'

/** How long a pushed request waits for its browser. */
export const pushedRequestSeconds = 60

const prefix = 'urn:ietf:params:oauth:par:request_uri:'

/** Whether a `request_uri` is one of those that are given here. */
export const isPushed = (requestUri: string): boolean =>
  requestUri.startsWith(prefix) && requestUri.length <= 255

const insertRequest = inserting('pushed_request', [
  'hash',
  'client_id',
  'parameters',
  'confirmation',
  'created_at',
  'expires_at',
  'spent_at',
])

/** What was pushed. */
export interface PushedRequest {
  /** Those that count: where a request object was pushed, what was in it. */
  readonly parameters: ReadonlyMap<string, string>
  /** They came in a request object that was verified then (RFC 9101). */
  readonly signed: boolean
}

/** Keeps a request: the `request_uri` that it is known by, and the write. `confirmation` is the key that was proved. */
export const pushRequest = (
  db: Db,
  clientId: string,
  { parameters, signed }: PushedRequest,
  confirmation: Confirmation | null,
  now: Date,
): { readonly requestUri: string; readonly write: Write } => {
  const requestUri = `${prefix}${randomValue()}`
  const row = {
    hash: hashOf(requestUri),
    client_id: clientId,
    parameters: JSON.stringify({ signed, parameters: Object.fromEntries(parameters) }),
    confirmation: confirmation === null ? null : JSON.stringify(confirmation),
    created_at: now.toISOString(),
    expires_at: new Date(now.getTime() + pushedRequestSeconds * 1000).toISOString(),
    spent_at: null,
  }
  return { requestUri, write: write(insertRequest(db, row)) }
}

/** Spends a pushed request, for the commit of its answer: of two answers one wins. It may have expired since the sign-in began. */
export const spendPushedRequest = (db: Db, requestUri: string, now: Date): Write =>
  exactly(
    1,
    db
      .updateTable('pushed_request')
      .set({ spent_at: now.toISOString() })
      .where('hash', '=', hashOf(requestUri))
      .where('spent_at', 'is', null),
  )

/**
 * The request that this client pushed and what spends it, unless it has expired or was spent. Its `dpop_jkt` is the key
 * that was proved when it was pushed (RFC 9449 §10.1).
 */
export const takePushedRequest = async (
  db: Db,
  clientId: string,
  requestUri: string,
  now: Date,
): Promise<(PushedRequest & { readonly spend: Write }) | undefined> => {
  if (!isPushed(requestUri)) return undefined
  const row = await db
    .selectFrom('pushed_request')
    .selectAll()
    .where('hash', '=', hashOf(requestUri))
    .executeTakeFirst()
  if (!row || row.client_id !== clientId) return undefined
  if (row.spent_at !== null || row.expires_at <= now.toISOString()) return undefined
  const { signed, parameters: pushed }: { signed: boolean; parameters: Record<string, string> } = JSON.parse(
    row.parameters,
  )
  const parameters = new Map(Object.entries(pushed))
  const confirmation: Confirmation | null = row.confirmation === null ? null : JSON.parse(row.confirmation)
  if (confirmation && 'jkt' in confirmation) parameters.set('dpop_jkt', confirmation.jkt)
  return { parameters, signed, spend: spendPushedRequest(db, requestUri, now) }
}

/** Whether nobody has been answered to it yet. */
export const isUnspent = async (db: Db, requestUri: string): Promise<boolean> => {
  const row = await db
    .selectFrom('pushed_request')
    .select('spent_at')
    .where('hash', '=', hashOf(requestUri))
    .executeTakeFirst()
  return row !== undefined && row.spent_at === null
}
