/** Impersonations: who acts as whom, through what, since when and why; and their end. At /api/server/v1/impersonations. */
import { Hono } from 'hono'
import { detailsOf } from '../../impersonation/details.ts'
import { endImpersonation, endImpersonations } from '../../impersonation/end.ts'
import { findImpersonation, listImpersonations } from '../../impersonation/list.ts'
import type { ApiNeeds } from '../api.ts'
import { bytesOf, parse, readBody } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { linksOf, readQuery } from './list-query.ts'
import { endBody, endManyBody, shown, shownDetails } from './model.ts'
import * as operations from './operations.ts'
import { unknownImpersonation } from './problem.ts'

const [view, end] = ['internal_impersonation_view', 'internal_impersonation_end']

export const impersonations = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  const url = `${needs.baseUrl}/api/server/v1/impersonations`
  return new Hono()
    .get(
      '/',
      guarded(
        view,
        async (caller, c) => {
          const query = new URL(c.req.url).searchParams
          const asked = readQuery(query)
          const { organizationId } = caller
          const own = asked.organization === undefined || asked.organization === organizationId
          const found = own
            ? await listImpersonations(db, organizationId, asked.filter, asked.page, new Date())
            : { items: [], hasMore: false }
          return c.json({ impersonations: found.items.map(shown), links: linksOf(url, query, asked, found) })
        },
        operations.list,
      ),
    )
    .post(
      '/end',
      guarded(
        end,
        async (caller, c) => {
          const { all: _, reason, ...selection } = await readBody(c, endManyBody)
          return c.json({ ended: await endImpersonations(db, caller, selection, reason, new Date()) })
        },
        operations.endMany,
      ),
    )
    .get(
      '/:impersonationId',
      guarded(
        view,
        async (caller, c) => {
          const id = parameter(c, 'impersonationId')
          const found = await findImpersonation(db, caller.organizationId, id, new Date())
          if (!found) throw unknownImpersonation(id)
          return c.json(shownDetails(found, await detailsOf(db, found)))
        },
        operations.get,
      ),
    )
    .post(
      '/:impersonationId/end',
      guarded(
        end,
        async (caller, c) => {
          const id = parameter(c, 'impersonationId')
          // nobody has to say why
          const empty = (await bytesOf(c.req.raw)).length === 0
          const { reason } = empty ? parse(endBody, {}) : await readBody(c, endBody)
          const result = await endImpersonation(db, caller, id, reason, new Date())
          if (result === 'unknown') throw unknownImpersonation(id)
          return c.body(null, 204)
        },
        operations.end,
      ),
    )
}
