import { resolve } from 'node:path'
import type { Problem } from './problems.ts'
import type { Validated } from './validate.ts'

/** A file on its way to a Config: its valid settings, and where to say what does not fit together. */
export interface Draft extends Pick<Validated, 'settings' | 'touched'> {
  /** A path of the file as an absolute one. */
  readonly locate: (path: string) => string
  /**
   * Adds a problem of `key`, unless it or one of the keys that `also` decided is already known to be wrong.
   */
  readonly refuse: (key: string, message: string, also?: readonly string[]) => void
  readonly warn: (message: string) => void
}

/** Starts a draft; `problems` and `warnings` are filled while its sections are read. */
export const draft = ({ settings, touched, broken, problems: earlier }: Validated, directory: string) => {
  const problems: Problem[] = [...earlier]
  const warnings: string[] = []
  const isBroken = (key: string) =>
    broken.some((wrong) => key === wrong || key.startsWith(`${wrong}.`) || key.startsWith(`${wrong}[`))
  const open: Draft = {
    settings,
    touched,
    locate: (path) => resolve(directory, path),
    refuse(key, message, also = []) {
      if (![key, ...also].some(isBroken)) problems.push({ key, message })
    },
    warn(message) {
      warnings.push(message)
    },
  }
  return { open, problems, warnings }
}

/** `{ [name]: value }`, or nothing when the value is undefined: an absent key is not an undefined one. */
export const given = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  // a computed key is widened to string, hence the assertion
  (value === undefined ? {} : { [name]: value }) as { [key in Name]?: Value }
