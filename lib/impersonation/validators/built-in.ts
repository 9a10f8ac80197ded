import type { Validator } from '../validator.ts'

/** The validators that are always there, the highest priority first. */
export const builtInValidators: readonly Validator[] = []
