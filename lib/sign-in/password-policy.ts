/** What a new password has to be like, wherever one is set. */
import { longestPassword } from './password.ts'

/** Lengths in characters; how many of a kind there have to be at least. */
export interface PasswordPolicy {
  readonly minLength: number
  readonly maxLength: number
  readonly minUppercase: number
  readonly minLowercase: number
  readonly minDigits: number
  readonly minSpecial: number
}

export const standardPolicy: PasswordPolicy = {
  minLength: 8,
  maxLength: longestPassword,
  minUppercase: 0,
  minLowercase: 0,
  minDigits: 0,
  minSpecial: 0,
}

const kinds = [
  ['minUppercase', /^\p{Lu}$/u, 'capital letters'],
  ['minLowercase', /^\p{Ll}$/u, 'small letters'],
  ['minDigits', /^\p{Nd}$/u, 'digits'],
  ['minSpecial', /^[^\p{L}\p{N}]$/u, 'characters that are neither letters nor digits'],
] as const

/** Why it is no password here, as the end of a sentence that begins with "The password"; undefined when it is one. */
export const passwordProblem = (policy: PasswordPolicy, password: unknown): string | undefined => {
  const { minLength, maxLength } = policy
  const lengths = `has to be a string of ${minLength} to ${maxLength} characters.`
  // before it is taken apart, since it may be huge
  if (typeof password !== 'string' || password.length > 2 * longestPassword) return lengths
  const characters = [...password]
  if (characters.length < minLength || characters.length > maxLength || password.length > longestPassword) {
    return lengths
  }
  for (const [kind, pattern, words] of kinds) {
    const count = characters.filter((character) => pattern.test(character)).length
    if (count < policy[kind]) return `has to have at least ${policy[kind]} ${words}.`
  }
  return undefined
}
