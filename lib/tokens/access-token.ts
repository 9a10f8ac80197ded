/** Access tokens: `at+jwt` (RFC 9068) when the application says `JWT`, opaque otherwise. */
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import type { Approval } from './approval.ts'
import { type Claims, numericDate, stampClaims, wholeSecond } from './claims.ts'
import type { Issuer, Minted } from './issuer.ts'
import { beginLineage } from './lineage.ts'
import { randomValue, storeToken } from './token.ts'

/**
 * Mints the impersonated access token of an approval redeemed at exchange; it ends at `endsAt`, cut to a whole second.
 * `act` is a plain object and is stamped by this server alone (facts/impersonation.md §4.4).
 */
export const mintImpersonatedAccessToken = async (
  db: Db,
  issuer: Issuer,
  approval: Approval,
  impersonation: { readonly id: string; readonly lineageId: string },
  contributed: Claims,
  endsAt: Date,
  now: Date,
): Promise<Minted> => {
  const { application, organization } = approval
  const id = crypto.randomUUID()
  const issuedAt = wholeSecond(now)
  const expiresAt = wholeSecond(endsAt)
  const claims = stampClaims(contributed, {
    sub: approval.subject.id,
    aut: 'APPLICATION_USER',
    iss: issuer.issuer,
    client_id: application.clientId,
    aud: application.clientId,
    nbf: numericDate(issuedAt),
    act: { sub: approval.actor.id },
    azp: application.clientId,
    org_id: organization.id,
    scope: approval.scopes.length > 0 ? approval.scopes.join(' ') : undefined,
    exp: numericDate(expiresAt),
    org_name: organization.name,
    iat: numericDate(issuedAt),
    jti: id,
  })
  const value =
    application.oidc.accessToken.type === 'JWT' ? await issuer.sign(claims, 'at+jwt') : randomValue()
  const row = storeToken(db, value, {
    id,
    class: 'access',
    lineageId: impersonation.lineageId,
    applicationId: application.id,
    clientId: application.clientId,
    organizationId: organization.id,
    subjectId: approval.subject.id,
    actorId: approval.actor.id,
    impersonationId: impersonation.id,
    sessionId: approval.sessionId,
    scopes: approval.scopes,
    codeChallenge: null,
    issuedAt,
    expiresAt,
  })
  return { value, id, expiresAt, writes: [row] }
}

/** Mints an access token that a client has for itself: nobody acts in it, and it hangs on a lineage of its own. */
export const mintClientAccessToken = async (
  db: Db,
  issuer: Issuer,
  application: Application,
  organization: Approval['organization'],
  granted: { readonly scopes: readonly string[]; readonly claims: Claims; readonly seconds: number },
  now: Date,
): Promise<Minted> => {
  const [id, lineageId] = [crypto.randomUUID(), Bun.randomUUIDv7()]
  const issuedAt = wholeSecond(now)
  const expiresAt = new Date(issuedAt.getTime() + granted.seconds * 1000)
  const { clientId } = application
  const claims = stampClaims(granted.claims, {
    sub: clientId,
    aut: 'APPLICATION',
    iss: issuer.issuer,
    client_id: clientId,
    aud: clientId,
    nbf: numericDate(issuedAt),
    azp: clientId,
    org_id: organization.id,
    scope: granted.scopes.length > 0 ? granted.scopes.join(' ') : undefined,
    exp: numericDate(expiresAt),
    org_name: organization.name,
    iat: numericDate(issuedAt),
    jti: id,
  })
  const value =
    application.oidc.accessToken.type === 'JWT' ? await issuer.sign(claims, 'at+jwt') : randomValue()
  const row = storeToken(db, value, {
    id,
    class: 'access',
    lineageId,
    applicationId: application.id,
    clientId,
    organizationId: organization.id,
    subjectId: clientId,
    actorId: null,
    impersonationId: null,
    sessionId: null,
    scopes: granted.scopes,
    codeChallenge: null,
    issuedAt,
    expiresAt,
  })
  const lineage = beginLineage(db, { id: lineageId, kind: 'client', sessionId: null, endsAt: expiresAt })
  return { value, id, expiresAt, writes: [lineage, row] }
}
