/**
 * An authorization request paused for login or consent. It belongs to the browser that began it (a cookie known by its
 * hash), lives ten minutes and is spent once, in the commit that precedes the answer.
 */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { hashOf, randomValue } from '../tokens/token.ts'

/** The cookie that binds interactions to the browser; the pages look for it as well. */
export const interactionCookie = '__Host-mayact-interaction'

/** `reason`: what the impersonation is for. */
export type Stage = 'login' | 'reason' | 'consent'

/** How a request came, which its client may have demands on. */
export interface RequestSource {
  /** In a request object that the client signed, or was allowed not to sign (RFC 9101). */
  readonly signed: boolean
  /** The `request_uri` under which it was pushed (RFC 9126); it is spent with the answer. */
  readonly pushed: string | null
  /** The device authorization that this sign-in is for, in the place of an authorization request (RFC 8628). */
  readonly device?: string
  /** What was typed on the page that asks for the reason, while it is not good. */
  readonly typed?: { readonly reason?: string; readonly ticket?: string }
}

export interface Interaction {
  readonly id: string
  readonly stage: Stage
  /** The authorization request's parameters, as they came or as a request object had them. */
  readonly parameters: Readonly<Record<string, string>>
  readonly source: RequestSource
  /** The session that was signed in for it, or that consents. */
  readonly sessionId: string | null
}

/** Pauses a request: the key that goes into the page's address, and the write. */
export const pause = (
  db: Db,
  { stage, parameters, source, sessionId }: Omit<Interaction, 'id'>,
  browser: string,
  seconds: number,
  now: Date,
): { readonly key: string; readonly write: Write } => {
  const key = randomValue()
  const row = {
    id: Bun.randomUUIDv7(),
    hash: hashOf(key),
    browser_hash: hashOf(browser),
    stage,
    request: JSON.stringify({ parameters, source }),
    session_id: sessionId,
    created_at: now.toISOString(),
    expires_at: new Date(now.getTime() + seconds * 1000).toISOString(),
    spent_at: null,
  }
  return { key, write: write(db.insertInto('interaction').values(row)) }
}

export type Found =
  | { readonly interaction: Interaction }
  | { readonly interaction: undefined; readonly why: 'unknown' | 'another-browser' | 'expired' }
  /** This browser came to its end already. */
  | {
      readonly interaction: undefined
      readonly why: 'spent'
      readonly finished: Interaction
      readonly spentAt: Date
    }

/** The interaction of a key, if this browser began it and it is still open. */
export const findInteraction = async (
  db: Db,
  key: string,
  stage: Stage,
  browser: string | undefined,
  now: Date,
): Promise<Found> => {
  const row = await db
    .selectFrom('interaction')
    .selectAll()
    .where('hash', '=', hashOf(key))
    .executeTakeFirst()
  if (!row || row.stage !== stage) return { interaction: undefined, why: 'unknown' }
  if (browser === undefined || row.browser_hash !== hashOf(browser)) {
    return { interaction: undefined, why: 'another-browser' }
  }
  const request: Pick<Interaction, 'parameters' | 'source'> = JSON.parse(row.request)
  const interaction: Interaction = { id: row.id, stage, ...request, sessionId: row.session_id }
  if (row.spent_at !== null) {
    return { interaction: undefined, why: 'spent', finished: interaction, spentAt: new Date(row.spent_at) }
  }
  if (row.expires_at <= now.toISOString()) return { interaction: undefined, why: 'expired' }
  return { interaction }
}

/** Spends an interaction: of two answers one wins. */
export const spend = (db: Db, { id }: Pick<Interaction, 'id'>, now: Date): Write =>
  exactly(
    1,
    db
      .updateTable('interaction')
      .set({ spent_at: now.toISOString() })
      .where('id', '=', id)
      .where('spent_at', 'is', null),
  )

/** Notes the session that a login page led to; the interaction is still to be resumed. */
export const signedIn = (db: Db, { id }: Pick<Interaction, 'id'>, sessionId: string): Write =>
  exactly(
    1,
    db
      .updateTable('interaction')
      .set({ session_id: sessionId })
      .where('id', '=', id)
      .where('spent_at', 'is', null),
  )

/** Whether nobody has spent it yet. */
export const isOpen = async (db: Db, { id }: Pick<Interaction, 'id'>): Promise<boolean> => {
  const row = await db.selectFrom('interaction').select('spent_at').where('id', '=', id).executeTakeFirst()
  return row !== undefined && row.spent_at === null
}
