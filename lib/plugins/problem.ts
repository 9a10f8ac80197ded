/** A plugin's refusal in the words of OAuth. */
import * as z from 'zod'

export const problem = z.strictObject({
  error: z.enum([
    'invalid_request',
    'invalid_grant',
    'invalid_scope',
    'invalid_target',
    'access_denied',
    'temporarily_unavailable',
  ]),
  // RFC 6749 §5.2: printable ASCII without quotes and backslashes
  description: z.string().regex(/^[ !#-[\]-~]{1,200}$/),
})

export type Problem = z.output<typeof problem>
