/** Client metadata as a client writes it (RFC 7591 §2, OpenID Connect Registration §2, RFC 9126 §6, RFC 9449 §5.2, WSO2). */
import * as z from 'zod'
import {
  authenticationMethods,
  registrableGrants,
  registrableResponses,
  responseTypeName,
} from '../../directory/client-abilities.ts'
import { impersonationScopes } from '../../directory/permissions.ts'
import { hasUnseen } from '../../directory/readable-name.ts'
import {
  clientSignature,
  publicKeys,
  redirectUri,
  requestUris,
  webUrl,
} from '../applications/mayact-settings.ts'

/** Made when somebody registers a client or reads the document: a start has no time for it. */
export const metadataSchema = () => {
  const text = z.string().max(2_048)
  const seconds = z.int().min(1).max(2_147_483_647)
  const grantType = z
    .string()
    .refine((type) => (registrableGrants as readonly string[]).includes(type), {
      error: 'cannot be registered by a client; an administrator grants what acts for others',
    })
    .meta({ enum: [...registrableGrants] })
  const responseType = z
    .string()
    .refine((type) => registrableResponses.has(responseTypeName(type)), {
      error: 'cannot be registered by a client',
    })
    .transform(responseTypeName)
  const scopes = z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scope names')
    .refine((value) => !value.split(' ').some((scope) => impersonationScopes.has(scope)), {
      error: 'names a permission that only an administrator grants',
    })
  const name = z
    .string()
    .min(1)
    .max(200)
    .refine((value) => value.trim() === value && !hasUnseen(value), {
      error: 'must be printable and neither begin nor end with a space',
    })
  // where others send a browser to: https alone, also on this machine (OpenID Connect Core §4)
  const initiation = webUrl.refine((url) => /^https:/i.test(url), { error: 'is not an https URL' })
  const credential = z.string().regex(/^[\x21-\x7e]{8,255}$/, 'must be 8 to 255 printable ASCII characters')

  return z.object({
    redirect_uris: z.array(redirectUri).max(50).optional(),
    post_logout_redirect_uris: z.array(redirectUri).max(50).optional(),
    response_types: z.array(responseType).max(20).optional(),
    grant_types: z.array(grantType).min(1).max(20).optional(),
    application_type: z.enum(['web', 'native']).default('web'),
    client_name: name.optional(),
    contacts: z.array(z.string().max(320)).max(20).optional(),
    logo_uri: webUrl.optional(),
    client_uri: webUrl.optional(),
    policy_uri: webUrl.optional(),
    tos_uri: webUrl.optional(),
    jwks: publicKeys.optional(),
    jwks_uri: webUrl.optional(),
    scope: scopes.optional(),
    software_id: text.optional(),
    software_version: text.optional(),
    software_statement: z.string().max(65_536).optional(),
    subject_type: z.enum(['public', 'pairwise']).optional(),
    sector_identifier_uri: webUrl.optional(),
    token_endpoint_auth_method: z.enum(authenticationMethods).optional(),
    token_endpoint_auth_signing_alg: clientSignature.optional(),
    tls_client_auth_subject_dn: z.string().max(1_024).optional(),
    tls_client_certificate_bound_access_tokens: z.boolean().optional(),
    dpop_bound_access_tokens: z.boolean().optional(),
    request_uris: requestUris.optional(),
    request_object_signing_alg: z.union([clientSignature, z.literal('none')]).optional(),
    require_signed_request_object: z.boolean().optional(),
    require_pushed_authorization_requests: z.boolean().optional(),
    id_token_signed_response_alg: z.string().optional(),
    userinfo_signed_response_alg: z.string().optional(),
    introspection_signed_response_alg: z.string().optional(),
    authorization_signed_response_alg: z.string().optional(),
    default_max_age: z.int().min(0).max(2_147_483_647).optional(),
    require_auth_time: z.boolean().optional(),
    default_acr_values: z
      .array(z.string().regex(/^[\x21-\x7e]{1,255}$/))
      .max(20)
      .optional(),
    initiate_login_uri: initiation.optional(),
    backchannel_logout_uri: webUrl.optional(),
    backchannel_logout_session_required: z.boolean().optional(),
    frontchannel_logout_uri: webUrl.optional(),
    frontchannel_logout_session_required: z.boolean().optional(),
    // RFC 7592 §2.2: a change repeats who is changed
    client_id: z.string().optional(),
    client_secret: z.string().optional(),
    // WSO2's own
    ext_param_client_id: credential.optional(),
    ext_param_client_secret: credential.optional(),
    ext_application_token_lifetime: seconds.optional(),
    ext_user_token_lifetime: seconds.optional(),
    ext_refresh_token_lifetime: seconds.optional(),
    ext_id_token_lifetime: seconds.optional(),
    ext_pkce_mandatory: z.boolean().optional(),
    ext_pkce_support_plain: z.boolean().optional(),
    ext_public_client: z.boolean().optional(),
    ext_token_type: z.enum(['Default', 'JWT']).optional(),
    token_type_extension: z.enum(['Default', 'JWT']).optional(),
  })
}
