/** Why a request is not let in (RFC 6750 §3.1). `message` is for the log; the caller hears the code. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: 'invalid_token' | 'invalid_dpop_proof' | 'insufficient_scope' | 'missing' | 'impersonation'

  constructor(code: Refused['code'], message: string) {
    super(message)
    this.code = code
  }

  /** 401 for who is not known, 403 for what he may not. */
  get status(): 401 | 403 {
    return this.code === 'insufficient_scope' || this.code === 'impersonation' ? 403 : 401
  }

  /** The body: an OAuth error; nothing of the reason. */
  get body(): { readonly error: string; readonly error_description?: string } {
    if (this.code === 'impersonation')
      return { error: 'access_denied', error_description: 'Not while acting for somebody else.' }
    return { error: this.code === 'missing' ? 'invalid_token' : this.code }
  }

  /** `WWW-Authenticate`; a request without a token hears no error in it (RFC 6750 §3.1). */
  get challenge(): string | undefined {
    if (this.code === 'impersonation') return undefined
    if (this.code === 'missing') return 'Bearer'
    return `${this.code === 'invalid_dpop_proof' ? 'DPoP' : 'Bearer'} error="${this.code}"`
  }
}
