/** What `/Users` and `/Me` do alike: make, change and end a user, and answer with one. */
import type { Context } from 'hono'
import type { Db } from '../database/connect.ts'
import type { Caller } from '../directory/caller.ts'
import { deleteUser } from '../directory/user-deletion.ts'
import { type UserEdit, type UserRefusal, updateUser } from '../directory/user-update.ts'
import { createUser, type User, type Wanted } from '../directory/users.ts'
import { endAllOf } from '../sign-in/end-session.ts'
import type { PasswordPolicy } from '../sign-in/password-policy.ts'
import { answerTagged, staleError } from './conditional.ts'
import { actingError, ScimError } from './error.ts'
import { readBody } from './media.ts'
import { parsePatch } from './patch.ts'
import { project, shows } from './projection.ts'
import { isOtherEdition, renderUser, userLocation, userTag } from './representation.ts'
import { draftUser, refuseActing, replaceUser } from './user-draft.ts'
import { resourceSteps, type Step, stepsOf } from './user-path.ts'

export interface UsersNeeds {
  readonly db: Db
  readonly baseUrl: string
  readonly passwordPolicy: PasswordPolicy
}

/** What of a user has to be looked up for the answer. */
export const wantedOf = (c: Context): Wanted => ({ roles: shows(c, 'roles'), groups: shows(c, 'groups') })

/** One user as an answer. */
export const answerUser = (c: Context, { baseUrl }: UsersNeeds, user: User, status = 200): Response =>
  answerTagged(c, userTag(user), project(c, renderUser(user, baseUrl)), {
    status,
    location: userLocation(baseUrl, user.id),
  })

const refusalError = (refused: UserRefusal): ScimError => {
  if (refused === 'acting') return actingError()
  if (refused === 'beyond') {
    return new ScimError(
      403,
      'The user has permissions that you do not have: this part of the account is not yours to change.',
    )
  }
  return new ScimError(403, 'The last active administrator can be neither locked nor disabled.')
}

/** The steps of a PATCH's body. */
export const readSteps = async (c: Context): Promise<readonly Step[]> =>
  parsePatch(await readBody(c)).flatMap(stepsOf)

const changeUser = async (
  { db }: UsersNeeds,
  caller: Caller,
  user: User,
  edit: Omit<UserEdit, 'ending'>,
): Promise<User> => {
  const now = new Date()
  const ending = () => endAllOf(db, user.id, { by: caller.accountId, reason: 'account-changed' }, now)
  const result = await updateUser(db, caller, user, { ...edit, ending }, now)
  if ('refused' in result) throw refusalError(result.refused)
  return result.user
}

const requireEdition = (c: Context, user: User): void => {
  if (isOtherEdition(c.req.header('if-match'), user)) throw staleError()
}

/** Changes the user as a PATCH says. */
export const patchUser = (
  needs: UsersNeeds,
  caller: Caller,
  c: Context,
  user: User,
  steps: readonly Step[],
): Promise<User> => {
  requireEdition(c, user)
  refuseActing(caller, steps)
  return changeUser(needs, caller, user, draftUser(steps, needs.passwordPolicy, user))
}

/** What only the server writes is left out of a whole resource that is sent (RFC 7644 §3.3, §3.5.1). */
export const writable = (body: Readonly<Record<string, unknown>>): readonly Step[] =>
  resourceSteps('add', body).filter(({ target }) => target.attribute.access !== 'readOnly')

/** Changes the user to what a PUT says; `check` may refuse what it touches. */
export const replacedUser = (
  needs: UsersNeeds,
  caller: Caller,
  c: Context,
  user: User,
  body: Readonly<Record<string, unknown>>,
  check: (touched: ReadonlySet<string>) => void = () => {},
): Promise<User> => {
  requireEdition(c, user)
  const edit = replaceUser(writable(body), needs.passwordPolicy, user)
  check(edit.touched)
  return changeUser(needs, caller, user, edit)
}

/** Makes the user of a POST's body and answers with it. */
export const createdUser = async (needs: UsersNeeds, caller: Caller, c: Context): Promise<Response> => {
  if (caller.acting) throw actingError()
  const drafted = draftUser(writable(await readBody(c)), needs.passwordPolicy)
  const result = await createUser(needs.db, caller, drafted, new Date())
  if ('user' in result) return answerUser(c, needs, result.user, 201)
  if (result.refused === 'acting') throw actingError()
  throw new ScimError(
    409,
    `User with the name: ${drafted.userName} already exists in the system.`,
    'uniqueness',
  )
}

/** Deletes the user, with all that hangs on the account. */
export const endUser = async (
  { db }: UsersNeeds,
  caller: Caller,
  c: Context,
  user: User,
): Promise<Response> => {
  requireEdition(c, user)
  const now = new Date()
  const ending = () => endAllOf(db, user.id, { by: caller.accountId, reason: 'account-deleted' }, now)
  const result = await deleteUser(db, caller, user, ending, now)
  if ('refused' in result && result.refused === 'last-administrator') {
    throw new ScimError(403, 'The last active administrator cannot be deleted.')
  }
  if ('refused' in result) throw refusalError(result.refused)
  return new Response(null, { status: 204, headers: { 'Cache-Control': 'no-store' } })
}
