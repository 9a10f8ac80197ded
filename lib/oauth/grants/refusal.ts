/** A refusal whose client and user are known: what the client hears, and the audit row with the true reason. */
import { record } from '../../audit.ts'
import type { Db } from '../../database/connect.ts'
import { OAuthError } from '../error.ts'
import type { GrantAnswer, GrantRequest } from './grant.ts'

/** One answer for every reason that a code or token is not accepted for (RFC 6749 §5.2); `cause` is for the audit alone. */
export const invalidGrant = (what: string, cause?: string): OAuthError =>
  new OAuthError('invalid_grant', `The ${what} is invalid, expired, spent or of another client.`, { cause })

/** Refuses; `reason` is for the audit alone. */
export const refusal = (
  db: Db,
  { client, trace, now }: GrantRequest,
  grantType: string,
  accountId: string,
  error: OAuthError,
  reason: string,
): GrantAnswer => {
  const row = record(db, now, trace, {
    event: 'token-refused',
    initiator: client.clientId,
    target: accountId,
    data: { clientId: client.clientId, grantType, reason },
    outcome: 'Refused',
    subjectId: accountId,
    applicationId: client.id,
    organizationId: client.organizationId,
  })
  return { refused: error, writes: [row] }
}
