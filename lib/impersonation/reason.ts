/**
 * What an impersonator says that an impersonation is for: a reason in his own words, and a ticket, the place where it is
 * written. Both are texts of one line. A server or an application may require them; whether a reason says anything is for
 * a validator to judge.
 */
import { longestTicket } from '../config/ticket-pattern.ts'
import type { Application } from '../directory/applications.ts'

export { longestTicket }

/** Characters (UTF-16 code units, as forms count them). */
export const longestReason = 500

/** What the deployment says of them. */
export interface ReasonRules {
  readonly requireReason: boolean
  readonly requireTicket: boolean
  /** What a whole ticket has to match (`config/ticket-pattern.ts`). */
  readonly ticketPattern?: RegExp | undefined
  /** How that is said to people. */
  readonly ticketHint?: string | undefined
}

export type Said = 'reason' | 'ticket'

/** The parameters that carry them. */
export const parameterOf = { reason: 'impersonation_reason', ticket: 'impersonation_ticket' } as const

/** What is wrong with one of them: `code` for the audit, `message` for whoever sent it. */
export interface SaidProblem {
  readonly of: Said
  readonly code: string
  readonly message: string
}

export interface Stated {
  readonly reason: string | undefined
  readonly ticket: string | undefined
  /** The first thing that is wrong with what was said. */
  readonly problem: SaidProblem | undefined
  /** What is required and was not said. */
  readonly missing: readonly Said[]
}

/** Which of them an application's impersonations need. */
export const requiredOf = ({ oidc }: Pick<Application, 'oidc'>, rules: ReasonRules): readonly Said[] => [
  ...(rules.requireReason || oidc.mayact.requireImpersonationReason ? (['reason'] as const) : []),
  ...(rules.requireTicket || oidc.mayact.requireImpersonationTicket ? (['ticket'] as const) : []),
]

const longest = { reason: longestReason, ticket: longestTicket } as const

const problemOf = (said: Said, text: string, rules: ReasonRules): SaidProblem | undefined => {
  const name = parameterOf[said]
  const problem = (code: string, message: string) => ({ of: said, code: `${said}_${code}`, message })
  // what is not one line could pass for another line of whatever shows it, and so could what is read backwards; texts in
  // Arabic or Hebrew need no overrides
  if (/[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u.test(text) || !text.isWellFormed())
    return problem('malformed', `${name} has a line break or another control character.`)
  if (text.length > longest[said])
    return problem('too_long', `${name} is longer than ${longest[said]} characters.`)
  if (said === 'ticket' && rules.ticketPattern && !rules.ticketPattern.test(text))
    return problem('mismatch', `${name} does not have the form that is required here.`)
  return undefined
}

/** Reads what a request says; `reason` is the older name of the reason. */
export const readStated = (
  parameters: ReadonlyMap<string, string>,
  application: Pick<Application, 'oidc'>,
  rules: ReasonRules,
): Stated => {
  const trimmed = (text: string | undefined) => text?.trim() || undefined
  const reason = trimmed(parameters.get(parameterOf.reason) ?? parameters.get('reason'))
  const ticket = trimmed(parameters.get(parameterOf.ticket))
  const said = { reason, ticket }
  const problems = (['reason', 'ticket'] as const).flatMap((name) => {
    const text = said[name]
    return text === undefined ? [] : [problemOf(name, text, rules)]
  })
  return {
    ...said,
    problem: problems.find((problem) => problem !== undefined),
    missing: requiredOf(application, rules).filter((name) => said[name] === undefined),
  }
}
