/** Where an authorization answer goes: fragment, query or form post (OAuth 2.0 Multiple Response Type Encoding). */

export type ResponseMode = 'fragment' | 'query' | 'form_post'

/** What the server allows for `subject_token` alone. */
export interface ModeRules {
  readonly allowQueryResponse: boolean
}

const carriesToken = (responseType: string) =>
  responseType.split(' ').some((word) => ['id_token', 'token', 'subject_token'].includes(word))

/** Whether the mode asked for exists here and may be used. */
export const isAllowedMode = (responseType: string, asked: string | undefined, rules: ModeRules): boolean => {
  if (asked === undefined || asked === 'fragment' || asked === 'form_post') return true
  // with an id_token `query` is ignored in favour of the fragment; alone, the token would land in logs and referrers
  return asked === 'query' && (responseType !== 'subject_token' || rules.allowQueryResponse)
}

/**
 * The mode an answer, good or bad, is given in: an unknown one falls back to the response type's own. What `isOurs` and
 * no standard type may carry tokens of a plugin, which have no place in a query either.
 */
export const modeOf = (
  responseType: string,
  asked: string | undefined,
  rules: ModeRules,
  isOurs = false,
): ResponseMode => {
  if (asked === 'form_post') return 'form_post'
  if (responseType === 'subject_token') {
    return rules.allowQueryResponse && asked !== 'fragment' ? 'query' : 'fragment'
  }
  const isCustom = isOurs && responseType !== 'code' && responseType !== 'none'
  return isCustom || carriesToken(responseType) || asked === 'fragment' ? 'fragment' : 'query'
}
