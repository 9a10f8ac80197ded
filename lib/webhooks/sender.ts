/**
 * Sends what webhooks have to hear: a failure is tried again for about a day, longer apart each time, and then waits for
 * somebody who has it tried again. Nobody is asked who is not public (`lib/outbound.ts`), and no redirect is followed.
 */
import { record } from '../audit.ts'
import { exactly } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Failure, permanent, type Sending, startSending } from '../delivery/sender.ts'
import type { Vault } from '../keys/secrets.ts'
import type { Log } from '../log.ts'
import { type OutboundRules, problemOf } from '../outbound.ts'
import type { Issuer } from '../tokens/issuer.ts'
import type { WebhookDelivery } from './deliveries.ts'
import { findDueDeliveries } from './deliveries.ts'
import { judgeMessage, judgeToken } from './receipt.ts'
import { signedEvent } from './security-event.ts'
import { openBearer, signedHeaders } from './signature.ts'
import { findWebhook, isTest, type Webhook } from './webhook.ts'

const hour = 3_600_000
/** Milliseconds before the second and each further attempt: a day in all. */
const usualWaits = [5_000, 300_000, 1_800_000, 2 * hour, 5 * hour, 8 * hour, 8 * hour]

export interface WebhookSenderOptions {
  readonly issuer: Issuer
  readonly vault: Vault
  readonly outbound: OutboundRules
  readonly now?: () => Date
  /** Milliseconds that a receiver has to answer; less than those after which others take the row over. */
  readonly patience?: number
  /** Milliseconds before each further attempt. */
  readonly waits?: readonly number[]
}

/** Starts the loop that sends. Nothing waits for it. */
export const startWebhookSender = (db: Db, options: WebhookSenderOptions, log: Log): Sending => {
  const { now = () => new Date(), patience = 10_000, waits = usualWaits, issuer, vault, outbound } = options

  const post = (webhook: Webhook, headers: Record<string, string>, body: string, signal: AbortSignal) =>
    fetch(webhook.url, {
      method: 'POST',
      headers: {
        ...headers,
        'User-Agent': 'mayact',
        ...(webhook.bearerToken === null
          ? {}
          : { Authorization: `Bearer ${openBearer(vault, webhook.id, webhook.bearerToken)}` }),
      },
      body,
      // nobody is told who was not named for it
      redirect: 'manual',
      signal,
    })

  /** It wants no more (Standard Webhooks, 410): disabled, once, with its audit row. */
  const disable = ({ id, edition, organizationId, name }: Webhook) => {
    const at = now()
    return [
      exactly(
        1,
        db
          .updateTable('webhook')
          .set({ disabled_at: at.toISOString(), edition: edition + 1, modified_at: at.toISOString() })
          .where('id', '=', id)
          .where('disabled_at', 'is', null)
          .where('edition', '=', edition),
      ),
      record(
        db,
        at,
        { id: crypto.randomUUID(), address: 'webhooks' },
        {
          event: 'webhook-updated',
          initiator: 'system',
          target: id,
          data: { name, disabled: true, reason: 'the receiver answered 410' },
          outcome: 'Success',
          organizationId,
        },
      ),
    ]
  }

  const attempt = async (row: WebhookDelivery, signal: AbortSignal): Promise<Failure | undefined> => {
    const webhook = await findWebhook(db, row.webhook_id)
    if (!webhook) return permanent('the webhook is gone')
    const test = isTest(row.event)
    if (webhook.disabledAt !== null && !test) return permanent('the webhook is disabled')
    const problem = await problemOf(new URL(webhook.url), outbound)
    if (problem !== undefined) return permanent(`its URL ${problem}`)
    if (webhook.kind === 'caep') {
      const token = await signedEvent(issuer, row, webhook.audience ?? '')
      const headers = { 'Content-Type': 'application/secevent+jwt', Accept: 'application/json' }
      return judgeToken(await post(webhook, headers, token, signal))
    }
    const headers = {
      'Content-Type': 'application/json',
      ...signedHeaders(vault, webhook, row.id, row.body, now()),
    }
    const response = await post(webhook, headers, row.body, signal)
    const failure = judgeMessage(response)
    const gone = response.status === 410 && webhook.disabledAt === null
    return failure && gone ? { ...failure, writes: disable(webhook) } : failure
  }

  return startSending<WebhookDelivery>(
    db,
    {
      table: 'webhook_delivery',
      due: (senderId, at, limit, busy) => findDueDeliveries(db, senderId, at, limit, busy),
      receiverOf: ({ webhook_id: webhookId }) => webhookId,
      atOnceOfOne: 5,
      patience,
      waitAfter({ event }, attempts) {
        const wait = isTest(event) ? undefined : waits[attempts - 1]
        // those that failed together do not come back together
        return wait === undefined ? undefined : wait * (1 + Math.random() / 10)
      },
      attempt,
      about: (row) => ({ webhook: row.webhook_id, delivery: row.id, event: row.event }),
      words: { message: 'a message to a webhook', receiver: 'receiver' },
    },
    log,
    now,
  )
}
