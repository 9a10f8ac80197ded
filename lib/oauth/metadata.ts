/**
 * What the discovery documents say (OpenID Connect Discovery §3, RFC 8414 §2, and the registered names of RFC 8628, 8705,
 * 9101, 9126, 9207, 9449, 9701, 9728, JARM and the logout specifications): what is there, and nothing else.
 */
import { clientSignatures } from '../directory/client-abilities.ts'
import { proofAlgorithms } from '../tokens/dpop.ts'
import { authenticationContexts } from './authentication-context.ts'
import { responseModes } from './response-mode.ts'

export interface MetadataNeeds {
  readonly issuer: string
  /** Absolute, without a trailing slash. */
  readonly baseUrl: string
  /** The configured one first. */
  readonly signingAlgorithms: readonly string[]
  readonly responseTypes: ReadonlyMap<string, unknown>
  readonly grants: ReadonlyMap<string, unknown>
  /** Whether clients can register themselves. */
  readonly registration: boolean
  /** Whether a proxy hands their TLS certificates on. */
  readonly clientCertificates: boolean
}

/** Our own APIs, each a protected resource (RFC 9728). */
export const protectedResources = (baseUrl: string): readonly string[] => [
  `${baseUrl}/scim2`,
  `${baseUrl}/api`,
]

/** Of every ID token; those about the user are the administrators'. */
export const tokenClaims = [
  'iss',
  'sub',
  'aud',
  'exp',
  'iat',
  'auth_time',
  'nonce',
  'acr',
  'azp',
  'amr',
  'sid',
  'at_hash',
  'c_hash',
  's_hash',
  'act',
  'org_id',
  'org_name',
] as const

/** Everything but scopes and claims, which administrators change while the server runs. */
export const metadata = (needs: MetadataNeeds) => {
  const { issuer, baseUrl, clientCertificates } = needs
  const signatures = [...needs.signingAlgorithms]
  const proving = [
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
    ...(clientCertificates ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
  ]
  const responseTypes = [...needs.responseTypes.keys()]
  const implicit = responseTypes.some((type) => ['id_token', 'id_token token'].includes(type))
  return {
    issuer,
    authorization_endpoint: `${baseUrl}/oauth2/authorize`,
    token_endpoint: `${baseUrl}/oauth2/token`,
    userinfo_endpoint: `${baseUrl}/oauth2/userinfo`,
    jwks_uri: `${baseUrl}/oauth2/jwks`,
    introspection_endpoint: `${baseUrl}/oauth2/introspect`,
    revocation_endpoint: `${baseUrl}/oauth2/revoke`,
    pushed_authorization_request_endpoint: `${baseUrl}/oauth2/par`,
    device_authorization_endpoint: `${baseUrl}/oauth2/device_authorize`,
    end_session_endpoint: `${baseUrl}/oidc/logout`,
    check_session_iframe: `${baseUrl}/oidc/checksession`,
    webfinger_endpoint: `${baseUrl}/.well-known/webfinger`,
    ...(needs.registration
      ? { registration_endpoint: `${baseUrl}/api/identity/oauth2/dcr/v1.1/register` }
      : {}),
    protected_resources: protectedResources(baseUrl),
    response_types_supported: responseTypes,
    response_modes_supported: [...responseModes],
    grant_types_supported: [...needs.grants.keys(), ...(implicit ? ['implicit'] : [])],
    subject_types_supported: ['public', 'pairwise'],
    acr_values_supported: [...authenticationContexts],
    code_challenge_methods_supported: ['S256', 'plain'],
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    token_endpoint_auth_methods_supported: [...proving, 'none'],
    token_endpoint_auth_signing_alg_values_supported: [...clientSignatures],
    introspection_endpoint_auth_methods_supported: proving,
    introspection_endpoint_auth_signing_alg_values_supported: [...clientSignatures],
    revocation_endpoint_auth_methods_supported: [...proving, 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: [...clientSignatures],
    id_token_signing_alg_values_supported: signatures,
    userinfo_signing_alg_values_supported: signatures,
    introspection_signing_alg_values_supported: signatures,
    authorization_signing_alg_values_supported: signatures,
    // `none` is not one that every client may count on (Registration §2): only who registered it
    request_object_signing_alg_values_supported: [...clientSignatures],
    dpop_signing_alg_values_supported: [...proofAlgorithms],
    tls_client_certificate_bound_access_tokens: clientCertificates,
    claims_parameter_supported: true,
    request_parameter_supported: true,
    request_uri_parameter_supported: true,
    require_request_uri_registration: true,
    authorization_response_iss_parameter_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    frontchannel_logout_supported: true,
    frontchannel_logout_session_supported: true,
  }
}
