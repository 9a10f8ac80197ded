/** Claims that only this server may say; they are stamped last, so no contributor can set or change one. */

const owned: ReadonlySet<string> = new Set([
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'client_id',
  'azp',
  'scope',
  'aut',
  'act',
  'may_act',
  'cnf',
  'org_id',
  'org_name',
  'user_org',
])

export type Claims = Readonly<Record<string, unknown>>

/** NumericDate (RFC 7519 §2): whole seconds since the epoch. */
export const numericDate = (instant: Date): number => Math.floor(instant.getTime() / 1000)

/** The instant cut to a whole second, as a token's times are. */
export const wholeSecond = (instant: Date): Date => new Date(numericDate(instant) * 1000)

/**
 * `contributed` without what this server owns, then `stamped` over it; undefined values are left out. Functions are no
 * claims, and one named toJSON would answer for the whole.
 */
export const stampClaims = (contributed: Claims, stamped: Claims): Record<string, unknown> => {
  const claims: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(contributed)) {
    if (!owned.has(name) && typeof value !== 'function') claims[name] = value
  }
  for (const [name, value] of Object.entries(stamped)) if (value !== undefined) claims[name] = value
  return claims
}
