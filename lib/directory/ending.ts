/** Who ends what hangs on a lineage, and why. The word is stored with it and told by its audit row. */

export type EndReason =
  /** Somebody who may ended it by a call or from the shell. */
  | 'ended'
  | 'logout'
  /** Its browser session was ended by somebody else. */
  | 'session-ended'
  /** Somebody else signed in, in the same browser. */
  | 'other-login'
  /** An account was locked or disabled, or has a new password. */
  | 'account-changed'
  | 'account-deleted'
  | 'permission-removed'
  /** The user acted for became an administrator, and the impersonator is none. */
  | 'subject-protected'
  /** The user acted for wants nobody to act for him. */
  | 'opted-out'
  | 'consent-withdrawn'
  | 'application-disabled'
  | 'application-updated'
  | 'application-deleted'
  | 'application-revoked'
  | 'application-secret-regenerated'
  | 'application-protocol-removed'
  | 'application-impersonation-disabled'
  | 'application-tokens-revoked'
  /** Its client revoked its token (RFC 7009). */
  | 'revoked'
  | 'refresh-token-reused'
  | 'authorization-code-replayed'
  | 'restored'
  /** The server was started without a response type for subject tokens. */
  | 'switched-off'
  | 'expired'

export interface Ending {
  /** An account's id, a client id, or `system`. */
  readonly by: string
  readonly reason: EndReason
  /** What whoever ended it said. */
  readonly comment?: string | undefined
}

/** The columns of a lineage that has ended. */
export const endColumns = ({ by, reason, comment }: Ending, now: Date) => ({
  ended_at: now.toISOString(),
  ended_by: by,
  end_reason: reason,
  end_comment: comment ?? null,
})
