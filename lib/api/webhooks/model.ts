/** The bodies of webhooks and deliveries: what is read, and what is shown. */
import * as z from 'zod'
import { hasUnseen } from '../../directory/readable-name.ts'
import { statusOf, type WebhookDelivery } from '../../webhooks/deliveries.ts'
import { type Webhook, webhookEvents } from '../../webhooks/webhook.ts'
import { tenantPath } from '../tenant.ts'

export const webhooksPath = '/api/server/v1/webhooks'

const name = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => !hasUnseen(text), { error: 'has characters that nobody sees' })
const url = z.string().max(2_048)
const events = z
  .array(z.enum(webhookEvents))
  .min(1)
  .max(2 * webhookEvents.length)
const audience = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[\x21-\x7e]+$/, { error: 'has characters that no identifier has' })
/** RFC 6750 §2.1. */
const bearerToken = z
  .string()
  .max(4_096)
  .regex(/^[\w.~+/-]+=*$/, { error: 'is no Bearer token' })

export const creation = z.strictObject({
  kind: z.enum(['webhook', 'caep']).optional().describe('`webhook` unless said'),
  name,
  url,
  events: events.optional().describe('All of them unless said'),
  enabled: z.boolean().optional(),
  audience: audience.optional().describe('Of a CAEP receiver: the `aud` of its tokens'),
  bearerToken: bearerToken.optional().describe('Sent along in `Authorization`; never shown'),
})

export const edit = z.strictObject({
  name: name.optional(),
  url: url.optional(),
  events: events.optional(),
  enabled: z.boolean().optional(),
  audience: audience.optional(),
  bearerToken: bearerToken.nullish().describe('null removes it'),
})

export const rotation = z.strictObject({
  overlapSeconds: z.int().min(0).max(604_800).optional().describe('86400 unless said'),
})

/** Each event once. */
export const distinct = <Value>(values: readonly Value[]): readonly Value[] => [...new Set(values)]

export const selfOf = (id: string) => `${tenantPath}${webhooksPath}/${id}`
export const deliverySelfOf = (webhookId: string, id: string) => `${selfOf(webhookId)}/deliveries/${id}`

const given = (members: Readonly<Record<string, string | null>>) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))

export const shown = (webhook: Webhook) => ({
  id: webhook.id,
  kind: webhook.kind,
  name: webhook.name,
  url: webhook.url,
  events: webhook.events,
  enabled: webhook.disabledAt === null,
  ...given({ audience: webhook.audience }),
  hasBearerToken: webhook.bearerToken !== null,
  ...given({ formerSecretUntil: webhook.formerUntil }),
  created: webhook.createdAt,
  lastModified: webhook.modifiedAt,
  self: selfOf(webhook.id),
})

export const shownDelivery = (row: WebhookDelivery) => ({
  id: row.id,
  event: row.event,
  ...given({ impersonation: row.impersonation_id }),
  status: statusOf(row),
  attempts: row.attempts,
  created: row.created_at,
  ...given({
    nextAttempt: row.next_attempt_at,
    delivered: row.sent_at,
    gaveUp: row.gave_up_at,
    lastError: row.last_error,
  }),
  self: deliverySelfOf(row.webhook_id, row.id),
})

/** With the message, or the claims of the token. */
export const wholeDelivery = (row: WebhookDelivery) => ({
  ...shownDelivery(row),
  body: JSON.parse(row.body) as unknown,
})
