/** `/scim2/Users` (facts/rest-apis.md §5.2, RFC 7644 §3.2 to §3.6). */
import { type Context, Hono } from 'hono'
import type { Caller } from '../directory/caller.ts'
import { findUser, listUsers } from '../directory/users.ts'
import { readCursor, writeCursor } from './cursor.ts'
import { ScimError } from './error.ts'
import { cursorResponse, type ListRequest, listResponse, readList, readSearch, searching } from './list.ts'
import { answer, idOf, readBody } from './media.ts'
import { isSelected, select } from './projection.ts'
import { renderUser } from './representation.ts'
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

const answerList = async ({ db, baseUrl }: UsersNeeds, caller: Caller, c: Context, request: ListRequest) => {
  const { filter, sort, limit, offset, cursor, selection } = request
  const from = cursor === undefined ? offset : readCursor({ ...request, cursor })
  const wanted = { roles: isSelected(selection, 'roles'), groups: isSelected(selection, 'groups') }
  const { total, users, next } = await searching(() =>
    listUsers(db, caller, { filter, sort, limit, from, withoutLargeTotal: cursor !== undefined }, wanted),
  )
  const resources = users.map((user) => select(selection, renderUser(user, baseUrl)))
  const nextCursor = next && writeCursor(request, next)
  return answer(
    c,
    200,
    cursor === undefined
      ? listResponse(total ?? 0, request, resources)
      : cursorResponse(total, nextCursor, resources),
  )
}

const list = (needs: UsersNeeds) => async (caller: Caller, c: Context) =>
  answerList(needs, caller, c, readList(c))

const search = (needs: UsersNeeds) => async (caller: Caller, c: Context) =>
  answerList(needs, caller, c, await readSearch(c))

const view = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const user = await findUser(needs.db, caller, idOf(c), wantedOf(c))
  if (!user) throw new ScimError(404, 'User not found in the user store.')
  return answerUser(c, needs, user)
}

const put = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const body = await readBody(c)
  const id = idOf(c)
  const user = await findUser(needs.db, caller, id)
  if (!user) throw new ScimError(404, `No user exists with the given id: ${id}`)
  return answerUser(c, needs, await replacedUser(needs, caller, c, user, body))
}

const patch = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const id = idOf(c)
  const steps = await readSteps(c)
  refuseActing(caller, steps)
  const user = await findUser(needs.db, caller, id)
  if (!user) throw new ScimError(404, `No user with the id : ${id} in the user store.`)
  return answerUser(c, needs, await patchUser(needs, caller, c, user, steps))
}

const remove = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const user = await findUser(needs.db, caller, idOf(c))
  if (!user) {
    throw new ScimError(404, 'Specified resource (e.g., User) or endpoint does not exist.')
  }
  return endUser(needs, caller, c, user)
}

export type { UsersNeeds }

export const users = (needs: UsersNeeds, route: Route) =>
  new Hono()
    .post(
      '/',
      route(
        { permission: 'internal_user_mgt_create', actor: true, describe: operations.createUser },
        async (caller, c) => createdUser(needs, caller, c),
      ),
    )
    .get(
      '/',
      route(
        { permission: 'internal_user_mgt_list', actor: true, describe: operations.listUsers },
        list(needs),
      ),
    )
    .post(
      '/.search',
      route(
        { permission: 'internal_user_mgt_list', actor: false, describe: operations.searchUsers },
        search(needs),
      ),
    )
    .get(
      '/:id',
      route({ permission: 'internal_user_mgt_view', actor: true, describe: operations.getUser }, view(needs)),
    )
    .put(
      '/:id',
      route(
        { permission: 'internal_user_mgt_update', actor: false, describe: operations.replaceUser },
        put(needs),
      ),
    )
    .patch(
      '/:id',
      route(
        { permission: 'internal_user_mgt_update', actor: true, describe: operations.patchUser },
        patch(needs),
      ),
    )
    .delete(
      '/:id',
      route(
        { permission: 'internal_user_mgt_delete', actor: false, describe: operations.deleteUser },
        remove(needs),
      ),
    )
