import type { Validator } from '../validator.ts'
import { impersonatorPermission } from './impersonator-permission.ts'
import { protectedSubject } from './protected-subject.ts'
import { residentOrganization } from './resident-organization.ts'
import { subjectAccountStatus } from './subject-account-status.ts'
import { subjectPreference } from './subject-preference.ts'
import { subjectScope } from './subject-scope.ts'

/** The validators that are always there (design.md §5). */
export const builtInValidators: readonly Validator[] = [
  impersonatorPermission,
  residentOrganization,
  subjectAccountStatus,
  protectedSubject,
  subjectScope,
]

/** Every validator of ours: their names are taken, and they are asked without a clock. */
export const ourValidators: readonly Validator[] = [...builtInValidators, subjectPreference]

/** The validators that are asked: with that of the users' own preferences, where they may have one. */
export const validatorsInForce = (
  validators: readonly Validator[],
  { allowOptOut }: { readonly allowOptOut: boolean },
): readonly Validator[] => (allowOptOut ? [...validators, subjectPreference] : validators)
