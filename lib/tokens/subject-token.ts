/** The subject token: the signed statement that the actor may act for the subject (facts/impersonation.md §3.1). */
import type { Db } from '../database/connect.ts'
import type { Approval } from './approval.ts'
import { numericDate, stampClaims, wholeSecond } from './claims.ts'
import type { Issuer, Minted } from './issuer.ts'
import { type Confirmation, storeToken } from './token.ts'

/** Mints the subject token of an approval redeemed at authorize. */
export const mintSubjectToken = async (
  db: Db,
  issuer: Issuer,
  approval: Approval,
  impersonation: {
    readonly id: string
    readonly lineageId: string
    readonly codeChallenge: string | null
    readonly confirmation: Confirmation | null
  },
  now: Date,
): Promise<Minted> => {
  const { application } = approval
  const id = crypto.randomUUID()
  const issuedAt = wholeSecond(now)
  const seconds = application.oidc.subjectToken.applicationSubjectTokenExpiryInSeconds
  const expiresAt = new Date(issuedAt.getTime() + seconds * 1000)
  const { clientId } = application
  const claims = stampClaims(
    {},
    {
      sub: approval.subject.id,
      aud: clientId,
      nbf: numericDate(issuedAt),
      azp: clientId,
      scope: approval.scopes.length > 0 ? approval.scopes.join(' ') : undefined,
      iss: issuer.issuer,
      may_act: { sub: approval.actor.id },
      exp: numericDate(expiresAt),
      iat: numericDate(issuedAt),
      jti: id,
      client_id: clientId,
      cnf: impersonation.confirmation ?? undefined,
    },
  )
  const value = await issuer.sign(claims, 'subject-token+jwt')
  const row = storeToken(db, value, {
    id,
    class: 'subject',
    lineageId: impersonation.lineageId,
    applicationId: application.id,
    clientId,
    organizationId: approval.organization.id,
    subjectId: approval.subject.id,
    actorId: approval.actor.id,
    impersonationId: impersonation.id,
    sessionId: approval.sessionId,
    scopes: approval.scopes,
    codeChallenge: impersonation.codeChallenge,
    actor: { sub: approval.actor.id },
    audience: [],
    confirmation: impersonation.confirmation,
    context: {},
    issuedAt,
    expiresAt,
  })
  return { value, id, expiresAt, writes: [row] }
}
