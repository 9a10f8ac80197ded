/** `/scim2/Me`: the account that the call counts as, the subject's while impersonating (facts/rest-apis.md §5.2). */
import { type Context, Hono } from 'hono'
import { attributeOf } from '../directory/attributes.ts'
import type { Caller } from '../directory/caller.ts'
import { loginScope } from '../directory/permissions.ts'
import { findUser, type User, type Wanted } from '../directory/users.ts'
import { ScimError } from './error.ts'
import { readBody } from './media.ts'
import type { Route } from './route.ts'
import {
  answerUser,
  createdUser,
  endUser,
  patchUser,
  readSteps,
  replacedUser,
  type UsersNeeds,
  wantedOf,
} from './user-answer.ts'
import { refuseActing } from './user-draft.ts'
import * as operations from './user-operations.ts'

const requireMe = async ({ db }: UsersNeeds, caller: Caller, wanted?: Wanted): Promise<User> => {
  const user = await findUser(db, caller, caller.accountId, wanted)
  if (!user) throw new ScimError(404, 'User not found in the user store.')
  return user
}

/** Nobody changes his own status. */
const refuseStatus = (names: Iterable<string>) => {
  for (const name of names) {
    if (attributeOf(name)?.access === 'status') {
      throw new ScimError(403, `${name} can be changed by an administrator only.`)
    }
  }
}

const patch = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const steps = await readSteps(c)
  refuseActing(caller, steps)
  refuseStatus(steps.map(({ target }) => target.attribute.name))
  return answerUser(c, needs, await patchUser(needs, caller, c, await requireMe(needs, caller), steps))
}

const put = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const body = await readBody(c)
  const user = await requireMe(needs, caller)
  return answerUser(c, needs, await replacedUser(needs, caller, c, user, body, refuseStatus))
}

export const me = (needs: UsersNeeds, route: Route) =>
  new Hono()
    .get(
      '/',
      route({ permission: loginScope, actor: true, describe: operations.getMe }, async (caller, c) =>
        answerUser(c, needs, await requireMe(needs, caller, wantedOf(c))),
      ),
    )
    .post(
      '/',
      route(
        { permission: 'internal_user_mgt_create', actor: false, describe: operations.createMe },
        async (caller, c) => createdUser(needs, caller, c),
      ),
    )
    .put('/', route({ permission: loginScope, actor: false, describe: operations.replaceMe }, put(needs)))
    .patch('/', route({ permission: loginScope, actor: true, describe: operations.patchMe }, patch(needs)))
    .delete(
      '/',
      route(
        { permission: 'internal_user_mgt_delete', actor: false, describe: operations.deleteMe },
        async (caller, c) => endUser(needs, caller, c, await requireMe(needs, caller)),
      ),
    )
