/** Where a value stands in the file: names of tables and keys, numbers for elements of a list. */
export type Path = readonly PropertyKey[]

/** One thing that is wrong: the key as a dotted path, and a sentence that follows it. */
export interface Problem {
  readonly key: string
  readonly message: string
}

/**
 * The configuration cannot be used. `problems` has every reason, each with file and key; none shows a secret.
 */
export class ConfigurationError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigurationError'
    this.problems = problems
  }
}

/** `['api_resources', 0, 'name']` as `api_resources[0].name`; names that TOML would quote are quoted. */
export const dotted = (path: Path): string =>
  path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`
      const name = /^[\w-]+$/.test(String(step)) ? String(step) : JSON.stringify(String(step))
      return index === 0 ? name : `.${name}`
    })
    .join('')

/** What a TOML value is, in words: "a string", "an integer", "a table"… */
export const kindOf = (value: unknown): string => {
  if (typeof value === 'string') return 'a string'
  if (typeof value === 'boolean') return 'a boolean'
  if (typeof value === 'bigint') return 'an integer that is too large'
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a number that is not whole'
  if (Array.isArray(value)) return 'a list'
  return value instanceof Date ? 'a date' : 'a table'
}
