/**
 * The value without which no impersonated token is minted. Only `impersonation/decide.ts` may import `approve` (a test
 * walks the imports); plugins are not compiled with us, so membership in a private WeakSet stands behind the brand.
 */
import type { Write } from '../database/commit.ts'
import type { Account } from '../directory/accounts.ts'
import type { Application } from '../directory/applications.ts'

declare const brand: unique symbol

export interface Approval {
  readonly phase: 'authorize' | 'exchange'
  /** The revision that it was decided at. */
  readonly revision: number
  readonly subject: Account
  readonly actor: Account
  readonly application: Application
  readonly organization: { readonly id: string; readonly name: string }
  readonly scopes: readonly string[]
  /** The session (its lineage's id) that the impersonator signed in with. */
  readonly sessionId: string
  /** What the impersonator said that it is for, and where that is written; they go into no token. */
  readonly reason: string | undefined
  readonly ticket: string | undefined
  /** What must still hold when the token's commit happens. */
  readonly guards: readonly Write[]
}

export type Approved = Approval & { readonly [brand]: true }

const outstanding = new WeakSet<object>()

/** Makes an approval; for `impersonation/decide.ts` alone. */
export const approve = (approval: Approval): Approved => {
  // the brand exists for the compiler only
  const approved = Object.freeze({ ...approval }) as Approved
  outstanding.add(approved)
  return approved
}

/** Takes an approval to mint from: good once, and only if `decide` made it. Throws otherwise. */
export const redeemApproval = (approved: Approved, phase: Approval['phase']): Approval => {
  if (!outstanding.delete(approved) || approved.phase !== phase) {
    throw new Error('an impersonated token was asked for without an approval of its own')
  }
  return approved
}
