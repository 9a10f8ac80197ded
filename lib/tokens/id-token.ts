/** The ID token of a sign-in: it names the person who signed in, never the person acted for (facts §3.2). */
import { createHash } from 'node:crypto'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { type Claims, numericDate, stampClaims, wholeSecond } from './claims.ts'
import type { Issuer, Minted } from './issuer.ts'
import { storeToken } from './token.ts'

export interface SignIn {
  readonly accountId: string
  /** The session's lineage: the `sid`. */
  readonly sessionId: string
  readonly authenticatedAt: Date
  /** The user's name at the client where it is not the account's id (`tokens/subject-identifier.ts`). */
  readonly sub?: string | undefined
  /** What the ID token hangs on where it is not the session itself. */
  readonly lineageId?: string | undefined
}

/** What an ID token says of the request that it answers. */
export interface IdTokenRequest {
  readonly nonce?: string | undefined
  readonly state?: string | undefined
  /** Issued beside it: their half hashes become `at_hash` and `c_hash`. */
  readonly accessToken?: string | undefined
  readonly code?: string | undefined
  readonly acr?: string | undefined
  /** Claims about the user; whatever this server owns is not taken from them. */
  readonly claims?: Claims | undefined
  /** The end of what it is made from: it ends no later. */
  readonly endsAt?: Date | undefined
}

/**
 * Left half of the hash that the ID token's signature is made with, base64url (OpenID Connect Core §3.3.2.11, FAPI
 * `s_hash`): Ed25519 hashes with SHA-512, every other algorithm of ours with SHA-256.
 */
export const halfHash = (value: string, algorithm: string): string => {
  const digest = createHash(algorithm === 'EdDSA' ? 'sha512' : 'sha256')
    .update(value)
    .digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

/** Mints an ID token for the application; `seconds` is the server's lifetime where the application sets none. */
export const mintIdToken = async (
  db: Db,
  issuer: Issuer,
  application: Application,
  organization: { readonly id: string; readonly name: string },
  signIn: SignIn,
  request: IdTokenRequest,
  seconds: number,
  now: Date,
): Promise<Minted> => {
  const id = crypto.randomUUID()
  const issuedAt = wholeSecond(now)
  const lifetime = application.oidc.idToken.expiryInSeconds || seconds
  const latest = new Date(issuedAt.getTime() + lifetime * 1000)
  const expiresAt =
    request.endsAt !== undefined && request.endsAt < latest ? wholeSecond(request.endsAt) : latest
  const others = application.oidc.idToken.audience.filter((audience) => audience !== application.clientId)
  const algorithm = issuer.algorithmFor(application.oidc.idToken.idTokenSignedResponseAlg)
  const half = (text: string) => halfHash(text, algorithm)
  const claims = stampClaims(
    {
      ...request.claims,
      // WSO2's session key; here derived from the session's public id, not from its cookie
      isk: createHash('sha256').update(signIn.sessionId).digest('hex'),
      amr: ['BasicAuthenticator'],
      ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
      sid: signIn.sessionId,
      auth_time: numericDate(signIn.authenticatedAt),
      ...(request.acr === undefined ? {} : { acr: request.acr }),
      ...(request.state === undefined ? {} : { s_hash: half(request.state) }),
      ...(request.accessToken === undefined ? {} : { at_hash: half(request.accessToken) }),
      ...(request.code === undefined ? {} : { c_hash: half(request.code) }),
    },
    {
      iss: issuer.issuer,
      sub: signIn.sub ?? signIn.accountId,
      aud: others.length > 0 ? [application.clientId, ...others] : application.clientId,
      azp: application.clientId,
      exp: numericDate(expiresAt),
      iat: numericDate(issuedAt),
      jti: id,
      org_id: organization.id,
      org_name: organization.name,
    },
  )
  const value = await issuer.sign(claims, undefined, algorithm)
  const row = storeToken(db, value, {
    id,
    class: 'id',
    lineageId: signIn.lineageId ?? signIn.sessionId,
    applicationId: application.id,
    clientId: application.clientId,
    organizationId: organization.id,
    subjectId: signIn.accountId,
    actorId: null,
    impersonationId: null,
    sessionId: signIn.sessionId,
    scopes: [],
    codeChallenge: null,
    actor: null,
    audience: [],
    confirmation: null,
    context: {},
    issuedAt,
    expiresAt,
  })
  return { value, id, expiresAt, writes: [row] }
}
