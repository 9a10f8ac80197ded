import type { Validator } from '../validator.ts'

/** The subject must belong to the organization that the request is for. */
export const residentOrganization: Validator = {
  name: 'ResidentOrganizationValidator',
  priority: 300,
  validate({ subject, organization, scopes }) {
    // an unknown subject is refused by the account's status
    if (!subject || subject.organizationId === organization.id) return { allow: true, scopes }
    const message = 'the subject does not belong to the organization of this request'
    return { allow: false, code: 'other_organization', message }
  },
}
