/** The audit row of a request that was refused to a client which had authenticated, whatever it asked for. */
import { record, type Trace } from '../audit.ts'
import { commit, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { OAuthError } from './error.ts'

/** What is cut off nobody needs; some of it came from outside. */
const longestReason = 200

const reasonOf = ({ cause, message }: OAuthError): string =>
  (cause === undefined ? message : cause instanceof Error ? cause.message : String(cause)).slice(
    0,
    longestReason,
  )

/**
 * Leaves it, with the writes by which the client proved itself: what was shown once cannot be shown again. A wish for a
 * nonce is no refusal; and who knows no more than the id of a public client must not be able to fill the audit.
 */
export const leaveRefusal = async (
  db: Db,
  client: Application,
  error: unknown,
  { grantType, writes }: { readonly grantType?: string | undefined; readonly writes: readonly Write[] },
  trace: Trace,
  now: Date,
): Promise<void> => {
  if (!(error instanceof OAuthError)) return
  const isTold = error.code !== 'use_dpop_nonce' && !client.oidc.publicClient
  const rows = isTold
    ? [
        record(db, now, trace, {
          event: 'token-refused',
          initiator: client.clientId,
          target: client.clientId,
          data: {
            clientId: client.clientId,
            ...(grantType === undefined ? {} : { grantType: grantType.slice(0, longestReason) }),
            error: error.code,
            reason: reasonOf(error),
          },
          outcome: 'Refused',
          applicationId: client.id,
          organizationId: client.organizationId,
        }),
      ]
    : []
  if (writes.length + rows.length === 0) return
  const outcome = await commit(db, [...writes, ...rows])
  // another request showed the same at this moment, and this one is refused all the same
  if (outcome !== 'committed' && rows.length > 0) await commit(db, rows)
}
