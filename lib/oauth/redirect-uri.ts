/**
 * Redirect URIs match exactly (RFC 9700 §2.1); a loopback address may come with any port (RFC 8252 §7.3); WSO2's
 * `regexp=(…)` form is anchored and literal in its host.
 */
import type { Application } from '../directory/applications.ts'
import { callbackExpression, registeredRedirectUris } from '../directory/callback-url.ts'

/** What no URI has (RFC 3986 §2): a pattern might let it through into a header. */
const foreign = /[^\x21-\x7e]|[\\"<>^`{|}]/

/** An address of this machine as a literal, without its port: `localhost` may be resolved elsewhere (RFC 8252 §8.3). */
const loopback = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?((?:[/?].*)?)$/

export interface RedirectRules {
  /** `regexp=` is refused for subject tokens unless a setting allows it (design.md §7, invariant 16). */
  readonly allowRegexp: boolean
}

/** What of a loopback URI has to match: all but its port. */
const withoutPort = (uri: string): string | undefined => {
  const match = loopback.exec(uri)
  return match ? `${match[1]}${match[2]}` : undefined
}

const matchesExpression = (asked: string, registered: string): boolean => {
  try {
    return callbackExpression(registered)?.test(asked) ?? false
  } catch {
    // an expression that a script wrote past the registration
    return false
  }
}

/** Whether the redirect URI of a request is the registered one; `anyPort` for those of native applications. */
export const matchesRedirectUri = (
  asked: string,
  registered: string,
  rules: RedirectRules & { readonly anyPort?: boolean },
): boolean => {
  if (asked.includes('#') || foreign.test(asked) || !URL.canParse(asked)) return false
  if (registered.startsWith('regexp=')) return rules.allowRegexp && matchesExpression(asked, registered)
  if (asked === registered) return true
  const place = rules.anyPort === true ? withoutPort(registered) : undefined
  return place !== undefined && place === withoutPort(asked)
}

/** Whether the request's redirect URI is one of the application's. */
export const isRedirectUriOf = (application: Application, asked: string, rules: RedirectRules): boolean => {
  const anyPort = application.oidc.mayact.applicationType !== 'web'
  return registeredRedirectUris(application).some((registered) =>
    matchesRedirectUri(asked, registered, { ...rules, anyPort }),
  )
}
