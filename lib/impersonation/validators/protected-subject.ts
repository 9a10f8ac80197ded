import type { Account } from '../../directory/accounts.ts'
import { administratorRole } from '../../directory/permissions.ts'
import type { Validator } from '../validator.ts'

type Holder = Pick<Account, 'roleIds'>

const isAdministrator = ({ roleIds }: Holder) => roleIds.includes(administratorRole.id)

/** Only an administrator acts for one. */
export const isProtected = (subject: Holder, impersonator: Holder): boolean =>
  isAdministrator(subject) && !isAdministrator(impersonator)

/** Nobody becomes himself, and nobody becomes an administrator who is none. Roles are known by id, not by name. */
export const protectedSubject: Validator = {
  name: 'ProtectedSubjectValidator',
  priority: 150,
  validate({ impersonator, subject, scopes }) {
    if (subject?.id === impersonator.id) {
      return { allow: false, code: 'self', message: 'impersonator and subject are the same' }
    }
    if (subject && isProtected(subject, impersonator)) {
      const message = 'the subject holds an administrator role that the impersonator does not hold'
      return { allow: false, code: 'protected_subject', message }
    }
    return { allow: true, scopes }
  },
}
