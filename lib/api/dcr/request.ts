/** What registering a client and managing it share: the metadata of a request, its refusals, and trying again. */
import type { Context } from 'hono'
import type { Db } from '../../database/connect.ts'
import type { Refused } from '../../directory/application-registry.ts'
import type { Caller } from '../../directory/caller.ts'
import { Lost } from '../../directory/change.ts'
import type { OutboundRules } from '../../outbound.ts'
import type { ApiNeeds } from '../api.ts'
import { withoutNulls } from '../applications/model.ts'
import { readJson } from '../body.ts'
import { invalidMetadata, RegistrationError } from './error.ts'
import { usePlace } from './limit.ts'
import type { ClientMetadata } from './metadata.ts'
import { checkSector } from './sector.ts'

export interface RegistrationRules {
  /** False: anybody may register a client. */
  readonly authenticationRequired: boolean
  /** Without authentication, from one address. */
  readonly perHour: number
  readonly outbound: OutboundRules
  /** Whether a proxy hands TLS certificates on, so that a client can authenticate by one. */
  readonly clientCertificates: boolean
}

const tries = 3

/** Decides again what was overtaken; the gate does it for those who come through it. */
export const again = async <Value>(work: () => Promise<Value>): Promise<Value> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Lost)) throw error
      if (attempt === tries)
        throw new RegistrationError('temporarily_unavailable', 'Send the request once more.', 503)
    }
  }
}

/** The registry's refusal in words. */
export const refusal = (refused: Refused, name: string) => {
  if (refused.refused === 'forbidden')
    return new RegistrationError(
      'access_denied',
      'This client was granted more than a client can register: only an administrator who holds that may change it.',
      403,
    )
  if (refused.refused === 'limit')
    return new RegistrationError('access_denied', 'There are as many clients as there can be.', 403)
  return invalidMetadata(
    refused.refused === 'name-taken'
      ? `Application with the name ${name} already exist in the system`
      : 'The client id is in use.',
  )
}

/** Tokens of a client that registered itself live no longer than those of others. */
const bounded = (metadata: ClientMetadata, { lifetimes }: ApiNeeds['oauthRules']): ClientMetadata => {
  const least = (asked: number | undefined, usual: number) =>
    asked === undefined ? undefined : Math.min(asked, usual)
  return {
    ...metadata,
    ext_application_token_lifetime: least(
      metadata.ext_application_token_lifetime,
      lifetimes.applicationAccessTokenSeconds,
    ),
    ext_user_token_lifetime: least(metadata.ext_user_token_lifetime, lifetimes.userAccessTokenSeconds),
    ext_refresh_token_lifetime: least(metadata.ext_refresh_token_lifetime, lifetimes.refreshTokenSeconds),
    ext_id_token_lifetime: least(metadata.ext_id_token_lifetime, lifetimes.idTokenSeconds),
  }
}

/**
 * The metadata of a request, checked. Throws RegistrationError. Reading a sector identifier takes one of the places of
 * who holds no permission: else one request after the other could send us anywhere.
 */
export const metadataIn = async (
  c: Context,
  db: Db,
  caller: Caller,
  oauthRules: ApiNeeds['oauthRules'],
  { outbound, clientCertificates, perHour }: RegistrationRules,
): Promise<ClientMetadata> => {
  // its schema is made for the first registration: it costs a start three milliseconds
  const { readMetadata } = await import('./metadata.ts')
  const read = readMetadata(withoutNulls(await readJson(c)), oauthRules.signingAlgorithms)
  const metadata = caller.kind === 'client' ? bounded(read, oauthRules) : read
  if (!clientCertificates && /tls_client_auth$/.test(metadata.token_endpoint_auth_method ?? ''))
    throw invalidMetadata('token_endpoint_auth_method: client certificates do not reach this server.')
  if (
    !outbound.allowPrivateAddresses &&
    metadata.request_uris?.some((uri) => new URL(uri).protocol !== 'https:')
  )
    throw invalidMetadata('request_uris: https is needed.')
  if (caller.kind === 'client' && metadata.sector_identifier_uri !== undefined)
    await usePlace(db, caller.trace.address, perHour, new Date())
  await checkSector(metadata, outbound)
  return metadata
}

/** Secrets are in these answers. */
export const uncached = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }
