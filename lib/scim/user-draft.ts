/** A user as a request would have him, and what of that goes where: attributes, status, password. */
import {
  type Attributes,
  activeAttribute,
  attributeOf,
  disabledAttribute,
  isSensitive,
  lockedAttribute,
  nestAttributes,
  passwordAttribute,
  userNameAttribute,
} from '../directory/attributes.ts'
import type { Caller } from '../directory/caller.ts'
import { hasDisguised, hasUnseen } from '../directory/readable-name.ts'
import type { User } from '../directory/users.ts'
import { hashPassword as hash, inPasswordQueue } from '../sign-in/password.ts'
import { type PasswordPolicy, passwordProblem } from '../sign-in/password-policy.ts'
import { actingError, bad, ScimError } from './error.ts'
import { applyStep, type Draft } from './user-patch.ts'
import type { Step } from './user-path.ts'

const largestAttributes = 65_536

/** Facts of WSO2: 3 to 50 characters without white space, `*`, `?` and `%`; a slash would name a user store. */
const userNameRule = /^[^\s*?%/\p{Cc}]{3,50}$/u
const tenantSuffix = /@carbon\.super$/i

export interface Drafted {
  readonly attributes: Attributes
  readonly userName: string
  readonly locked: boolean
  readonly disabled: boolean
  readonly touched: ReadonlySet<string>
  readonly hashPassword: (() => Promise<string>) | undefined
}

/** Nobody who acts for somebody else gets any of a request through that speaks of something sensitive. */
export const refuseActing = (caller: Caller, steps: readonly Step[]): void => {
  if (caller.acting && steps.some(({ target }) => isSensitive(target.attribute))) throw actingError()
}

const draftOf = (user: User | undefined): Draft => {
  const draft: Draft = new Map(user?.attributes)
  if (user) {
    draft.set(userNameAttribute.name, user.userName)
    draft.set(lockedAttribute.name, user.locked)
    draft.set(disabledAttribute.name, user.disabled)
  }
  return draft
}

const hasher = (policy: PasswordPolicy, password: unknown): (() => Promise<string>) => {
  const problem = passwordProblem(policy, password)
  if (problem !== undefined || typeof password !== 'string') {
    throw bad('invalidValue', `The password ${problem}`)
  }
  return async () => {
    const hashed = await inPasswordQueue(() => hash(password))
    if (hashed === undefined) throw new ScimError(503, 'Too many passwords are being set. Try again.')
    return hashed
  }
}

/** `accountDisabled` and `active` are two names of one thing; who says once that it is off, turns it off. */
const isDisabled = (draft: Draft, touched: ReadonlySet<string>, before: boolean): boolean => {
  const said: boolean[] = []
  if (touched.has(disabledAttribute.name)) said.push(draft.get(disabledAttribute.name) === true)
  if (touched.has(activeAttribute.name)) said.push(draft.get(activeAttribute.name) === false)
  return said.length === 0 ? before : said.some(Boolean)
}

/** The name as it is kept: the one tenant and the one user store may be named, and are left out. */
const readUserName = (written: unknown): string => {
  const name =
    typeof written === 'string'
      ? written
          .normalize('NFC')
          .replace(/^PRIMARY\//i, '')
          .replace(tenantSuffix, '')
      : ''
  if (!userNameRule.test(name)) {
    throw bad('invalidValue', 'userName has to be 3 to 50 characters without white space, *, ?, % and /.')
  }
  if (hasUnseen(name) || hasDisguised(name) || tenantSuffix.test(name)) {
    throw bad('invalidValue', 'userName may not be one that looks like the name of somebody else.')
  }
  return name
}

/** The user after `steps`; a new one, or `user` changed. Refuses what no user can be. */
export const draftUser = (steps: readonly Step[], policy: PasswordPolicy, user?: User): Drafted => {
  const draft = draftOf(user)
  for (const step of steps) applyStep(draft, step)
  return finish(draft, new Set(steps.map(({ target }) => target.attribute.name)), policy, user)
}

/** A new user whose password comes as a hash: there is none to look at. */
export const draftHashed = (steps: readonly Step[], policy: PasswordPolicy): Drafted => {
  const draft = draftOf(undefined)
  for (const step of steps) applyStep(draft, step)
  return finish(draft, new Set(steps.map(({ target }) => target.attribute.name)), policy, undefined, true)
}

/**
 * `user` as a PUT would have him (RFC 7644 §3.5.1): what it does not name is gone, but for the password and for status
 * and proofs, which are not lost by being left out. What it names as it is, it does not touch.
 */
export const replaceUser = (steps: readonly Step[], policy: PasswordPolicy, user: User): Drafted => {
  const before = draftOf(user)
  before.set(activeAttribute.name, !user.disabled)
  const draft: Draft = new Map([...before].filter(([name]) => attributeOf(name)?.access === 'status'))
  for (const step of steps) applyStep(draft, step)
  if (!draft.has(userNameAttribute.name)) throw bad('invalidValue', 'userName is required.')
  const touched = new Set(
    steps
      .map(({ target }) => target.attribute.name)
      .filter((name) => !Bun.deepEquals(draft.get(name), before.get(name))),
  )
  return finish(draft, touched, policy, user)
}

const finish = (
  draft: Draft,
  touched: ReadonlySet<string>,
  policy: PasswordPolicy,
  user: User | undefined,
  comesHashed = false,
): Drafted => {
  const written = draft.get(userNameAttribute.name)
  if (user && written === undefined) throw bad('mutability', 'userName cannot be removed.')
  const userName = user && written === user.userName ? user.userName : readUserName(written)
  if (user && userName !== user.userName) throw bad('mutability', 'userName cannot be changed.')
  const password = draft.get(passwordAttribute.name)
  // a new one may have none: provisioning systems send none, and nobody signs in with it until one is set
  const speaksOfPassword =
    !comesHashed && (user ? touched.has(passwordAttribute.name) : password !== undefined)
  const disabled = isDisabled(draft, touched, user?.disabled ?? false)
  const locked = draft.get(lockedAttribute.name) === true
  const elsewhere = [
    userNameAttribute,
    passwordAttribute,
    activeAttribute,
    lockedAttribute,
    disabledAttribute,
  ]
  for (const { name } of elsewhere) draft.delete(name)
  if (JSON.stringify(nestAttributes(draft)).length > largestAttributes) {
    throw bad('invalidValue', `The attributes of a user may have ${largestAttributes} characters in all.`)
  }
  const hashPassword = speaksOfPassword ? hasher(policy, password) : undefined
  return { attributes: draft, userName, locked, disabled, touched, hashPassword }
}
