import type { Validator } from '../validator.ts'

/** Nobody acts for a user who does not want it. In force where `[impersonation] allow_opt_out` lets users say so. */
export const subjectPreference: Validator = {
  name: 'SubjectPreferenceValidator',
  priority: 175,
  validate({ subject, scopes }) {
    if (!subject || subject.optedOutAt === null) return { allow: true, scopes }
    return { allow: false, code: 'opted_out', message: 'the subject wants nobody to act for him' }
  },
}
