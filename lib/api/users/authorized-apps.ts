/**
 * The applications that a user let in (facts/rest-apis.md §8.2): version 1 goes by their names, version 2 by their ids
 * and says the scopes.
 */
import { type Context, Hono } from 'hono'
import { type Account, findAccount } from '../../directory/accounts.ts'
import type { Caller } from '../../directory/caller.ts'
import { loginScope } from '../../directory/permissions.ts'
import {
  type AuthorizedApplication,
  listAuthorizedApplications,
  revokeApplicationTokens,
  withdrawAuthorizations,
} from '../../sign-in/authorized-applications.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import * as operations from './authorized-app-operations.ts'

const view = 'internal_user_authorizedapp_view'
const remove = 'internal_user_authorizedapp_delete'

const notFound = (code: string, description: string) =>
  new Problem({ status: 404, code: `OAA-${code}`, message: 'Invalid application ID', description })

interface Version {
  readonly name: 'v1' | 'v2'
  readonly only: (asked: string) => { readonly name: string } | { readonly id: string }
  readonly render: (application: AuthorizedApplication) => object
}

const versions: readonly Version[] = [
  {
    name: 'v1',
    only: (name) => ({ name }),
    render: ({ name, clientId }) => ({ appId: name, clientId }),
  },
  {
    name: 'v2',
    only: (id) => ({ id }),
    render: ({ id, name, clientId, scopes }) => ({ id, name, clientId, approvedScopes: scopes }),
  },
]

export const authorizedApps = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)

  /** Whose they are; a user of another organization is nobody. */
  const userOf = async (caller: Caller, id: string): Promise<Account | undefined> => {
    const account = await findAccount(db, id)
    return account?.organizationId === caller.organizationId ? account : undefined
  }
  const requireOne = async (
    account: Account | undefined,
    asked: string,
    userId: string,
    { only }: Version,
    now: Date,
  ) => {
    const [found] = account ? await listAuthorizedApplications(db, account, now, only(asked)) : []
    if (account && found) return { account, found }
    const user = account?.userName ?? userId
    throw notFound('10001', `An application with ID: ${asked} cannot be found for user: ${user}.`)
  }

  const list = (version: Version) => async (caller: Caller, c: Context, userId: string) => {
    const account = await userOf(caller, userId)
    const found = account ? await listAuthorizedApplications(db, account, new Date()) : []
    return c.json(found.map(version.render))
  }
  const get = (version: Version) => async (caller: Caller, c: Context, userId: string) => {
    const account = await userOf(caller, userId)
    const { found } = await requireOne(account, parameter(c, 'app'), userId, version, new Date())
    return c.json(version.render(found))
  }
  const withdrawAll = async (caller: Caller, c: Context, userId: string) => {
    const now = new Date()
    const account = await userOf(caller, userId)
    const found = account ? await listAuthorizedApplications(db, account, now) : []
    if (account && found.length > 0) await withdrawAuthorizations(db, caller, account, found, now)
    return c.body(null, 204)
  }
  const withdraw = (version: Version) => async (caller: Caller, c: Context, userId: string) => {
    const now = new Date()
    const asked = await requireOne(await userOf(caller, userId), parameter(c, 'app'), userId, version, now)
    await withdrawAuthorizations(db, caller, asked.account, [asked.found], now)
    return c.body(null, 204)
  }

  type Handler = (caller: Caller, c: Context, userId: string) => Promise<Response>
  const ofCaller = (handler: Handler) => (caller: Caller, c: Context) => handler(caller, c, caller.accountId)
  const ofUser = (handler: Handler) => (caller: Caller, c: Context) =>
    handler(caller, c, parameter(c, 'userId'))

  const routes = new Hono()
  for (const version of versions) {
    const said = operations.of(version.name)
    const [own, of] = [`/${version.name}/me/authorized-apps`, `/${version.name}/:userId/authorized-apps`]
    routes
      .get(own, guarded(loginScope, ofCaller(list(version)), said.listOwn))
      .delete(own, guarded(loginScope, ofCaller(withdrawAll), said.withdrawAllOwn))
      .get(`${own}/:app`, guarded(loginScope, ofCaller(get(version)), said.getOwn))
      .delete(`${own}/:app`, guarded(loginScope, ofCaller(withdraw(version)), said.withdrawOwn))
      .get(of, guarded(view, ofUser(list(version)), said.listOfUser))
      .delete(of, guarded(remove, ofUser(withdrawAll), said.withdrawAllOfUser))
      .get(`${of}/:app`, guarded(view, ofUser(get(version)), said.getOfUser))
      .delete(`${of}/:app`, guarded(remove, ofUser(withdraw(version)), said.withdrawOfUser))
  }
  return routes.delete(
    '/v2/authorized-apps/:app/tokens',
    guarded(
      remove,
      async (caller, c) => {
        const id = parameter(c, 'app')
        if ((await revokeApplicationTokens(db, caller, id, new Date())) === 'unknown')
          throw notFound('10002', `An application with ID: ${id} cannot be found.`)
        return c.body(null, 204)
      },
      operations.revokeTokens,
    ),
  )
}
