/** What the OAuth settings of an application can be, for forms; numbers are texts, as WSO2's clients expect. */
import { Hono } from 'hono'
import { authenticationMethods, clientSignatures } from '../../directory/client-abilities.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { grantTypeNames } from './oauth-settings.ts'
import { readMeta } from './operations.ts'

const options = (values: readonly string[]) => ({ options: values })

/** A client without a secret cannot be itself, nor prove itself by an assertion of somebody else. */
const forConfidential = new Set(['client_credentials'])

export const metaRoutes = (needs: ApiNeeds) => {
  const { lifetimes, furtherGrantTypes = [], signingAlgorithms } = needs.oauthRules
  const grants = [
    ...Object.entries(grantTypeNames),
    ...furtherGrantTypes.filter((type) => !(type in grantTypeNames)).map((type) => [type, type] as const),
  ]
  const meta = {
    allowedGrantTypes: {
      options: grants.map(([name, displayName]) => ({
        name,
        displayName,
        publicClientAllowed: !forConfidential.has(name),
      })),
    },
    defaultUserAccessTokenExpiryTime: String(lifetimes.userAccessTokenSeconds),
    defaultApplicationAccessTokenExpiryTime: String(lifetimes.applicationAccessTokenSeconds),
    defaultRefreshTokenExpiryTime: String(lifetimes.refreshTokenSeconds),
    defaultIdTokenExpiryTime: String(lifetimes.idTokenSeconds),
    // nothing is encrypted here, and a setting that asks for it is refused
    idTokenEncryptionAlgorithm: options([]),
    idTokenEncryptionMethod: options([]),
    requestObjectEncryptionAlgorithm: options([]),
    requestObjectEncryptionMethod: options([]),
    scopeValidators: options(['Role based scope validator', 'XACML Scope Validator']),
    accessTokenType: options(['Default', 'JWT']),
    accessTokenBindingType: options(['None']),
    tokenEndpointAuthMethod: {
      options: authenticationMethods.map((name) => ({ name, displayName: name })),
    },
    tokenEndpointSignatureAlgorithm: options(clientSignatures),
    idTokenSignatureAlgorithm: options(signingAlgorithms),
    requestObjectSignatureAlgorithm: options(clientSignatures),
    subjectType: options(['public', 'pairwise']),
  }
  return new Hono().get(
    '/inbound-protocols/oidc',
    gate(needs)('internal_application_mgt_view', async (_, c) => c.json(meta), readMeta),
  )
}
