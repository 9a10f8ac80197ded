/**
 * Impersonations as the user sees them who is acted for: who, when, through what, why and what was changed; he ends them,
 * and may say that nobody acts for him. At /api/users/v1/me.
 */
import { Hono } from 'hono'
import type { Caller } from '../../directory/caller.ts'
import { loginScope } from '../../directory/permissions.ts'
import { doneIn } from '../../impersonation/done.ts'
import { endImpersonation } from '../../impersonation/end.ts'
import { findImpersonation, listImpersonations } from '../../impersonation/list.ts'
import { allowImpersonation, allowsImpersonation } from '../../impersonation/preference.ts'
import type { ApiNeeds } from '../api.ts'
import { bytesOf, parse, readBody } from '../body.ts'
import { gate } from '../gate.ts'
import { linksOf, readQuery } from '../impersonations/list-query.ts'
import { endBody } from '../impersonations/model.ts'
import { unknownImpersonation } from '../impersonations/problem.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import { ownImpersonation } from './impersonation-model.ts'
import * as operations from './impersonation-operations.ts'

/** Requests of each impersonation in a list, and in a single one. */
const mostListed = 20
const mostShown = 500

const notAllowed = () =>
  new Problem({
    status: 403,
    code: 'IMP-60003',
    message: 'Opting out is not allowed here.',
    description: 'This server does not let users say whether others may act for them.',
  })

export const impersonationsOfCaller = (needs: ApiNeeds) => {
  const { db, optOut } = needs
  const guarded = gate(needs)
  const url = `${needs.baseUrl}/api/users/v1/me/impersonations`

  /** One in which the caller is the subject; those of others, refused and unknown ones are one answer. */
  const requireOwn = async (caller: Caller, id: string) => {
    const found = await findImpersonation(db, caller.organizationId, id, new Date())
    if (!found || found.subject.id !== caller.accountId || found.state === 'refused')
      throw unknownImpersonation(id)
    return found
  }
  const preference = async ({ accountId }: Caller) => ({
    allowImpersonation: !optOut || (await allowsImpersonation(db, accountId)) !== false,
    changeable: optOut,
  })

  return new Hono()
    .get(
      '/impersonations',
      guarded(
        loginScope,
        async (caller, c) => {
          const query = new URL(c.req.url).searchParams
          const asked = readQuery(query)
          const filter = { ...asked.filter, subject: caller.accountId, withoutRefused: true }
          const found = await listImpersonations(db, caller.organizationId, filter, asked.page, new Date())
          const ids = found.items.map(({ id }) => id)
          const done = await doneIn(db, ids, mostListed)
          return c.json({
            impersonations: found.items.map((item) => ownImpersonation(item, done.get(item.id))),
            links: linksOf(url, query, asked, found),
          })
        },
        operations.list,
      ),
    )
    .get(
      '/impersonations/:impersonationId',
      guarded(
        loginScope,
        async (caller, c) => {
          const found = await requireOwn(caller, parameter(c, 'impersonationId'))
          const done = await doneIn(db, [found.id], mostShown)
          return c.json(ownImpersonation(found, done.get(found.id)))
        },
        operations.get,
      ),
    )
    .post(
      '/impersonations/:impersonationId/end',
      guarded(
        loginScope,
        async (caller, c) => {
          const { id } = await requireOwn(caller, parameter(c, 'impersonationId'))
          // nobody has to say why
          const empty = (await bytesOf(c.req.raw)).length === 0
          const { reason } = empty ? parse(endBody, {}) : await readBody(c, endBody)
          await endImpersonation(db, caller, id, reason, new Date(), caller.accountId)
          return c.body(null, 204)
        },
        operations.end,
      ),
    )
    .get(
      '/impersonation-preferences',
      guarded(loginScope, async (caller, c) => c.json(await preference(caller)), operations.getPreference),
    )
    .put(
      '/impersonation-preferences',
      guarded(
        loginScope,
        async (caller, c) => {
          const { allowImpersonation: allow } = await readBody(c, operations.preferenceBody)
          const known = await allowsImpersonation(db, caller.accountId)
          if (!optOut || known === undefined) throw notAllowed()
          await allowImpersonation(db, caller, allow, new Date())
          return c.json({ allowImpersonation: allow, changeable: true })
        },
        operations.setPreference,
      ),
    )
}
