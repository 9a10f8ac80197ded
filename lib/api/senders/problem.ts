/** The refusals of notification senders, with WSO2's codes. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Problem } from '../problem.ts'

const table = {
  '60002': [
    409,
    'Notification sender already exists.',
    'There exists a notification sender: %s in the tenant.',
  ],
  '60003': [400, 'Required attribute is missing', 'SMS provider is not defined for notification sender.'],
  '60004': [400, 'Required attribute is missing', 'Content type is not defined for notification sender.'],
  '60005': [400, 'Required attribute is missing', 'SMS provider url is not defined for notification sender.'],
  '60006': [404, 'No notification sender found.', 'There is no notification sender: %s in the tenant.'],
  '60007': [
    400,
    'Channel type cannot be changed.',
    'The channel type of the notification sender: %s cannot be changed.',
  ],
  '65001': [
    404,
    'No active notification senders found.',
    'The resource type Publisher, by which notification senders are stored, has been removed.',
  ],
} as const satisfies Record<string, readonly [ContentfulStatusCode, string, string]>

export type SenderCode = keyof typeof table

export const senderProblem = (code: SenderCode, name = '') => {
  const [status, message, description] = table[code]
  return new Problem({
    status,
    code: `NSM-${code}`,
    message,
    // a name may hold what `replace` would read as a pattern
    description: description.replace('%s', () => name),
  })
}
