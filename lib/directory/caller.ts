/** Who calls, with which permissions, and acting for whom. Made by `access/`; directory writes take it. */
import type { Trace } from '../audit.ts'
import type { Write } from '../database/commit.ts'

/** Somebody acts for the user of a call: the token's actor and what the audit says of him. */
export interface Acting {
  readonly impersonatorId: string
  /** Undefined where he acts by delegation (RFC 8693). */
  readonly impersonationId: string | undefined
  /** The audit row of this request (design.md §7, invariant 12), to be committed exactly once. */
  readonly use: { taken: boolean; row(outcome: string): Write }
}

export interface Caller {
  readonly kind: 'user' | 'system' | 'client'
  /**
   * The account that the call counts as: with an impersonated token the subject. `system` for start-up and shell; a
   * client that manages its own registration goes by its client id.
   */
  readonly accountId: string
  readonly organizationId: string
  readonly trace: Trace
  /** The revision and what must still hold when this call's commit happens: its account, its token. */
  readonly revision: number
  readonly guards: readonly Write[]
  readonly acting?: Acting | undefined
  /** The client and application of a Bearer token. */
  readonly application?: { readonly id: string; readonly clientId: string; readonly name: string } | undefined
  /** True when the call holds the permission, by role (Basic) or by scope (Bearer). */
  may(permission: string): boolean
}

/** The caller of start-up and of shell commands; made only in `commands/` (a test sees to it). */
export const systemCaller = (organizationId: string, revision: number, trace: Trace): Caller => ({
  kind: 'system',
  accountId: 'system',
  organizationId,
  trace,
  revision,
  guards: [],
  may: () => true,
})

/** A client that registers itself or manages its registration (RFC 7591, RFC 7592): it holds no permission at all. */
export const clientCaller = (
  organizationId: string,
  clientId: string,
  revision: number,
  guards: readonly Write[],
  trace: Trace,
): Caller => ({
  kind: 'client',
  accountId: clientId,
  organizationId,
  trace,
  revision,
  guards,
  may: () => false,
})
