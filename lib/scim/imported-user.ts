/** A user as a file brings him: a resource as `POST /Users` takes it, or a hash in the place of its password. */
import { isObject, nestAttributes } from '../directory/attributes.ts'
import { readPasswordHash } from '../sign-in/password-hash.ts'
import type { PasswordPolicy } from '../sign-in/password-policy.ts'
import { bad } from './error.ts'
import { writable } from './user-answer.ts'
import { type Drafted, draftHashed, draftUser } from './user-draft.ts'
import type { Step } from './user-path.ts'

export interface BroughtUser {
  readonly userName: string
  /** The JSON that is stored. */
  readonly attributes: string
  readonly locked: boolean
  readonly disabled: boolean
  /** The names of his groups. */
  readonly groups: readonly string[]
  /** Undefined where a password was brought, which is hashed when it is asked for. */
  readonly passwordHash: string | undefined
  readonly hashPassword: () => Promise<string>
}

/** What a file says of one user, taken apart. */
export interface Brought {
  readonly steps: readonly Step[]
  readonly groups: readonly string[]
  readonly passwordHash: unknown
}

const checkedHash = (passwordHash: unknown): string => {
  if (typeof passwordHash !== 'string') throw bad('invalidValue', 'passwordHash has to be a string.')
  const read = readPasswordHash(passwordHash)
  if ('problem' in read) throw bad('invalidValue', `passwordHash ${read.problem}.`)
  return passwordHash
}

const cannotHash = () => Promise.reject(new Error('a hash was brought'))

/** Checks the user as a POST does. Throws `ScimError` with the reason. */
export const readBrought = (
  { steps, groups, passwordHash }: Brought,
  policy: PasswordPolicy,
): BroughtUser => {
  const hash = passwordHash === undefined || passwordHash === null ? undefined : checkedHash(passwordHash)
  const hasPassword = steps.some(({ target }) => target.attribute.name === 'password')
  if (hash !== undefined && hasPassword)
    throw bad('invalidValue', 'password and passwordHash exclude each other.')
  if (hash === undefined && !hasPassword) throw bad('invalidValue', 'A user needs password or passwordHash.')
  const drafted: Drafted = hash === undefined ? draftUser(steps, policy) : draftHashed(steps, policy)
  return {
    userName: drafted.userName,
    attributes: JSON.stringify(nestAttributes(drafted.attributes)),
    locked: drafted.locked,
    disabled: drafted.disabled,
    groups,
    passwordHash: hash,
    hashPassword: drafted.hashPassword ?? cannotHash,
  }
}

/** The most groups that one user is put into. */
const mostGroups = 100

/** Names of groups: as text, or as SCIM shows them, by `display`. */
export const groupNames = (value: unknown): readonly string[] => {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw bad('invalidValue', 'groups has to be a list.')
  if (value.length > mostGroups) throw bad('invalidValue', `groups may have ${mostGroups} values.`)
  return value.map((item: unknown) => {
    const name = isObject(item) ? item.display : item
    if (typeof name !== 'string')
      throw bad('invalidValue', 'Each of groups has to be a name, or to have a display.')
    return name
  })
}

/** The parts of a User resource; as in a POST, what only the server writes is left out. */
export const readResource = (resource: Readonly<Record<string, unknown>>): Brought => {
  const rest: Record<string, unknown> = {}
  let passwordHash: unknown
  let groups: unknown
  for (const [name, value] of Object.entries(resource)) {
    const lower = name.toLowerCase()
    if (lower === 'passwordhash') passwordHash = value
    else if (lower === 'groups') groups = value
    else rest[name] = value
  }
  return { steps: writable(rest), groups: groupNames(groups), passwordHash }
}
