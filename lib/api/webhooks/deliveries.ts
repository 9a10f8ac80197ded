/** The deliveries of a webhook: what arrived, what is tried again, and what was given up. */
import { type Context, Hono } from 'hono'
import type { Caller } from '../../directory/caller.ts'
import { retryDelivery } from '../../webhooks/changes.ts'
import { findDelivery, listDeliveries } from '../../webhooks/deliveries.ts'
import { findWebhookOf } from '../../webhooks/webhook.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { linksOf, readPage, readStatus } from './list.ts'
import { shownDelivery, webhooksPath, wholeDelivery } from './model.ts'
import * as operations from './operations.ts'
import { alreadyDelivered, noSuchDelivery, notFound } from './problem.ts'

export const deliveriesOf = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)

  /** The webhook's id, if there is one. Throws `Problem`. */
  const requireId = async ({ organizationId }: Caller, c: Context): Promise<string> => {
    const id = parameter(c, 'id')
    if (!(await findWebhookOf(db, organizationId, id))) throw notFound(id)
    return id
  }

  const requireDelivery = async (caller: Caller, c: Context) => {
    const webhookId = await requireId(caller, c)
    const id = parameter(c, 'delivery')
    const delivery = await findDelivery(db, webhookId, id)
    if (!delivery) throw noSuchDelivery(id)
    return delivery
  }

  return new Hono()
    .get(
      '/:id/deliveries',
      guarded(
        'internal_webhook_view',
        async (caller, c) => {
          const query = new URL(c.req.url).searchParams
          const page = readPage(query)
          const status = readStatus(query)
          const id = await requireId(caller, c)
          const list = await listDeliveries(db, id, status, page)
          const links = linksOf(`${baseUrl}${webhooksPath}/${id}/deliveries`, query, page, list)
          return c.json({ links, deliveries: list.items.map(shownDelivery) })
        },
        operations.listDeliveries,
      ),
    )
    .get(
      '/:id/deliveries/:delivery',
      guarded(
        'internal_webhook_view',
        async (caller, c) => c.json(wholeDelivery(await requireDelivery(caller, c))),
        operations.readDelivery,
      ),
    )
    .post(
      '/:id/deliveries/:delivery/retry',
      guarded(
        'internal_webhook_update',
        async (caller, c) => {
          const refused = await retryDelivery(db, caller, new Date(), await requireDelivery(caller, c))
          if (refused) throw alreadyDelivered()
          return c.json(shownDelivery(await requireDelivery(caller, c)), 202)
        },
        operations.retry,
      ),
    )
}
