import type { Validator } from '../validator.ts'

/** The subject must be there, and neither locked nor disabled. */
export const subjectAccountStatus: Validator = {
  name: 'SubjectAccountStatusValidator',
  priority: 200,
  validate({ subject, scopes }) {
    if (!subject) return { allow: false, code: 'unknown_subject', message: 'nobody has the requested id' }
    if (subject.lockedAt !== null) {
      return { allow: false, code: 'subject_locked', message: 'the subject is locked' }
    }
    if (subject.disabledAt !== null) {
      return { allow: false, code: 'subject_disabled', message: 'the subject is disabled' }
    }
    return { allow: true, scopes }
  },
}
