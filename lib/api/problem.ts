/** The one error of the management APIs: thrown by this door only, rendered in one place. */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

export interface ProblemDetails {
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly message: string
  readonly description: string
}

/** A refusal in WSO2's shape; what the caller must not read goes in `cause`, for the log. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly description: string
  constructor({ status, code, message, description }: ProblemDetails, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.code = code
    this.description = description
  }
}

/** The codes that every API shares, with the texts of WSO2's dispatcher. */
export const invalidRequest = (
  description: string,
  { status = 400, ...options }: ErrorOptions & { readonly status?: ContentfulStatusCode } = {},
) => new Problem({ status, code: 'UE-10000', message: 'Invalid Request', description }, options)

export const unexpected = (cause: unknown) =>
  new Problem(
    {
      status: 500,
      code: 'SE-50000',
      message: 'Unexpected Processing Error.',
      description: 'Server encountered an error while serving the request.',
    },
    { cause },
  )

/** The body that all problems have; its trace id is the one that log and audit have. */
export const render = (c: Context, { code, message, description, status }: Problem, traceId: string) => {
  c.header('Cache-Control', 'no-store')
  return c.json({ code, message, description, traceId }, status)
}

/** Of a path that has other methods (RFC 9110 §15.5.6). */
export const wrongMethod = (c: Context, allowed: readonly string[], traceId: string): Response => {
  c.header('Allow', allowed.join(', '))
  const problem = new Problem({
    status: 405,
    code: '405',
    message: 'Method Not Allowed',
    description: `This path has ${allowed.join(', ')}.`,
  })
  return render(c, problem, traceId)
}
