/**
 * A grant: what one authorization gave, its code, access tokens and refresh tokens, all on one lineage. Ending that row
 * ends everything the authorization gave, and so does ending the browser session that the lineage belongs to.
 */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { beginLineage } from './lineage.ts'

/** Seconds that the server gives where the application sets none. */
export interface GrantLifetimes {
  readonly authorizationCodeSeconds: number
  readonly userAccessTokenSeconds: number
  readonly refreshTokenSeconds: number
}

/** Seconds of a user's access token of this application. */
export const accessSeconds = ({ oidc }: Application, lifetimes: GrantLifetimes): number =>
  oidc.accessToken.userAccessTokenExpiryInSeconds || lifetimes.userAccessTokenSeconds

/** Seconds of a refresh token of this application. */
export const refreshSeconds = ({ oidc }: Application, lifetimes: GrantLifetimes): number =>
  oidc.refreshToken.expiryInSeconds || lifetimes.refreshTokenSeconds

/** When a grant that begins now ends at the latest: what begins with its code has its whole time after it. */
export const grantEndsAt = (application: Application, lifetimes: GrantLifetimes, now: Date): Date => {
  const longest = Math.max(accessSeconds(application, lifetimes), refreshSeconds(application, lifetimes))
  return new Date(now.getTime() + (lifetimes.authorizationCodeSeconds + longest) * 1000)
}

/** Whose grant of which application begins, and how long it lasts. */
export interface BeginningGrant {
  readonly accountId: string
  readonly applicationId: string
  readonly sessionId: string | null
  readonly endsAt: Date
}

/**
 * Begins a grant. `sessionId` is the browser session that ends it, null where it outlives the session (with
 * `offline_access`, or without a browser).
 */
export const beginGrant = (
  db: Db,
  grant: BeginningGrant,
): { readonly lineageId: string; readonly write: Write } => {
  const lineageId = Bun.randomUUIDv7()
  return { lineageId, write: beginLineage(db, { id: lineageId, kind: 'grant', ...grant }) }
}

/** Moves the end of a living grant later, never earlier. */
export const extendGrant = (db: Db, lineageId: string, endsAt: Date): Write =>
  write(
    db
      .updateTable('lineage')
      .set({ ends_at: endsAt.toISOString() })
      .where('id', '=', lineageId)
      .where('ended_at', 'is', null)
      .where('ends_at', '<', endsAt.toISOString()),
  )
