import type { Validator } from '../validator.ts'
import { impersonatorPermission } from './impersonator-permission.ts'
import { protectedSubject } from './protected-subject.ts'
import { residentOrganization } from './resident-organization.ts'
import { subjectAccountStatus } from './subject-account-status.ts'
import { subjectScope } from './subject-scope.ts'

/** The validators that are always there (design.md §5). */
export const builtInValidators: readonly Validator[] = [
  impersonatorPermission,
  residentOrganization,
  subjectAccountStatus,
  protectedSubject,
  subjectScope,
]
