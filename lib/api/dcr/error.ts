/** The errors of client registration (RFC 7591 §3.2.2), with WSO2's trace id beside them. */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Problem } from '../problem.ts'

export type RegistrationErrorCode =
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'invalid_software_statement'
  | 'unapproved_software_statement'
  | 'invalid_token'
  | 'access_denied'
  | 'temporarily_unavailable'

export class RegistrationError extends Error {
  override readonly name = 'RegistrationError'
  readonly code: RegistrationErrorCode
  readonly status: ContentfulStatusCode
  constructor(code: RegistrationErrorCode, description: string, status: ContentfulStatusCode = 400) {
    super(description)
    this.code = code
    this.status = status
  }
}

export const invalidMetadata = (description: string) =>
  new RegistrationError('invalid_client_metadata', description)

/** RFC 7592 §2: a token that is not the client's, and a client that there is not, look the same. */
export const invalidToken = () =>
  new RegistrationError('invalid_token', 'The registration access token is not one of this client.', 401)

const describable = (text: string): string =>
  text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'").slice(0, 500)

/** A problem of the body or of the settings is one of the metadata here. */
const asRegistrationError = (error: RegistrationError | Problem): RegistrationError =>
  error instanceof Problem
    ? new RegistrationError('invalid_client_metadata', error.description, error.status)
    : error

export const renderError = (c: Context, error: RegistrationError | Problem, traceId: string): Response => {
  const { code, status, message } = asRegistrationError(error)
  c.header('Cache-Control', 'no-store')
  c.header('Pragma', 'no-cache')
  if (status === 401) c.header('WWW-Authenticate', `Bearer error="${code}"`)
  if (status === 429) c.header('Retry-After', '3600')
  return c.json({ error: code, error_description: describable(message), traceId }, status)
}
