/** Tells a person that somebody has begun to act for them. */
import type { BuiltIn } from '../template.ts'
import { type Page, sourceOf } from './page.ts'
import { timeOf } from './time.ts'

const notGiven = 'none was given'

const page: Page = {
  subject: 'User Impersonation Session Started',
  preheader: '{{impersonator-user-name}} can act as you in {{application-name}} since {{login-time}}.',
  told: [
    'Hi {{user-name}},',
    'An impersonation session for your account {{user-name}} was started on {{login-time}} by {{impersonator-user-name}}.',
  ],
  details: [
    ['Account', '{{user-name}}'],
    ['Started on', '{{login-time}}'],
    ['Started by', '{{impersonator-user-name}}'],
    ['Application', '{{application-name}}'],
    ['Reason', '{{impersonation-reason}}'],
    ['Ticket', '{{impersonation-ticket}}'],
  ],
  meaning: [
    'While it lasts, {{impersonator-user-name}} can act as you in the application {{application-name}}. Everything changed in this way is recorded under both names.',
  ],
  question: [
    'If you did not expect this, write to ',
    ' at once.',
    'If you did not expect this, tell your administrator at once.',
  ],
  footer: '{{organization-name}} sends this message for each such session at {{server-name}}.',
}

/**
 * Its data: `userName`, `impersonatorUserName`, `application`, `hostname`, the instant `startedAt`, and what was said:
 * `reason` and `ticket`, or none.
 */
export const impersonationStarted: BuiltIn = {
  displayName: 'ImpersonationEmailNotification',
  source: ({ supportAddress }) => sourceOf(page, supportAddress !== undefined),
  values: ({
    userName = '',
    impersonatorUserName = '',
    application = '',
    hostname = '',
    startedAt = '',
    reason = '',
    ticket = '',
  }) => ({
    'user-name': userName,
    'impersonator-user-name': impersonatorUserName,
    'application-name': application,
    'server-name': hostname,
    'login-time': timeOf(String(startedAt)),
    'impersonation-reason': reason === '' ? notGiven : reason,
    'impersonation-ticket': ticket === '' ? notGiven : ticket,
  }),
  example: {
    userName: 'alice',
    impersonatorUserName: 'bob',
    application: 'Example application',
    hostname: 'id.example.com',
    startedAt: '2024-06-18T07:30:00.000Z',
    reason: 'She asked for help with her address.',
    ticket: 'CASE-42',
  },
}
