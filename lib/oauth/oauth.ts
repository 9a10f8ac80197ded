/** The OAuth door: one file an endpoint, one a grant, one a response type. */
import { Hono } from 'hono'
import type { GuardNeeds } from '../access/guard.ts'
import type { Trace } from '../audit.ts'
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { messageDomain } from '../email/address.ts'
import type { ClaimsContributor } from '../impersonation/contributed-claims.ts'
import type { Validator } from '../impersonation/validator.ts'
import { validatorsInForce } from '../impersonation/validators/built-in.ts'
import type { Vault } from '../keys/secrets.ts'
import type { SigningKeys } from '../keys/signing.ts'
import type { Log } from '../log.ts'
import type { ProofNeeds } from '../tokens/dpop.ts'
import { type AuthorizeNeeds, authorize } from './authorize.ts'
import { checkSession } from './check-session.ts'
import type { ClientNeeds } from './client-authentication.ts'
import { clientKeys } from './client-keys.ts'
import { commonauth } from './commonauth.ts'
import { deviceAuthorization } from './device-authorization.ts'
import { deviceVerification } from './device-verification.ts'
import { discovery } from './discovery.ts'
import { OAuthError } from './error.ts'
import { authorizationCode } from './grants/authorization-code.ts'
import { clientCredentials } from './grants/client-credentials.ts'
import { deviceCode } from './grants/device-code.ts'
import { grantRegistry } from './grants/grant.ts'
import { organizationSwitch } from './grants/organization-switch.ts'
import { type PluginGrantType, pluginGrant } from './grants/plugin.ts'
import { refreshToken } from './grants/refresh-token.ts'
import { tokenExchange } from './grants/token-exchange.ts'
import { introspect } from './introspect.ts'
import { jwks } from './jwks.ts'
import { type LogoutNeeds, logout } from './logout.ts'
import { par } from './par.ts'
import { readingLimit } from './reading-limit.ts'
import { requestUriReader } from './request-uri.ts'
import type { PluginResponseType } from './response-types/plugin.ts'
import { responseTypeRegistry } from './response-types/registry.ts'
import { revoke } from './revoke.ts'
import { token } from './token.ts'
import { userinfo } from './userinfo.ts'
import { webfinger } from './webfinger.ts'

/** What plugins bring; their validators are among the other ones. */
export interface OAuthPlugins {
  readonly responseTypes: readonly PluginResponseType[]
  readonly grantTypes: readonly PluginGrantType[]
  readonly claims: readonly ClaimsContributor[]
}

const noPlugins: OAuthPlugins = { responseTypes: [], grantTypes: [], claims: [] }

export interface OAuthNeeds {
  readonly config: Config
  readonly db: Db
  readonly vault: Vault
  readonly keys: SigningKeys
  readonly validators: readonly Validator[]
  readonly plugins?: OAuthPlugins
  readonly organization: { readonly id: string; readonly name: string }
  /** How DPoP proofs are verified, here and at the APIs. */
  readonly proofs: ProofNeeds
  /** The gate of our own APIs, at which users introspect. */
  readonly guard: GuardNeeds
  readonly log: Log
  traceOf(request: Request): Trace
  /** The client's TLS certificate as a trusted proxy has it. */
  certificateOf(request: Request): string | undefined
  readonly errorPage: AuthorizeNeeds['errorPage']
  readonly formPost: AuthorizeNeeds['formPost']
  readonly logoutPage: LogoutNeeds['logoutPage']
  readonly signedOutPage: LogoutNeeds['signedOutPage']
}

