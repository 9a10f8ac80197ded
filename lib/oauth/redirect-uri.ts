/** Redirect URIs match exactly (RFC 9700 §2.1); WSO2's `regexp=(…)` form is anchored and literal in its host. */

const regexpForm = /^regexp=(.*)$/s

export interface RedirectRules {
  /** `regexp=` is refused for subject tokens unless a setting allows it (design.md §7, invariant 16). */
  readonly allowRegexp: boolean
}

/** Whether the redirect URI of a request is the registered one. */
export const matchesRedirectUri = (asked: string, registered: string, rules: RedirectRules): boolean => {
  if (asked.includes('#') || !URL.canParse(asked)) return false
  const pattern = regexpForm.exec(registered)?.[1]
  if (pattern === undefined) return asked === registered
  if (!rules.allowRegexp) return false
  try {
    return new RegExp(`^(?:${pattern})$`).test(asked)
  } catch {
    return false
  }
}
