/** Invites a user to an organization that is not his own. */
import type { BuiltIn } from '../template.ts'
import { type Page, sourceOf } from './page.ts'
import { timeOf } from './time.ts'

const page: Page = {
  subject: 'You are invited to {{invited-organization-name}}',
  preheader: '{{inviter-user-name}} invites you to {{invited-organization-name}}.',
  told: [
    'Hi {{user-name}},',
    '{{inviter-user-name}} invites you to the organization {{invited-organization-name}}.',
  ],
  details: [
    ['Organization', '{{invited-organization-name}}'],
    ['Invited by', '{{inviter-user-name}}'],
    ['Your account', '{{user-name}}'],
    ['Accept until', '{{expiry-time}}'],
  ],
  link: ['Accept the invitation', '{{accept-url}}'],
  meaning: ['If you do nothing, nothing changes.'],
  question: ['If you have questions, write to ', '.', 'If you did not expect this, you can ignore it.'],
  footer: '{{organization-name}} sends this message for each invitation at {{server-name}}.',
}

/**
 * Its data: `userName`, `inviterUserName`, `invitedOrganization`, `acceptUrl` (absolute, with the code), `code`,
 * `hostname` and the instant `expiresAt`.
 */
export const organizationUserInvitation: BuiltIn = {
  displayName: 'OrganizationUserInvitation',
  source: ({ supportAddress }) => sourceOf(page, supportAddress !== undefined),
  values: ({
    userName = '',
    inviterUserName = '',
    invitedOrganization = '',
    acceptUrl = '',
    code = '',
    hostname = '',
    expiresAt = '',
  }) => ({
    'user-name': userName,
    'inviter-user-name': inviterUserName,
    'invited-organization-name': invitedOrganization,
    'accept-url': acceptUrl,
    'confirmation-code': code,
    'server-name': hostname,
    'expiry-time': timeOf(String(expiresAt)),
  }),
  example: {
    userName: 'alice',
    inviterUserName: 'bob',
    invitedOrganization: 'Example branch',
    acceptUrl: 'https://id.example.com/accept?code=0f2c',
    code: '0f2c',
    hostname: 'id.example.com',
    expiresAt: '2024-06-19T07:30:00.000Z',
  },
}
