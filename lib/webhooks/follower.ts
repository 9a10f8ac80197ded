/**
 * Follows the audit trail for the webhooks: what happened to impersonations becomes a delivery for each webhook that
 * wants it, in the commit that says how far the trail was followed. Each is made once; none is lost with a process.
 */
import type { Follower } from '../audit/follower.ts'
import type { Db } from '../database/connect.ts'
import { addDeliveries, type NewDelivery, newDeliveries } from './deliveries.ts'
import { type Happened, toldOf, whatHappened } from './happened.ts'
import { messageOf } from './message.ts'
import { sessionRevokedClaims } from './security-event.ts'
import { listening, sessionRevoked, type Webhook } from './webhook.ts'

/** What this webhook is told of it; undefined when it is not. */
const told = (issuer: string, webhook: Webhook, happened: Happened): NewDelivery | undefined => {
  const { organization, impersonation } = happened
  if (organization !== null && organization !== webhook.organizationId) return undefined
  const about = { webhook_id: webhook.id, impersonation_id: impersonation }
  if (webhook.kind === 'caep') {
    if (happened.type !== 'impersonation.ended') return undefined
    return { ...about, event: sessionRevoked, body: sessionRevokedClaims(issuer, happened) }
  }
  if (!webhook.events.includes(happened.type)) return undefined
  return { ...about, event: happened.type, body: messageOf(happened) }
}

/** `issuer` is the `iss` of what is told. */
export const webhookFollower = (db: Db, issuer: string): Follower => ({
  name: 'webhooks',
  events: new Set(toldOf.keys()),
  idle: async () => (await listening(db)).length === 0,
  async take(rows) {
    const webhooks = await listening(db)
    const happened = await whatHappened(db, rows)
    const made = happened.flatMap((one) => webhooks.flatMap((webhook) => told(issuer, webhook, one) ?? []))
    return addDeliveries(db, newDeliveries(db, made, new Date()))
  },
})
