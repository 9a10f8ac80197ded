/** The client information response (RFC 7591 §3.2.1, RFC 7592 §3). */
import type { Settings } from '../../directory/application-records.ts'
import { metadataOf } from './settings.ts'

export const registerPath = '/identity/oauth2/dcr/v1.1/register'

export interface Registered {
  readonly clientId: string
  /** Undefined for those who may not see it. */
  readonly clientSecret: string | undefined
  readonly name: string
  readonly createdAt: Date
  readonly oidc: Settings
  /** As it was issued or presented: only its hash is kept. */
  readonly registrationToken: string | undefined
}

/** A stranger's client whose name was taken has its id behind it; it does not hear of that. */
export const nameBeside = (name: string, clientId: string): string => `${name} (${clientId})`

const ownName = (name: string, clientId: string): string => {
  const addition = nameBeside('', clientId)
  return name.endsWith(addition) ? name.slice(0, -addition.length) : name
}

export const renderRegistered = (baseUrl: string, registered: Registered) => {
  const { clientId, clientSecret, name, createdAt, oidc, registrationToken } = registered
  const metadata = metadataOf(oidc)
  const hasSecret = ['client_secret_basic', 'client_secret_post'].includes(
    metadata.token_endpoint_auth_method,
  )
  return {
    client_id: clientId,
    client_id_issued_at: Math.floor(createdAt.getTime() / 1000),
    ...(clientSecret !== undefined && hasSecret
      ? { client_secret: clientSecret, client_secret_expires_at: 0 }
      : {}),
    ...(registrationToken === undefined ? {} : { registration_access_token: registrationToken }),
    registration_client_uri: `${baseUrl}/api${registerPath}/${encodeURIComponent(clientId)}`,
    client_name: ownName(name, clientId),
    ...metadata,
  }
}
