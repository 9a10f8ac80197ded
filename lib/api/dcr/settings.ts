/** Client metadata as the settings of an application, and back. */
import type { Settings } from '../../directory/application-records.ts'
import { grantedGrants } from '../../directory/client-registration.ts'
import { oauthSchema } from '../applications/oauth-schema.ts'
import { parse } from '../body.ts'
import type { ClientMetadata } from './metadata.ts'

const isPublic = ({ token_endpoint_auth_method: method, ext_public_client }: ClientMetadata) =>
  method === 'none' || (method === undefined && ext_public_client === true)

const mayactOf = (metadata: ClientMetadata) => ({
  redirectUris: metadata.redirect_uris.slice(1),
  responseTypes: metadata.response_types,
  postLogoutRedirectUris: metadata.post_logout_redirect_uris,
  backChannelLogoutSessionRequired: metadata.backchannel_logout_session_required,
  frontChannelLogoutSessionRequired: metadata.frontchannel_logout_session_required,
  userinfoSignedResponseAlg: metadata.userinfo_signed_response_alg,
  introspectionSignedResponseAlg: metadata.introspection_signed_response_alg,
  authorizationSignedResponseAlg: metadata.authorization_signed_response_alg,
  dpopBoundAccessTokens: metadata.dpop_bound_access_tokens,
  tlsClientCertificateBoundAccessTokens: metadata.tls_client_certificate_bound_access_tokens,
  requireSignedRequestObject: metadata.require_signed_request_object,
  requestUris: metadata.request_uris,
  defaultMaxAge: metadata.default_max_age,
  requireAuthTime: metadata.require_auth_time,
  defaultAcrValues: metadata.default_acr_values,
  initiateLoginUri: metadata.initiate_login_uri,
  jwks: metadata.jwks,
  jwksUri: metadata.jwks_uri,
  scope: metadata.scope,
  contacts: metadata.contacts,
  applicationType: metadata.application_type,
  logoUri: metadata.logo_uri,
  clientUri: metadata.client_uri,
  policyUri: metadata.policy_uri,
  tosUri: metadata.tos_uri,
  softwareId: metadata.software_id,
  softwareVersion: metadata.software_version,
})

/** What metadata has no word for is kept of `before`, inside each object too: what an administrator set stays so. */
export const settingsOfMetadata = (metadata: ClientMetadata, before: Settings | undefined) => {
  const hybrids = metadata.response_types.filter((type) => type.startsWith('code '))
  /** The object of that name with what metadata says now; what it has a word for and leaves out is gone. */
  const over = (name: string, said: Readonly<Record<string, unknown>>) => {
    const kept = Object.entries(before?.[name] ?? {}).filter(([key]) => !(key in said))
    return Object.fromEntries([...kept, ...Object.entries(said).filter(([, value]) => value !== undefined)])
  }
  const written = {
    ...before,
    grantTypes: [...metadata.grant_types, ...grantedGrants(before)],
    callbackURLs: metadata.redirect_uris.slice(0, 1),
    publicClient: isPublic(metadata),
    pkce: over('pkce', {
      mandatory: metadata.ext_pkce_mandatory ?? isPublic(metadata),
      supportPlainTransformAlgorithm: metadata.ext_pkce_support_plain ?? false,
    }),
    hybridFlow: over('hybridFlow', {
      enable: hybrids.length > 0,
      responseType: hybrids.length > 0 ? hybrids.join(',') : undefined,
    }),
    accessToken: over('accessToken', {
      type: metadata.ext_token_type ?? metadata.token_type_extension ?? 'Default',
      userAccessTokenExpiryInSeconds: metadata.ext_user_token_lifetime,
      applicationAccessTokenExpiryInSeconds: metadata.ext_application_token_lifetime,
    }),
    refreshToken: over('refreshToken', { expiryInSeconds: metadata.ext_refresh_token_lifetime }),
    idToken: over('idToken', {
      expiryInSeconds: metadata.ext_id_token_lifetime,
      idTokenSignedResponseAlg: metadata.id_token_signed_response_alg,
    }),
    logout: over('logout', {
      backChannelLogoutUrl: metadata.backchannel_logout_uri,
      frontChannelLogoutUrl: metadata.frontchannel_logout_uri,
    }),
    clientAuthentication: over('clientAuthentication', {
      tokenEndpointAuthMethod: isPublic(metadata)
        ? 'none'
        : (metadata.token_endpoint_auth_method ?? 'client_secret_basic'),
      tokenEndpointAuthSigningAlg: metadata.token_endpoint_auth_signing_alg,
      tlsClientAuthSubjectDn: metadata.tls_client_auth_subject_dn,
    }),
    requestObject: over('requestObject', {
      requestObjectSigningAlg: metadata.request_object_signing_alg,
    }),
    pushAuthorizationRequest: over('pushAuthorizationRequest', {
      requirePushAuthorizationRequest: metadata.require_pushed_authorization_requests ?? false,
    }),
    subject: over('subject', {
      subjectType: metadata.subject_type ?? 'public',
      sectorIdentifierUri: metadata.sector_identifier_uri,
    }),
    mayact: over('mayact', mayactOf(metadata)),
  }
  return parse(oauthSchema, written)
}

