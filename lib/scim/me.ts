/** `/scim2/Me`: the account that the call counts as, the subject's while impersonating (facts/rest-apis.md §5.2). */
import { type Context, Hono } from 'hono'
import type { Caller } from '../directory/caller.ts'
import { loginScope } from '../directory/permissions.ts'
import { findUser, type User } from '../directory/users.ts'
import { ScimError } from './error.ts'
import type { Route } from './route.ts'
import { refuseActing } from './user-draft.ts'
import { answerUser, patchUser, readSteps, type UsersNeeds } from './users.ts'

const requireMe = async ({ db }: UsersNeeds, caller: Caller): Promise<User> => {
  const user = await findUser(db, caller, caller.accountId)
  if (!user) throw new ScimError(404, 'User not found in the user store.')
  return user
}

const patch = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const steps = await readSteps(c)
  refuseActing(caller, steps)
  const status = steps.find(({ target }) => target.attribute.access === 'status')
  if (status) {
    throw new ScimError(403, `${status.target.attribute.name} can be changed by an administrator only.`)
  }
  return answerUser(c, needs, await patchUser(needs, caller, await requireMe(needs, caller), steps))
}

export const me = (needs: UsersNeeds, route: Route) =>
  new Hono()
    .get(
      '/',
      route({ permission: loginScope, actor: true }, async (caller, c) =>
        answerUser(c, needs, await requireMe(needs, caller)),
      ),
    )
    .patch('/', route({ permission: loginScope, actor: true }, patch(needs)))
