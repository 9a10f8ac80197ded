/** What of client metadata fits together, and what this server can promise (RFC 7591 §2.1, OpenID Connect Registration §2). */
import type * as z from 'zod'
import { registrableResponses } from '../../directory/client-abilities.ts'
import { invalidMetadata, RegistrationError } from './error.ts'
import { metadataSchema } from './metadata-schema.ts'

const schema = metadataSchema()

export type ClientMetadata = z.output<typeof schema> & {
  readonly redirect_uris: readonly string[]
  readonly response_types: readonly string[]
  readonly grant_types: readonly string[]
}

/** What would be promised and not kept: encryption, and certificates told apart by what nothing here reads. */
const unsupported =
  /_encrypted_response_(alg|enc)$|^request_object_encryption_(alg|enc)$|^tls_client_auth_san_/

const checkStatement = (statement: string | undefined): void => {
  if (statement === undefined) return
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(statement))
    throw new RegistrationError('invalid_software_statement', 'The software statement is not a signed JWT.')
  throw new RegistrationError(
    'unapproved_software_statement',
    'No issuer of software statements is trusted here.',
  )
}

/** Response types and grants that fit each other (RFC 7591 §2.1), the specifications' defaults filled in. */
const withFlows = (written: z.output<typeof schema>): ClientMetadata => {
  const { grant_types: grants, response_types: responses } = written
  const redirects = !grants || grants.some((grant) => grant === 'authorization_code' || grant === 'implicit')
  const response_types = [...new Set(responses ?? (redirects ? ['code'] : []))]
  const needed = response_types.flatMap((type) => registrableResponses.get(type) ?? [])
  const grant_types = [...new Set(grants ?? (needed.length > 0 ? needed : ['authorization_code']))]
  const missing = needed.filter((grant) => !grant_types.includes(grant))
  if (missing.length > 0)
    throw invalidMetadata(`The response_types need the grant_types ${[...new Set(missing)].join(', ')}.`)
  const redirect_uris = [...new Set(written.redirect_uris ?? [])]
  if (redirect_uris.length === 0 && response_types.length > 0)
    throw new RegistrationError('invalid_redirect_uri', 'redirect_uris: at least one is required.')
  return { ...written, redirect_uris, response_types, grant_types }
}

/**
 * Where browsers of each kind may be sent to (OpenID Connect Registration §2, `application_type`). The scheme of a native
 * client has a dot, as the name of a domain has (RFC 8252 §7.1, §8.4): others belong to nobody, or to the system.
 */
const mayLeadTo = ({ application_type: type }: ClientMetadata, { protocol }: URL): boolean =>
  protocol === 'https:' || protocol === 'http:' || (type === 'native' && protocol.includes('.'))

const needs = {
  web: 'a web client needs https',
  native: 'a native client needs a scheme with a dot, https, or http on its own machine',
} as const

const checkAddresses = (metadata: ClientMetadata): void => {
  const { application_type: type, redirect_uris } = metadata
  const onlyHttps = type === 'web' && metadata.grant_types.includes('implicit')
  for (const uri of redirect_uris) {
    const url = new URL(uri)
    if (!mayLeadTo(metadata, url) || (onlyHttps && url.protocol !== 'https:'))
      throw new RegistrationError('invalid_redirect_uri', `redirect_uris: ${needs[type]}: ${uri}`)
  }
  for (const uri of metadata.post_logout_redirect_uris ?? [])
    if (!mayLeadTo(metadata, new URL(uri)))
      throw invalidMetadata(`post_logout_redirect_uris: ${needs[type]}: ${uri}`)
  const frame = metadata.frontchannel_logout_uri
  // OpenID Connect Front-Channel Logout §2
  if (frame !== undefined && !redirect_uris.some((uri) => new URL(uri).origin === new URL(frame).origin))
    throw invalidMetadata('frontchannel_logout_uri must have the origin of one of the redirect_uris.')
}

const authenticates = (metadata: ClientMetadata): void => {
  const method = metadata.token_endpoint_auth_method
  const isPublic = method === 'none' || (method === undefined && metadata.ext_public_client === true)
  if (isPublic && metadata.grant_types.includes('client_credentials'))
    throw invalidMetadata('client_credentials needs a client that authenticates.')
  if (method !== undefined && (method === 'none') !== (metadata.ext_public_client ?? method === 'none'))
    throw invalidMetadata('token_endpoint_auth_method and ext_public_client contradict each other.')
  if (metadata.jwks && metadata.jwks_uri !== undefined)
    throw invalidMetadata('jwks and jwks_uri exclude each other.')
  const needsKeys = method === 'private_key_jwt' || method === 'self_signed_tls_client_auth'
  if (needsKeys && !metadata.jwks && metadata.jwks_uri === undefined)
    throw invalidMetadata(`${method} needs jwks or jwks_uri.`)
  if (method === 'tls_client_auth' && metadata.tls_client_auth_subject_dn === undefined)
    throw invalidMetadata('tls_client_auth needs tls_client_auth_subject_dn.')
}

/** Reads and checks what a client wrote; what is unknown is ignored (RFC 7591 §2). Throws RegistrationError. */
export const readMetadata = (body: unknown, signingAlgorithms: readonly string[]): ClientMetadata => {
  const parsed = schema.safeParse(body)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const [field = 'body'] = issue?.path ?? []
    const code = field === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata'
    throw new RegistrationError(code, `${issue?.path.join('.') || 'body'}: ${issue?.message}`)
  }
  // an object, or the schema would have refused it
  const promised = Object.keys(body as object).find((key) => unsupported.test(key))
  if (promised !== undefined) throw invalidMetadata(`${promised} is not supported.`)
  checkStatement(parsed.data.software_statement)
  for (const [key, value] of Object.entries(parsed.data)) {
    if (key.endsWith('_signed_response_alg') && !signingAlgorithms.includes(String(value)))
      throw invalidMetadata(`${key}: this server signs with ${signingAlgorithms.join(', ')}.`)
  }
  if (parsed.data.request_object_signing_alg === 'none' && parsed.data.require_signed_request_object)
    throw invalidMetadata(
      'request_object_signing_alg none and require_signed_request_object exclude each other.',
    )
  const metadata = withFlows(parsed.data)
  checkAddresses(metadata)
  authenticates(metadata)
  return metadata
}