/** The metadata as registered; what is not set is left out. */
export const metadataOf = (oidc: Settings) => {
  const settings = parse(oauthSchema, oidc)
  const { accessToken, clientAuthentication, idToken, logout, mayact = {}, requestObject, subject } = settings
  return {
    redirect_uris: [...settings.callbackURLs, ...(mayact.redirectUris ?? [])],
    response_types: mayact.responseTypes ?? ['code'],
    grant_types: settings.grantTypes,
    application_type: mayact.applicationType ?? 'web',
    post_logout_redirect_uris: mayact.postLogoutRedirectUris,
    contacts: mayact.contacts,
    logo_uri: mayact.logoUri,
    client_uri: mayact.clientUri,
    policy_uri: mayact.policyUri,
    tos_uri: mayact.tosUri,
    jwks: mayact.jwks,
    jwks_uri: mayact.jwksUri,
    scope: mayact.scope,
    software_id: mayact.softwareId,
    software_version: mayact.softwareVersion,
    subject_type: subject?.subjectType ?? 'public',
    sector_identifier_uri: subject?.sectorIdentifierUri,
    token_endpoint_auth_method: settings.publicClient
      ? 'none'
      : (clientAuthentication?.tokenEndpointAuthMethod ?? 'client_secret_basic'),
    token_endpoint_auth_signing_alg: clientAuthentication?.tokenEndpointAuthSigningAlg,
    tls_client_auth_subject_dn: clientAuthentication?.tlsClientAuthSubjectDn,
    tls_client_certificate_bound_access_tokens: mayact.tlsClientCertificateBoundAccessTokens,
    dpop_bound_access_tokens: mayact.dpopBoundAccessTokens,
    request_object_signing_alg: requestObject?.requestObjectSigningAlg,
    require_signed_request_object: mayact.requireSignedRequestObject,
    request_uris: mayact.requestUris,
    require_pushed_authorization_requests:
      settings.pushAuthorizationRequest?.requirePushAuthorizationRequest ?? false,
    id_token_signed_response_alg: idToken.idTokenSignedResponseAlg,
    userinfo_signed_response_alg: mayact.userinfoSignedResponseAlg,
    introspection_signed_response_alg: mayact.introspectionSignedResponseAlg,
    authorization_signed_response_alg: mayact.authorizationSignedResponseAlg,
    default_max_age: mayact.defaultMaxAge,
    require_auth_time: mayact.requireAuthTime,
    default_acr_values: mayact.defaultAcrValues,
    initiate_login_uri: mayact.initiateLoginUri,
    backchannel_logout_uri: logout.backChannelLogoutUrl,
    backchannel_logout_session_required: mayact.backChannelLogoutSessionRequired,
    frontchannel_logout_uri: logout.frontChannelLogoutUrl,
    frontchannel_logout_session_required: mayact.frontChannelLogoutSessionRequired,
    ext_pkce_mandatory: settings.pkce.mandatory,
    ext_pkce_support_plain: settings.pkce.supportPlainTransformAlgorithm,
    ext_public_client: settings.publicClient,
    ext_token_type: accessToken.type,
    ext_application_token_lifetime: accessToken.applicationAccessTokenExpiryInSeconds,
    ext_user_token_lifetime: accessToken.userAccessTokenExpiryInSeconds,
    ext_refresh_token_lifetime: settings.refreshToken.expiryInSeconds,
    ext_id_token_lifetime: idToken.expiryInSeconds,
  }
}
