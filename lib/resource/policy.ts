/** What may not be done while somebody acts for the user of a token. */
import type { Access } from './access.ts'
import { Refused } from './refused.ts'

/** Looks at an access that was verified; throws `Refused` to turn it away. */
export type Policy = (access: Access, method: string) => void

/** For the user in person: payments, passwords, consent. */
export const requireNoImpersonation: Policy = ({ impersonation }) => {
  if (impersonation) throw new Refused('impersonation', `${impersonation.actor} acts for the user`)
}

/** Whoever acts for the user looks and changes nothing: safe methods alone (RFC 9110 §9.2.1). */
export const readOnlyWhileImpersonated: Policy = ({ impersonation }, method) => {
  if (impersonation && !['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method))
    throw new Refused('impersonation', `${impersonation.actor} acts for the user and may only look`)
}

/** The token has all of these scopes. */
export const requireScope =
  (...scopes: readonly string[]): Policy =>
  (access) => {
    const lacking = scopes.filter((scope) => !access.scopes.has(scope))
    if (lacking.length > 0) throw new Refused('insufficient_scope', `lacks ${lacking.join(' ')}`)
  }
