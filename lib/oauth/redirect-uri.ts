/** Redirect URIs match exactly (RFC 9700 §2.1); WSO2's `regexp=(…)` form is anchored and literal in its host. */

/** What no URI has (RFC 3986 §2): a pattern might let it through into a header. */
const foreign = /[^\x21-\x7e]|[\\"<>^`{|}]/

const regexpForm = /^regexp=(.*)$/s

export interface RedirectRules {
  /** `regexp=` is refused for subject tokens unless a setting allows it (design.md §7, invariant 16). */
  readonly allowRegexp: boolean
}

/** Whether the redirect URI of a request is the registered one. */
export const matchesRedirectUri = (asked: string, registered: string, rules: RedirectRules): boolean => {
  if (asked.includes('#') || foreign.test(asked) || !URL.canParse(asked)) return false
  const pattern = regexpForm.exec(registered)?.[1]
  if (pattern === undefined) return asked === registered
  if (!rules.allowRegexp) return false
  try {
    return new RegExp(`^(?:${pattern})$`).test(asked)
  } catch {
    return false
  }
}
