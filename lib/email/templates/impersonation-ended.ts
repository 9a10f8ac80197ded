/** Tells a person that nobody acts for them any more, and what was done meanwhile. */
import type { BuiltIn } from '../template.ts'
import { type Page, sourceOf } from './page.ts'
import { durationOf, timeOf } from './time.ts'

const notGiven = 'none was given'

const page: Page = {
  subject: 'User Impersonation Session Ended',
  preheader: '{{impersonator-user-name}} can no longer act as you in {{application-name}}.',
  told: [
    'Hi {{user-name}},',
    'The impersonation session for your account {{user-name}} that {{impersonator-user-name}} started on {{login-time}} is over.',
  ],
  details: [
    ['Account', '{{user-name}}'],
    ['Started by', '{{impersonator-user-name}}'],
    ['Application', '{{application-name}}'],
    ['Reason', '{{impersonation-reason}}'],
    ['Ticket', '{{impersonation-ticket}}'],
    ['Started on', '{{login-time}}'],
    ['Ended on', '{{end-time}}'],
    ['Lasted', '{{duration}}'],
    ['Ended by', '{{ended-by}}'],
  ],
  list: ['What was changed', '{{changes}}'],
  meaning: [],
  question: [
    'If you do not recognize this, write to ',
    '.',
    'If you do not recognize this, tell your administrator.',
  ],
  footer: '{{organization-name}} sends this message for each such session at {{server-name}}.',
}

/** More are counted, not listed. */
const mostChanges = 50

const listed = (changes: readonly string[]): readonly string[] => {
  if (changes.length === 0) return ['Nothing was changed.']
  const more = changes.length - mostChanges
  return more > 0 ? [...changes.slice(0, mostChanges), `and ${more} more`] : changes
}

/**
 * Its data: `userName`, `impersonatorUserName`, `application`, `hostname`, the instants `startedAt` and `endedAt`,
 * `endedBy`, `reason` and `ticket` (why it was begun, where that was said), and `changes`, a line each.
 */
export const impersonationEnded: BuiltIn = {
  displayName: 'ImpersonationEndedNotification',
  source: ({ supportAddress }) => sourceOf(page, supportAddress !== undefined),
  values: ({
    userName = '',
    impersonatorUserName = '',
    application = '',
    hostname = '',
    startedAt = '',
    endedAt = '',
    endedBy = '',
    reason = '',
    ticket = '',
    changes = [],
  }) => ({
    'user-name': userName,
    'impersonator-user-name': impersonatorUserName,
    'application-name': application,
    'server-name': hostname,
    'login-time': timeOf(String(startedAt)),
    'end-time': timeOf(String(endedAt)),
    duration: durationOf(String(startedAt), String(endedAt)),
    'ended-by': endedBy,
    'impersonation-reason': reason === '' ? notGiven : reason,
    'impersonation-ticket': ticket === '' ? notGiven : ticket,
    changes: listed(typeof changes === 'string' ? [changes] : changes),
  }),
  example: {
    userName: 'alice',
    impersonatorUserName: 'bob',
    application: 'Example application',
    hostname: 'id.example.com',
    startedAt: '2024-06-18T07:30:00.000Z',
    endedAt: '2024-06-18T07:42:00.000Z',
    endedBy: 'bob',
    reason: 'She asked for help with her address.',
    ticket: 'HELP-42',
    changes: ['June 18, 2024 at 07:35 AM UTC: PATCH /scim2/Me'],
  },
}
