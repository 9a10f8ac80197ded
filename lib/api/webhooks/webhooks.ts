/** Webhooks and CAEP receivers, mounted at /api/server/v1/webhooks. */
import { type Context, Hono } from 'hono'
import type { Caller } from '../../directory/caller.ts'
import { entityTag } from '../../entity-tag.ts'
import type { OutboundRules } from '../../outbound.ts'
import { webhookUrlProblem } from '../../webhooks/address.ts'
import {
  createWebhook,
  deleteWebhook,
  rotateSecret,
  testWebhook,
  updateWebhook,
} from '../../webhooks/changes.ts'
import { findWebhookOf, listWebhooks, type Webhook, webhookEvents } from '../../webhooks/webhook.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { deliveriesOf } from './deliveries.ts'
import { linksOf, readPage } from './list.ts'
import {
  creation,
  deliverySelfOf,
  distinct,
  edit,
  rotation,
  selfOf,
  shown,
  shownDelivery,
  webhooksPath,
} from './model.ts'
import * as operations from './operations.ts'
import { badAudience, badEvents, badUrl, noSecret, notFound, tooMany } from './problem.ts'

const usualOverlapSeconds = 86_400

/** The webhook of the path as it is. Throws `Problem`. */
export const requireWebhook = async (
  db: ApiNeeds['db'],
  { organizationId }: Caller,
  c: Context,
): Promise<Webhook> => {
  const id = parameter(c, 'id')
  const webhook = await findWebhookOf(db, organizationId, id)
  if (!webhook) throw notFound(id)
  return webhook
}

export const webhooks = (needs: ApiNeeds) => {
  const { db, baseUrl, vault } = needs
  const outbound: OutboundRules = needs.outbound
  const guarded = gate(needs)

  const requireUrl = async (url: string | undefined) => {
    const problem = url === undefined ? undefined : await webhookUrlProblem(url, outbound)
    if (problem !== undefined) throw badUrl(problem)
  }

  /** The webhook of the path, if it is the edition that the client has seen. Throws `Problem`. */
  const requireSeen = async (caller: Caller, c: Context): Promise<Webhook> => {
    const webhook = await requireWebhook(db, caller, c)
    requireCurrent(c, entityTag(webhook.edition))
    return webhook
  }

  const readAgain = async ({ organizationId }: Caller, id: string): Promise<Webhook> => {
    const webhook = await findWebhookOf(db, organizationId, id)
    if (!webhook) throw notFound(id)
    return webhook
  }

  return new Hono()
    .get(
      '/',
      guarded(
        'internal_webhook_view',
        async (caller, c) => {
          const query = new URL(c.req.url).searchParams
          const page = readPage(query)
          const list = await listWebhooks(db, caller.organizationId, page)
          const links = linksOf(`${baseUrl}${webhooksPath}`, query, page, list)
          return c.json({ links, webhooks: list.items.map(shown) })
        },
        operations.list,
      ),
    )
    .post(
      '/',
      guarded(
        'internal_webhook_create',
        async (caller, c) => {
          const written = await readBody(c, creation)
          const { kind = 'webhook', audience } = written
          if (kind === 'caep' && written.events) throw badEvents()
          if ((kind === 'caep') !== (audience !== undefined)) throw badAudience(kind)
          await requireUrl(written.url)
          const made = await createWebhook({ db, vault }, caller, new Date(), {
            kind,
            name: written.name,
            url: written.url,
            events: distinct(written.events ?? webhookEvents),
            enabled: written.enabled ?? true,
            audience,
            bearerToken: written.bearerToken,
          })
          if ('refused' in made) throw tooMany()
          const webhook = await readAgain(caller, made.id)
          c.header('ETag', entityTag(webhook.edition))
          const { secret } = made
          return c.json({ ...shown(webhook), ...(secret === undefined ? {} : { secret }) }, 201, {
            Location: `${baseUrl}${selfOf(made.id)}`,
          })
        },
        operations.create,
      ),
    )
    .get(
      '/:id',
      guarded(
        'internal_webhook_view',
        async (caller, c) => {
          const webhook = await requireWebhook(db, caller, c)
          return answerTagged(c, entityTag(webhook.edition), shown(webhook))
        },
        operations.read,
      ),
    )
    .patch(
      '/:id',
      guarded(
        'internal_webhook_update',
        async (caller, c) => {
          const written = await readBody(c, edit)
          const webhook = await requireSeen(caller, c)
          if (webhook.kind === 'caep' && written.events) throw badEvents()
          if (webhook.kind === 'webhook' && written.audience !== undefined) throw badAudience('webhook')
          await requireUrl(written.url)
          await updateWebhook({ db, vault }, caller, new Date(), webhook, {
            ...written,
            events: written.events && distinct(written.events),
          })
          const changed = await readAgain(caller, webhook.id)
          c.header('ETag', entityTag(changed.edition))
          return c.json(shown(changed))
        },
        operations.update,
      ),
    )
    .delete(
      '/:id',
      guarded(
        'internal_webhook_delete',
        async (caller, c) => {
          await deleteWebhook(db, caller, new Date(), await requireSeen(caller, c))
          return c.body(null, 204)
        },
        operations.remove,
      ),
    )
    .post(
      '/:id/test',
      guarded(
        'internal_webhook_update',
        async (caller, c) => {
          const webhook = await requireWebhook(db, caller, c)
          const delivery = await testWebhook(db, caller, new Date(), webhook)
          return c.json(shownDelivery(delivery), 202, {
            Location: `${baseUrl}${deliverySelfOf(webhook.id, delivery.id)}`,
          })
        },
        operations.test,
      ),
    )
    .post(
      '/:id/rotate-secret',
      guarded(
        'internal_webhook_update',
        async (caller, c) => {
          const isEmpty = c.req.header('content-type') === undefined && c.req.raw.body === null
          const { overlapSeconds } = isEmpty ? {} : await readBody(c, rotation)
          const webhook = await requireSeen(caller, c)
          if (webhook.kind === 'caep') throw noSecret()
          const overlap = overlapSeconds ?? usualOverlapSeconds
          const { secret } = await rotateSecret({ db, vault }, caller, new Date(), webhook, overlap)
          const changed = await readAgain(caller, webhook.id)
          c.header('ETag', entityTag(changed.edition))
          return c.json({ ...shown(changed), secret })
        },
        operations.rotate,
      ),
    )
    .route('/', deliveriesOf(needs))
}
