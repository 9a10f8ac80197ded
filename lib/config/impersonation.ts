import { type Draft, given } from './draft.ts'
import { ticketExpression, ticketPatternProblem } from './ticket-pattern.ts'

/** `[impersonation]`. */
export interface Impersonation {
  readonly maxDurationSeconds?: number
  /** `subject_token` alone may come back in the query. */
  readonly allowQueryResponse: boolean
  /** Callbacks of the form `regexp=(…)` may be used with subject tokens. */
  readonly allowRegexpCallbacks: boolean
  /** A response type with the word `subject_token` is registered. */
  readonly enabled: boolean
  /** Whether every impersonation needs a reason, a ticket; applications may ask for them on their own. */
  readonly requireReason: boolean
  readonly requireTicket: boolean
  /** What a whole ticket has to match, and how that is said to who types one. */
  readonly ticketPattern?: RegExp
  readonly ticketHint?: string
  /** Whether users may say that nobody acts for them. */
  readonly allowOptOut: boolean
}

/** Reads `[impersonation]`; `enabled` follows from the response types. */
export const impersonationOf = (draft: Draft, enabled: boolean): Impersonation => {
  const { impersonation } = draft.settings
  const pattern = impersonation.ticket_pattern
  const problem = pattern === undefined ? undefined : ticketPatternProblem(pattern)
  if (problem !== undefined) draft.refuse('impersonation.ticket_pattern', problem)
  return {
    ...given('maxDurationSeconds', impersonation.max_duration),
    allowQueryResponse: impersonation.allow_query_response,
    allowRegexpCallbacks: impersonation.allow_regexp_callbacks,
    enabled,
    requireReason: impersonation.require_reason,
    requireTicket: impersonation.require_ticket,
    ...given(
      'ticketPattern',
      pattern === undefined || problem !== undefined ? undefined : ticketExpression(pattern),
    ),
    ...given('ticketHint', impersonation.ticket_hint),
    allowOptOut: impersonation.allow_opt_out,
  }
}
