/** Errors of the OAuth endpoints (RFC 6749 §5.2, RFC 8693 §2.2.2, OpenID Connect Core §3.1.2.6). */

const statuses = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  invalid_scope: 400,
  invalid_target: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  unsupported_response_type: 400,
  access_denied: 400,
  login_required: 400,
  consent_required: 400,
  interaction_required: 400,
  request_not_supported: 400,
  request_uri_not_supported: 400,
  registration_not_supported: 400,
  account_selection_required: 400,
  unmet_authentication_requirements: 400,
  invalid_request_uri: 400,
  invalid_request_object: 400,
  invalid_dpop_proof: 400,
  use_dpop_nonce: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  unsupported_token_type: 400,
  authorization_pending: 400,
  slow_down: 400,
  expired_token: 400,
  invalid_redirect_uri: 400,
  invalid_client_metadata: 400,
  invalid_software_statement: 400,
  server_error: 500,
  temporarily_unavailable: 503,
} as const

export type OAuthErrorCode = keyof typeof statuses

/** `message` is the error_description the client reads; what it must not read goes in `cause`, for the log. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly code: OAuthErrorCode
  /** Headers that the answer has beside the usual ones, such as `DPoP-Nonce`. */
  readonly headers: Readonly<Record<string, string>>
  readonly status: (typeof statuses)[OAuthErrorCode]
  constructor(
    code: OAuthErrorCode,
    description: string,
    options?: ErrorOptions & {
      readonly headers?: Readonly<Record<string, string>>
      /** Where it is not that of the code: a resource answers 401 to what the token endpoint answers 400. */
      readonly status?: 401
    },
  ) {
    super(description, options)
    this.code = code
    this.headers = options?.headers ?? {}
    this.status = options?.status ?? statuses[code]
  }
  toJSON() {
    return { error_description: this.message, error: this.code }
  }
}

/** What RFC 6749 §5.2 lets an error_description hold; anything else becomes a question mark. */
export const describable = (text: string): string =>
  text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?').slice(0, 256)
