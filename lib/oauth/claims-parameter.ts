/** The `claims` parameter (OpenID Connect Core §5.5): single claims for the ID token and for userinfo. */
import type { TokenContext } from '../tokens/token.ts'
import { OAuthError } from './error.ts'

export type ClaimsRequest = NonNullable<TokenContext['claims']>

/** How a claim is asked for (§5.5.1); null asks for it plainly. */
interface Wish {
  readonly essential: boolean
  readonly values: readonly unknown[]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const invalid = () =>
  new OAuthError('invalid_request', 'The claims parameter is not a claims request of OpenID Connect.')

const readMember = (value: unknown): Readonly<Record<string, unknown>> | undefined => {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw invalid()
  // JSON can escape half a character, of which no name in UTF-8 can be made
  const isRequest = ([name, wish]: readonly [string, unknown]) =>
    name.isWellFormed() && (wish === null || isObject(wish))
  if (!Object.entries(value).every(isRequest)) throw invalid()
  return value
}

/** The parameter's two members; others are ignored (§5.5). Throws OAuthError. */
export const readClaims = (value: string | undefined): ClaimsRequest | undefined => {
  if (value === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(value)
  } catch {
    throw invalid()
  }
  if (!isObject(parsed)) throw invalid()
  const idToken = readMember(parsed.id_token)
  const userinfo = readMember(parsed.userinfo)
  return {
    ...(idToken === undefined ? {} : { id_token: idToken }),
    ...(userinfo === undefined ? {} : { userinfo }),
  }
}

/** How a claim of the ID token was asked for; undefined when it was not. */
export const wishOf = (claims: ClaimsRequest | undefined, name: string): Wish | undefined => {
  const members = claims?.id_token
  if (!members || !Object.hasOwn(members, name)) return undefined
  const wish = members[name]
  if (!isObject(wish)) return { essential: false, values: [] }
  const values = 'value' in wish ? [wish.value] : Array.isArray(wish.values) ? wish.values : []
  return { essential: wish.essential === true, values }
}
