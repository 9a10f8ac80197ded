/** The discovery documents (OpenID Connect Discovery, RFC 8414): only what exists is advertised. */
import { Hono } from 'hono'
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { oidcScopesAt } from '../directory/oidc-scopes.ts'
import { supportedClaims } from '../directory/user-claims.ts'

export interface DiscoveryNeeds {
  readonly db: Db
  readonly issuer: string
  /** Absolute, without a trailing slash. */
  readonly baseUrl: string
  /** The configured one first. */
  readonly signingAlgorithms: readonly string[]
  readonly responseTypes: ReadonlyMap<string, unknown>
  readonly grants: ReadonlyMap<string, unknown>
  readonly allowQueryResponse: boolean
}

const claims = [
  'iss',
  'sub',
  'aud',
  'exp',
  'iat',
  'auth_time',
  'nonce',
  'azp',
  'amr',
  'sid',
  's_hash',
  'org_id',
  'org_name',
]

export const discovery = (needs: DiscoveryNeeds) => {
  const { db, issuer, baseUrl } = needs
  const document = {
    issuer,
    authorization_endpoint: `${baseUrl}/oauth2/authorize`,
    token_endpoint: `${baseUrl}/oauth2/token`,
    device_authorization_endpoint: `${baseUrl}/oauth2/device_authorize`,
    jwks_uri: `${baseUrl}/oauth2/jwks`,
    end_session_endpoint: `${baseUrl}/oidc/logout`,
    check_session_iframe: `${baseUrl}/oidc/checksession`,
    userinfo_endpoint: `${baseUrl}/oauth2/userinfo`,
    introspection_endpoint: `${baseUrl}/oauth2/introspect`,
    revocation_endpoint: `${baseUrl}/oauth2/revoke`,
    userinfo_signing_alg_values_supported: [...needs.signingAlgorithms],
    introspection_signing_alg_values_supported: [...needs.signingAlgorithms],
    response_types_supported: [...needs.responseTypes.keys()],
    response_modes_supported: ['fragment', 'form_post', ...(needs.allowQueryResponse ? ['query'] : [])],
    grant_types_supported: [...needs.grants.keys()],
    subject_types_supported: ['public', 'pairwise'],
    id_token_signing_alg_values_supported: [...needs.signingAlgorithms],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    code_challenge_methods_supported: ['S256', 'plain'],
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    authorization_response_iss_parameter_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    frontchannel_logout_supported: true,
    frontchannel_logout_session_supported: true,
  }
  /** The scopes of OpenID Connect are the administrators'. */
  const current = async () => {
    const revision = await readRevision(db)
    const [scopes, known] = await Promise.all([oidcScopesAt(db, revision), supportedClaims(db, revision)])
    return {
      ...document,
      scopes_supported: [...scopes.keys()],
      claims_supported: [...new Set([...claims, ...known])],
    }
  }
  const { pathname } = new URL(issuer)
  return (
    new Hono()
      .get('/oauth2/:place/.well-known/openid-configuration', async (c) => {
        const place = c.req.param('place')
        if (place === 'token' || place === 'oidcdiscovery') return c.json(await current())
        return c.text(
          `Invalid path to the discovery document. Received path : ${place} is not resolvable`,
          400,
        )
      })
      .get('/oauth2/token/.well-known/oauth-authorization-server', async (c) => c.json(await current()))
      // RFC 8414 §3.1 puts the well-known part before the issuer's path
      .get(`/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`, async (c) =>
        c.json(await current()),
      )
  )
}
