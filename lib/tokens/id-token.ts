/** The ID token of a sign-in: it names the person who signed in, never the person acted for (facts §3.2). */
import { createHash } from 'node:crypto'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { numericDate, stampClaims, wholeSecond } from './claims.ts'
import type { Issuer, Minted } from './issuer.ts'
import { storeToken } from './token.ts'

export interface SignIn {
  readonly accountId: string
  /** The session's lineage: the `sid`. */
  readonly sessionId: string
  readonly authenticatedAt: Date
}

/** Left half of the SHA-256, base64url (OpenID Connect Core §3.3.2.11, FAPI `s_hash`). */
export const halfHash = (value: string): string =>
  createHash('sha256').update(value).digest().subarray(0, 16).toString('base64url')

/** Mints an ID token for the application; `seconds` is the server's lifetime where the application sets none. */
export const mintIdToken = async (
  db: Db,
  issuer: Issuer,
  application: Application,
  organization: { readonly id: string; readonly name: string },
  signIn: SignIn,
  request: { readonly nonce?: string | undefined; readonly state?: string | undefined },
  seconds: number,
  now: Date,
): Promise<Minted> => {
  const id = crypto.randomUUID()
  const issuedAt = wholeSecond(now)
  const lifetime = application.oidc.idToken.expiryInSeconds || seconds
  const expiresAt = new Date(issuedAt.getTime() + lifetime * 1000)
  const others = application.oidc.idToken.audience.filter((audience) => audience !== application.clientId)
  const claims = stampClaims(
    {
      // WSO2's session key; here derived from the session's public id, not from its cookie
      isk: createHash('sha256').update(signIn.sessionId).digest('hex'),
      amr: ['BasicAuthenticator'],
      ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
      sid: signIn.sessionId,
      auth_time: numericDate(signIn.authenticatedAt),
      ...(request.state === undefined ? {} : { s_hash: halfHash(request.state) }),
    },
    {
      iss: issuer.issuer,
      sub: signIn.accountId,
      aud: others.length > 0 ? [application.clientId, ...others] : application.clientId,
      azp: application.clientId,
      exp: numericDate(expiresAt),
      iat: numericDate(issuedAt),
      jti: id,
      org_id: organization.id,
      org_name: organization.name,
    },
  )
  const value = await issuer.sign(claims)
  const row = storeToken(db, value, {
    id,
    class: 'id',
    lineageId: signIn.sessionId,
    applicationId: application.id,
    clientId: application.clientId,
    organizationId: organization.id,
    subjectId: signIn.accountId,
    actorId: null,
    impersonationId: null,
    sessionId: signIn.sessionId,
    scopes: [],
    codeChallenge: null,
    issuedAt,
    expiresAt,
  })
  return { value, id, expiresAt, writes: [row] }
}
