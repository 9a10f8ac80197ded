/** What SCIM answers when it says no (RFC 7644 §3.12). The public sentence is `message`; the truth goes in `cause`. */
import type { Refusal } from '../access/guard.ts'

const errorSchema = 'urn:ietf:params:scim:api:messages:2.0:Error'

export const scimContentType = 'application/scim+json;charset=UTF-8'

/** RFC 7644 §3.12, table 9, and RFC 9865 §2.1; there is no other. */
export type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'
  | 'invalidCursor'

export class ScimError extends Error {
  override readonly name = 'ScimError'
  readonly status: number
  readonly scimType: ScimType | undefined

  constructor(status: number, detail: string, scimType?: ScimType, options?: ErrorOptions) {
    super(detail, options)
    this.status = status
    this.scimType = scimType
  }

  /** From a handler `status` is a string; the gate's own answers have a number there. */
  toJSON() {
    return {
      schemas: [errorSchema],
      ...(this.scimType ? { scimType: this.scimType } : {}),
      detail: this.message,
      status: String(this.status),
    }
  }
}

/** A request that is wrong in itself. */
export const bad = (scimType: ScimType, detail: string, options?: ErrorOptions) =>
  new ScimError(400, detail, scimType, options)

/** Nobody but the account's owner writes its credentials, and nobody in his name. */
export const actingError = () =>
  new ScimError(
    403,
    'Credentials, contact data and status of an account cannot be changed while impersonating.',
  )

export const renderError = (error: ScimError): Response =>
  new Response(JSON.stringify(error), {
    status: error.status,
    headers: { 'Content-Type': scimContentType, 'Cache-Control': 'no-store' },
  })

const refusals = {
  unauthenticated: [
    401,
    'Authorization failure. Authorization information was invalid or missing from your request.',
  ],
  forbidden: [403, 'Operation is not permitted. You do not have permissions to make this request.'],
  contended: [503, 'The resource is being changed by others. Try again.'],
} as const

/** Words the gate's refusals. */
export const wordRefusal =
  (baseUrl: string) =>
  (refusal: Refusal): Response => {
    const [status, detail] = refusals[refusal]
    const headers = new Headers({ 'Content-Type': scimContentType, 'Cache-Control': 'no-store' })
    if (status === 401) headers.set('WWW-Authenticate', `Bearer realm="${new URL(baseUrl).hostname}"`)
    if (status === 503) headers.set('Retry-After', '1')
    return new Response(JSON.stringify({ status, detail, schemas: [errorSchema] }), { status, headers })
  }
