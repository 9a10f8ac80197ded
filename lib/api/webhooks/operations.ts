/** What the OpenAPI document says of webhooks and their deliveries. */
import * as z from 'zod'
import type { Answer, Operation } from '../../access/operation.ts'
import { seenPattern } from '../../directory/readable-name.ts'
import { deliveryStatuses } from '../../webhooks/deliveries.ts'
import { limitText } from '../page.ts'
import { creation, edit, rotation } from './model.ts'

const tag = 'Webhooks'

const instant = () => z.iso.datetime()

const seenName = () => creation.shape.name.meta({ pattern: seenPattern })

const webhookMembers = () => ({
  id: z.string(),
  kind: z.enum(['webhook', 'caep']),
  name: z.string(),
  url: z.string(),
  events: z.array(z.string()),
  enabled: z.boolean(),
  audience: z.string().optional(),
  hasBearerToken: z.boolean(),
  formerSecretUntil: instant().optional().describe('Until then the former secret signs, too'),
  created: instant(),
  lastModified: instant(),
  self: z.string(),
})

const webhook = () => z.strictObject(webhookMembers()).meta({ title: 'Webhook' })

const withSecret = () =>
  z.strictObject({
    ...webhookMembers(),
    secret: z.string().optional().describe('`whsec_…`, shown here and never again'),
  })

const deliveryMembers = () => ({
  id: z.string().describe('The `webhook-id` of its message, or the `jti` of its token, at every attempt'),
  event: z.string(),
  impersonation: z.string().optional(),
  status: z.enum(deliveryStatuses).describe('`dead`: given up, and not tried again unless asked for'),
  attempts: z.int(),
  created: instant(),
  nextAttempt: instant().optional(),
  delivered: instant().optional(),
  gaveUp: instant().optional(),
  lastError: z.string().optional(),
  self: z.string(),
})

const delivery = () => z.strictObject(deliveryMembers()).meta({ title: 'WebhookDelivery' })

const links = () => z.array(z.strictObject({ rel: z.enum(['previous', 'next']), href: z.string() }))

const page = () => ({
  limit: limitText(),
  after: z.string().optional().describe('A cursor: what is older than it'),
  before: z.string().optional().describe('A cursor: what is newer than it'),
})

const badQuery: Answer = { description: 'The query cannot be read (WHK-60001).' }
const missing: Answer = { description: 'There is no such webhook (WHK-60002).' }
const missingDelivery: Answer = {
  description: 'There is no such webhook or delivery (WHK-60002, WHK-60007).',
}
const badWebhook: Answer = {
  description: 'URL, events or audience cannot be so (WHK-60003, WHK-60004, WHK-60005).',
}

export const list = (): Operation => ({
  id: 'listWebhooks',
  summary: 'The webhooks, the newest first',
  tag,
  query: z.object(page()),
  answers: {
    200: {
      description: 'A page.',
      schema: z.strictObject({ links: links(), webhooks: z.array(webhook()) }),
    },
    400: badQuery,
  },
})

export const create = (): Operation => ({
  id: 'createWebhook',
  summary: 'A new webhook or CAEP receiver',
  tag,
  body: creation.extend({ name: seenName() }),
  answers: {
    201: {
      description: 'It was made; the secret is told here alone.',
      schema: withSecret(),
      headers: ['ETag', 'Location'],
    },
    400: badWebhook,
    403: { description: 'There are as many as there can be (WHK-60009), or the caller may not.' },
  },
})

export const read = (): Operation => ({
  id: 'getWebhook',
  summary: 'A webhook',
  tag,
  conditional: true,
  answers: { 200: { description: 'The webhook.', schema: webhook(), headers: ['ETag'] }, 404: missing },
})

export const update = (): Operation => ({
  id: 'updateWebhook',
  summary: 'Changes what is given of a webhook',
  tag,
  body: edit.extend({ name: seenName().optional() }),
  conditional: true,
  answers: {
    200: { description: 'The webhook as it is now.', schema: webhook(), headers: ['ETag'] },
    400: badWebhook,
    404: missing,
  },
})

export const remove = (): Operation => ({
  id: 'deleteWebhook',
  summary: 'Removes a webhook with its deliveries',
  tag,
  conditional: true,
  answers: { 204: { description: 'It is gone.' }, 404: missing },
})

export const test = (): Operation => ({
  id: 'testWebhook',
  summary: 'Sends a test now, once',
  tag,
  answers: {
    202: {
      description: 'It is on its way; the delivery tells what became of it.',
      schema: delivery(),
      headers: ['Location'],
    },
    404: missing,
  },
})

export const rotate = (): Operation => ({
  id: 'rotateWebhookSecret',
  summary: 'A new secret; the former one signs beside it for a while',
  tag,
  body: rotation.optional(),
  conditional: true,
  answers: {
    200: { description: 'The new secret, told here alone.', schema: withSecret(), headers: ['ETag'] },
    404: missing,
    409: { description: 'A CAEP receiver has no secret (WHK-60006).' },
  },
})

export const listDeliveries = (): Operation => ({
  id: 'listWebhookDeliveries',
  summary: 'The deliveries of a webhook, the newest first',
  tag,
  query: z.object({ ...page(), status: z.enum(deliveryStatuses).optional() }),
  answers: {
    200: {
      description: 'A page.',
      schema: z.strictObject({ links: links(), deliveries: z.array(delivery()) }),
    },
    400: badQuery,
    404: missing,
  },
})

export const readDelivery = (): Operation => ({
  id: 'getWebhookDelivery',
  summary: 'A delivery, with what is sent',
  tag,
  answers: {
    200: {
      description: 'The delivery; `body` is the message, or the claims of the token.',
      schema: z.strictObject({ ...deliveryMembers(), body: z.record(z.string(), z.unknown()) }),
    },
    404: missingDelivery,
  },
})

export const retry = (): Operation => ({
  id: 'retryWebhookDelivery',
  summary: 'Has a delivery tried again now',
  tag,
  answers: {
    202: { description: 'It is due.', schema: delivery() },
    404: missingDelivery,
    409: { description: 'It has arrived (WHK-60008).' },
  },
})
