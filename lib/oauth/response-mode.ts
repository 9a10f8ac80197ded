/**
 * Where an authorization answer goes: fragment, query or form post (OAuth 2.0 Multiple Response Type Encoding, Form Post
 * Response Mode), as parameters or, by the `jwt` family, as one signed JWT (JARM).
 */

export type ResponseMode = 'fragment' | 'query' | 'form_post'

/** A mode, and whether the answer is one signed JWT (JARM §2.3). */
export interface Delivery {
  readonly mode: ResponseMode
  readonly secured: boolean
}

/** What the server allows for `subject_token` alone. */
export interface ModeRules {
  readonly allowQueryResponse: boolean
}

/** Every `response_mode` there is. */
export const responseModes = [
  'query',
  'fragment',
  'form_post',
  'jwt',
  'query.jwt',
  'fragment.jwt',
  'form_post.jwt',
] as const

const words = (responseType: string) => responseType.split(' ')

const carriesToken = (responseType: string) =>
  words(responseType).some((word) => ['id_token', 'token', 'subject_token'].includes(word))

const isImpersonation = (responseType: string) => words(responseType).includes('subject_token')

const isJwt = (asked: string | undefined) => asked === 'jwt' || (asked?.endsWith('.jwt') ?? false)

/** Whether the mode asked for exists here and may be used. */
export const isAllowedMode = (responseType: string, asked: string | undefined, rules: ModeRules): boolean => {
  if (asked === undefined || asked === 'fragment' || asked === 'form_post') return true
  if (!(responseModes as readonly string[]).includes(asked)) return false
  if (isImpersonation(responseType)) {
    // with an id_token `query` is ignored in favour of the fragment; alone, the token would land in logs and referrers
    return asked === 'query' && (responseType !== 'subject_token' || rules.allowQueryResponse)
  }
  // a token is never put into a query (Multiple Response Type Encoding §3, §5; JARM §2.3.1)
  return asked === 'jwt' || !asked.startsWith('query') || !carriesToken(responseType)
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

/** The mode and whether it is signed; an impersonation's answer never is, as before there was JARM. */
export const deliveryOf = (
  responseType: string,
  asked: string | undefined,
  rules: ModeRules,
  isOurs: boolean,
): Delivery => {
  const exists = (responseModes as readonly string[]).includes(asked ?? '')
  if (!exists || !isJwt(asked) || isImpersonation(responseType)) {
    return { mode: modeOf(responseType, asked, rules, isOurs), secured: false }
  }
  const plain = asked === 'jwt' ? undefined : asked?.slice(0, -'.jwt'.length)
  return { mode: modeOf(responseType, plain, rules, isOurs), secured: true }
}