/** Mounts the endpoints of OAuth 2.0 and OpenID Connect. Throws ConfigurationError for an unknown response type. */
export const oauth = (needs: OAuthNeeds) => {
  const { config, db, keys, organization, validators, log, traceOf, errorPage } = needs
  const { session, impersonation } = config
  const { tokenValidation, tokenExchange: exchange } = config.oauth
  const deciding = {
    db,
    organization,
    validators: validatorsInForce(validators, impersonation),
    enabled: impersonation.enabled,
    timeoutMilliseconds: config.plugins.timeoutMilliseconds,
    issuer: { issuer: config.issuer, sign: keys.sign, algorithmFor: keys.algorithmFor },
    mail: {
      domain: messageDomain(config.email?.fromAddress, config.server.hostname),
      hostname: config.server.hostname,
    },
    unaddressed: (subjectId: string) =>
      log.warn({ subjectId }, 'no notice of an impersonation: the user has no e-mail address'),
    lifetimes: {
      userAccessTokenSeconds: tokenValidation.userAccessTokenSeconds,
      maxDurationSeconds: impersonation.maxDurationSeconds,
      refreshTokenSeconds: exchange.allowRefreshTokens ? tokenValidation.refreshTokenSeconds : undefined,
    },
  }
  const plugins = needs.plugins ?? noPlugins
  const responseTypes = responseTypeRegistry(
    config.oauth.responseTypes,
    config.file,
    {
      ...deciding,
      reasons: impersonation,
      idTokenSeconds: tokenValidation.idTokenSeconds,
      grantLifetimes: tokenValidation,
    },
    plugins.responseTypes,
  )
  // with the feature off there is nothing here to exchange (design.md §7, invariant 13)
  const offered = impersonation.enabled && exchange.enabled
  const exchanging = {
    ...deciding,
    claims: plugins.claims,
    contributionFailed: (error: Error) => log.warn({ err: error }, 'a plugin contributed no claims'),
    iatValiditySeconds: exchange.iatValiditySeconds,
    delegation: exchange.delegation,
    idTokenSeconds: tokenValidation.idTokenSeconds,
    allowRefreshTokens: exchange.allowRefreshTokens,
  }
  const giving = {
    db,
    issuer: deciding.issuer,
    organization,
    lifetimes: tokenValidation,
  }
  const refreshing = {
    ...giving,
    reuseGraceMilliseconds: config.oauth.refreshToken.reuseGraceMilliseconds,
    impersonation: { ...exchanging, allowRefreshTokens: offered && exchange.allowRefreshTokens },
  }
  const grants = grantRegistry([
    authorizationCode(giving),
    deviceCode(giving),
    refreshToken(refreshing),
    clientCredentials({
      ...giving,
      applicationAccessTokenSeconds: tokenValidation.applicationAccessTokenSeconds,
    }),
    ...(offered ? [tokenExchange(exchanging)] : []),
    organizationSwitch(exchanging),
    ...plugins.grantTypes.map((plugin) => pluginGrant(plugin, deciding)),
  ])
  const rules = {
    allowQueryResponse: impersonation.allowQueryResponse,
    allowRegexp: impersonation.allowRegexpCallbacks,
  }
  const { issuer } = config
  const { baseUrl } = config.server
  /** What every endpoint needs whose clients authenticate. */
  const authenticating: ClientNeeds = {
    db,
    vault: needs.vault,
    clients: {
      audiences: [
        issuer,
        ...['token', 'par', 'introspect', 'revoke', 'device_authorize'].map(
          (name) => `${baseUrl}/oauth2/${name}`,
        ),
      ],
      outbound: config.oauth.outbound,
      certificateOf: needs.certificateOf,
    },
    traceOf,
  }
  const accepting = {
    db,
    impersonationEnabled: impersonation.enabled,
    issuer: deciding.issuer,
    hostname: config.server.hostname,
  }
  const authorizing = {
    db,
    responseTypes,
    rules,
    issuer,
    clientKeys: (client: Application) => clientKeys(client, config.oauth.outbound),
    readRequestUri: requestUriReader(config.oauth.outbound, readingLimit()),
  }
  return new Hono()
    .route(
      '/',
      authorize({
        ...authorizing,
        sign: keys.sign,
        jwks: keys.jwks,
        session,
        traceOf,
        errorPage,
        formPost: needs.formPost,
      }),
    )
    .route('/', commonauth({ db, organization, session, traceOf, errorPage }))
    .route('/', logout({ ...needs, issuer }))
    .route('/', checkSession())
    .route('/', token({ ...authenticating, proofs: needs.proofs, grants }))
    .route('/', par({ ...authenticating, ...authorizing, proofs: needs.proofs }))
    .route('/', introspect({ ...authenticating, ...accepting, guard: needs.guard, organization }))
    .route('/', revoke(authenticating))
    .route('/', userinfo({ ...accepting, proofs: needs.proofs, certificateOf: needs.certificateOf, traceOf }))
    .route('/', deviceAuthorization({ ...authenticating, baseUrl: config.server.baseUrl }))
    .route('/', deviceVerification({ db, session, lifetimes: tokenValidation, traceOf, errorPage }))
    .route('/', jwks(keys))
    .route(
      '/',
      discovery({
        db,
        issuer,
        baseUrl: config.server.baseUrl,
        signingAlgorithms: config.oauth.signingAlgorithms,
        responseTypes,
        grants,
        registration: config.oauth.registration.enabled,
        clientCertificates: config.oauth.clientCertificateHeader !== undefined,
      }),
    )
    .route('/', webfinger({ issuer, hosts: config.server.hosts }))
    .onError((error, c) => {
      const { id } = traceOf(c.req.raw)
      const headers = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }
      if (error instanceof OAuthError) {
        log.info(
          { traceId: id, path: c.req.path, error: error.code, cause: String(error.cause ?? '') },
          error.message,
        )
        const { hostname } = config.server
        const challenge = error.status === 401 ? { 'WWW-Authenticate': `Basic realm="${hostname}"` } : {}
        return c.json(error.toJSON(), error.status, { ...headers, ...challenge, ...error.headers })
      }
      log.error({ err: error, traceId: id, path: c.req.path }, 'unexpected error')
      return c.json(
        { error_description: `Internal Server Error. Trace id: ${id}`, error: 'server_error' },
        500,
        headers,
      )
    })
}
