/** `/scim2/Users` (facts/rest-apis.md §5.2). */
import { type Context, Hono } from 'hono'
import type { Db } from '../database/connect.ts'
import type { Caller } from '../directory/caller.ts'
import { type UserRefusal, updateUser } from '../directory/user-update.ts'
import { createUser, findUser, listUsers, type User } from '../directory/users.ts'
import { endAllOf } from '../sign-in/end-session.ts'
import { actingError, bad, ScimError } from './error.ts'
import { parseFilter } from './filter.ts'
import { listResponse, readPage } from './list.ts'
import { answer, idOf, readBody } from './media.ts'
import { parsePatch } from './patch.ts'
import { project } from './projection.ts'
import { renderUser, userLocation } from './representation.ts'
import type { Route } from './route.ts'
import { draftUser, refuseActing } from './user-draft.ts'
import { userConditions } from './user-filter.ts'
import { resourceSteps, type Step, stepsOf } from './user-path.ts'

export interface UsersNeeds {
  readonly db: Db
  readonly baseUrl: string
}

/** One user as an answer. */
export const answerUser = (c: Context, { baseUrl }: UsersNeeds, user: User, status = 200): Response =>
  answer(c, status, project(c, renderUser(user, baseUrl)), { Location: userLocation(baseUrl, user.id) })

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

/** Changes the user as a PATCH says. */
export const patchUser = async (
  { db }: UsersNeeds,
  caller: Caller,
  user: User,
  steps: readonly Step[],
): Promise<User> => {
  refuseActing(caller, steps)
  const now = new Date()
  const edit = draftUser(steps, user)
  const ending = () => endAllOf(db, user.id, caller.accountId, now)
  const result = await updateUser(db, caller, user, { ...edit, ending }, now)
  if ('refused' in result) throw refusalError(result.refused)
  return result.user
}

const create = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  if (caller.acting) throw actingError()
  // what only the server writes is left out of a new resource (RFC 7644 §3.3)
  const steps = resourceSteps('add', await readBody(c)).filter(
    ({ target }) => target.attribute.access !== 'readOnly',
  )
  const { hashPassword, ...drafted } = draftUser(steps)
  if (!hashPassword) throw bad('invalidValue', 'A user needs a password.')
  const result = await createUser(needs.db, caller, { ...drafted, hashPassword }, new Date())
  if ('user' in result) return answerUser(c, needs, result.user, 201)
  if (result.refused === 'acting') throw actingError()
  throw new ScimError(
    409,
    `User with the name: ${drafted.userName} already exists in the system.`,
    'uniqueness',
  )
}

const list =
  ({ db, baseUrl }: UsersNeeds) =>
  async (caller: Caller, c: Context) => {
    const page = readPage(c)
    const filter = c.req.query('filter')
    const conditions = filter ? userConditions(parseFilter(filter)) : []
    const { total, users } = await listUsers(db, caller, conditions, page)
    const resources = users.map((user) => project(c, renderUser(user, baseUrl)))
    return answer(c, 200, listResponse(total, page, resources))
  }

const view = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const user = await findUser(needs.db, caller, idOf(c))
  if (!user) throw new ScimError(404, 'User not found in the user store.')
  return answerUser(c, needs, user)
}

const patch = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const id = idOf(c)
  const steps = await readSteps(c)
  refuseActing(caller, steps)
  const user = await findUser(needs.db, caller, id)
  if (!user) throw new ScimError(404, `No user with the id : ${id} in the user store.`)
  return answerUser(c, needs, await patchUser(needs, caller, user, steps))
}

export const users = (needs: UsersNeeds, route: Route) =>
  new Hono()
    .post('/', route({ permission: 'internal_user_mgt_create', actor: true }, create(needs)))
    .get('/', route({ permission: 'internal_user_mgt_list', actor: true }, list(needs)))
    .get('/:id', route({ permission: 'internal_user_mgt_view', actor: true }, view(needs)))
    .patch('/:id', route({ permission: 'internal_user_mgt_update', actor: true }, patch(needs)))
