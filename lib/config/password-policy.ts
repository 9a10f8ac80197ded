import type { Draft } from './draft.ts'

/** What a new password has to be like; lengths in characters, and how many of a kind there are at least. */
export interface PasswordPolicy {
  readonly minLength: number
  readonly maxLength: number
  readonly minUppercase: number
  readonly minLowercase: number
  readonly minDigits: number
  readonly minSpecial: number
}

/** Reads `[password_policy]`; one that no password fits is refused. */
export const passwordPolicyOf = ({ settings, refuse }: Draft): PasswordPolicy => {
  const written = settings.password_policy
  const kinds = written.min_uppercase + written.min_lowercase + written.min_digits + written.min_special
  if (written.min_length > written.max_length) {
    refuse('password_policy.min_length', `is more than max_length, ${written.max_length}`, [
      'password_policy.max_length',
    ])
  }
  if (kinds > written.max_length) {
    refuse('password_policy.max_length', `is less than the ${kinds} characters that the min_… keys ask for`)
  }
  return {
    minLength: written.min_length,
    maxLength: written.max_length,
    minUppercase: written.min_uppercase,
    minLowercase: written.min_lowercase,
    minDigits: written.min_digits,
    minSpecial: written.min_special,
  }
}
