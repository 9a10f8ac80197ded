/** How users are authenticated here, as `acr` names it (OpenID Connect Core §2, RFC 9470). */
import type { ClaimsRequest } from './claims-parameter.ts'
import { wishOf } from './claims-parameter.ts'
import { OAuthError } from './error.ts'

/** User name and password over TLS, by the name that SAML 2.0 registered for it. */
export const passwordContext = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'

/** Every context that a sign-in here can have. */
export const authenticationContexts: readonly string[] = [passwordContext]

/**
 * An essential `acr` that no sign-in here satisfies fails before anybody signs in (OpenID Connect Core §5.5.1.1);
 * `acr_values` are wishes only (§3.1.2.1). Throws OAuthError.
 */
export const checkContext = (claims: ClaimsRequest | undefined): void => {
  const wish = wishOf(claims, 'acr')
  if (!wish?.essential || wish.values.length === 0) return
  if (authenticationContexts.some((context) => wish.values.includes(context))) return
  throw new OAuthError(
    'unmet_authentication_requirements',
    'No sign-in here has the authentication context class that is asked for.',
  )
}
