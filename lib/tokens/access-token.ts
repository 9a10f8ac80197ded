/** Access tokens: `at+jwt` (RFC 9068) when the application says `JWT`, opaque otherwise. */
import type { Db } from '../database/connect.ts'
import type { Approval } from './approval.ts'
import { numericDate, stampClaims, wholeSecond } from './claims.ts'
import type { Issuer, Minted } from './issuer.ts'
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
  endsAt: Date,
  now: Date,
): Promise<Minted> => {
  const { application, organization } = approval
  const id = crypto.randomUUID()
  const issuedAt = wholeSecond(now)
  const expiresAt = wholeSecond(endsAt)
  const claims = stampClaims(
    {},
    {
      sub: approval.subjectId,
      aut: 'APPLICATION_USER',
      iss: issuer.issuer,
      client_id: application.clientId,
      aud: application.clientId,
      nbf: numericDate(issuedAt),
      act: { sub: approval.actorId },
      azp: application.clientId,
      org_id: organization.id,
      scope: approval.scopes.length > 0 ? approval.scopes.join(' ') : undefined,
      exp: numericDate(expiresAt),
      org_name: organization.name,
      iat: numericDate(issuedAt),
      jti: id,
    },
  )
  const value =
    application.oidc.accessToken.type === 'JWT' ? await issuer.sign(claims, 'at+jwt') : randomValue()
  const row = storeToken(db, value, {
    id,
    class: 'access',
    lineageId: impersonation.lineageId,
    applicationId: application.id,
    clientId: application.clientId,
    organizationId: organization.id,
    subjectId: approval.subjectId,
    actorId: approval.actorId,
    impersonationId: impersonation.id,
    sessionId: approval.sessionId,
    scopes: approval.scopes,
    codeChallenge: null,
    issuedAt,
    expiresAt,
  })
  return { value, id, expiresAt, writes: [row] }
}
