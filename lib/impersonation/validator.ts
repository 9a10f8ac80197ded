/** The contract of an impersonation validator: one rule that may refuse or narrow an impersonation. */
import type { Account } from '../directory/accounts.ts'
import type { Application } from '../directory/applications.ts'
import type { KnownPerson } from '../directory/people.ts'

export type Phase = 'authorize' | 'exchange'

/** What a validator is asked. It must not change any of it. */
export interface ValidatorRequest {
  readonly phase: Phase
  readonly impersonator: Account
  /** Undefined when nobody has the id that was asked for. */
  readonly subject: Account | undefined
  readonly application: Application
  readonly organization: { readonly id: string; readonly name: string }
  /** What was asked for at authorize; at exchange what is asked of the subject token's scopes. */
  readonly requestedScopes: readonly string[]
  /** What is left of them so far. A validator may narrow these, never widen them. */
  readonly scopes: readonly string[]
  /** What the impersonator said that it is for, and where that is written; the same at exchange as at authorize. */
  readonly reason: string | undefined
  readonly ticket: string | undefined
  readonly now: Date
  readonly signal: AbortSignal
  /** The scopes among `scopes` that an account may have in the application. */
  granted(account: Account, scopes: Iterable<string>): Promise<ReadonlySet<string>>
  /** Impersonator and subject with names and addresses, by id; read when the first rule asks. */
  people(): Promise<ReadonlyMap<string, KnownPerson>>
}

export type ValidatorAnswer =
  | { readonly allow: true; readonly scopes: readonly string[] }
  /** `code` and `message` go into the audit; the caller hears `access_denied` and nothing else. */
  | { readonly allow: false; readonly code: string; readonly message: string }

export interface Validator {
  readonly name: string
  /** The highest runs first. */
  readonly priority: number
  validate(request: ValidatorRequest): Promise<ValidatorAnswer> | ValidatorAnswer
}
