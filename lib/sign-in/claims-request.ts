/** The names in a `claims` parameter (OpenID Connect Core §5.5), as the consent page shows them and a consent keeps them. */
import type { TokenContext } from '../tokens/token.ts'

/** What the sign-in itself says, and needs nobody's consent. */
const aboutSignIn = new Set(['sub', 'acr', 'auth_time', 'amr', 'nonce', 'sid', 'azp', 'iss', 'aud'])

/** The claims about the user that are asked for one by one: the user consents to them as to scopes. */
export const requestedClaimNames = (claims: TokenContext['claims']): readonly string[] => [
  ...new Set(
    [...Object.keys(claims?.id_token ?? {}), ...Object.keys(claims?.userinfo ?? {})].filter(
      (name) => !aboutSignIn.has(name),
    ),
  ),
]
