/** Webhooks made, changed and removed in the name of a caller, each with its one audit row. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from '../directory/caller.ts'
import { type Change, change, Lost } from '../directory/change.ts'
import type { Vault } from '../keys/secrets.ts'
import { addDeliveries, newDeliveries, tryAgain, type WebhookDelivery } from './deliveries.ts'
import { testMessage } from './message.ts'
import { verificationClaims } from './security-event.ts'
import { newSecret, sealBearer, sealSecret } from './signature.ts'
import {
  countWebhooks,
  mostWebhooks,
  sessionRevoked,
  testEvents,
  type Webhook,
  type WebhookKind,
} from './webhook.ts'

export interface WebhookNeeds {
  readonly db: Db
  readonly vault: Vault
}

export interface NewWebhook {
  readonly kind: WebhookKind
  readonly name: string
  readonly url: string
  readonly events: readonly string[]
  readonly enabled: boolean
  readonly audience: string | undefined
  readonly bearerToken: string | undefined
}

type WebhookEventName = Extract<Change['events'][number]['event'], `webhook-${string}`>

const commitWebhook = async (
  db: Db,
  caller: Caller,
  now: Date,
  event: WebhookEventName,
  { id, data, writes }: { readonly id: string; readonly data: object; readonly writes: readonly Write[] },
): Promise<void> => {
  const said = Object.entries(data).filter(([, value]) => value !== undefined)
  const entry = {
    event,
    target: id,
    data: Object.fromEntries(said),
    applicationId: caller.application?.id,
    outcome: 'Success',
  }
  const outcome = await change(db, caller, now, { writes, events: [entry], administrative: false })
  if (outcome === 'conflict') throw new Lost('the webhook went meanwhile')
}

/** What the audit says of a URL: path and query may hold a secret of the receiver's. */
const originOf = (url: string): string => new URL(url).origin

/** The write that makes the next edition of what was read, or loses. */
const nextEdition = (
  db: Db,
  { id, edition }: Webhook,
  values: Readonly<Record<string, string | null>>,
  now: Date,
): Write =>
  exactly(
    1,
    db
      .updateTable('webhook')
      .set({ ...values, edition: edition + 1, modified_at: now.toISOString() })
      .where('id', '=', id)
      .where('edition', '=', edition),
  )

/** Makes one. The secret is given here and never again; a CAEP receiver has none, since keys sign what it gets. */
export const createWebhook = async (
  { db, vault }: WebhookNeeds,
  caller: Caller,
  now: Date,
  asked: NewWebhook,
): Promise<
  { readonly id: string; readonly secret: string | undefined } | { readonly refused: 'too-many' }
> => {
  if ((await countWebhooks(db)) >= mostWebhooks) return { refused: 'too-many' }
  const { kind, name, url, audience, bearerToken } = asked
  const id = Bun.randomUUIDv7()
  const secret = kind === 'webhook' ? newSecret() : undefined
  const events = kind === 'caep' ? [sessionRevoked] : asked.events
  const time = now.toISOString()
  const row = {
    id,
    organization_id: caller.organizationId,
    kind,
    name,
    url,
    events: events.join(' '),
    disabled_at: asked.enabled ? null : time,
    audience: audience ?? null,
    secret: secret === undefined ? null : sealSecret(vault, id, secret),
    bearer_token: bearerToken === undefined ? null : sealBearer(vault, id, bearerToken),
    created_at: time,
    modified_at: time,
  }
  await commitWebhook(db, caller, now, 'webhook-created', {
    id,
    data: { name, kind, origin: originOf(url), events, audience, enabled: asked.enabled },
    writes: [write(db.insertInto('webhook').values(row))],
  })
  return { id, secret }
}

export interface WebhookEdit {
  readonly name?: string | undefined
  readonly url?: string | undefined
  readonly events?: readonly string[] | undefined
  readonly enabled?: boolean | undefined
  readonly audience?: string | undefined
  /** Null removes it. */
  readonly bearerToken?: string | null | undefined
}

/** Changes the webhook that was read; what is undefined, or as it was, stays. */
export const updateWebhook = async (
  { db, vault }: WebhookNeeds,
  caller: Caller,
  now: Date,
  webhook: Webhook,
  edit: WebhookEdit,
): Promise<void> => {
  const isChanged = <Value>(value: Value | undefined, was: Value): value is Value & NonNullable<unknown> =>
    value !== undefined && JSON.stringify(value) !== JSON.stringify(was)
  const values: Record<string, string | null> = {}
  const data: Record<string, unknown> = { name: webhook.name }
  if (isChanged(edit.name, webhook.name)) {
    values.name = edit.name
    data.renamedTo = edit.name
  }
  if (isChanged(edit.url, webhook.url)) {
    values.url = edit.url
    data.origin = originOf(edit.url)
  }
  if (isChanged(edit.events, webhook.events)) {
    values.events = edit.events.join(' ')
    data.events = edit.events
  }
  if (isChanged(edit.audience, webhook.audience ?? undefined)) {
    values.audience = edit.audience
    data.audience = edit.audience
  }
  if (isChanged(edit.enabled, webhook.disabledAt === null)) {
    values.disabled_at = edit.enabled ? null : now.toISOString()
    data.enabled = edit.enabled
  }
  if (edit.bearerToken !== undefined && (edit.bearerToken !== null || webhook.bearerToken !== null)) {
    values.bearer_token = edit.bearerToken && sealBearer(vault, webhook.id, edit.bearerToken)
    data.bearerToken = edit.bearerToken === null ? 'removed' : 'changed'
  }
  if (Object.keys(values).length === 0) return
  await commitWebhook(db, caller, now, 'webhook-updated', {
    id: webhook.id,
    data,
    writes: [nextEdition(db, webhook, values, now)],
  })
}

/** Removes the webhook that was read, with all its deliveries. */
export const deleteWebhook = async (db: Db, caller: Caller, now: Date, webhook: Webhook): Promise<void> => {
  const { id, edition, name, url } = webhook
  const remove = db.deleteFrom('webhook').where('id', '=', id).where('edition', '=', edition)
  await commitWebhook(db, caller, now, 'webhook-deleted', {
    id,
    data: { name, origin: originOf(url) },
    writes: [exactly(1, remove)],
  })
}

/** Gives it a new secret, which is told here and never again; for a while the former one signs beside it. */
export const rotateSecret = async (
  { db, vault }: WebhookNeeds,
  caller: Caller,
  now: Date,
  webhook: Webhook,
  overlapSeconds: number,
): Promise<{ readonly secret: string; readonly formerUntil: string | undefined }> => {
  const secret = newSecret()
  const formerUntil =
    overlapSeconds === 0 ? undefined : new Date(now.getTime() + overlapSeconds * 1000).toISOString()
  const values = {
    secret: sealSecret(vault, webhook.id, secret),
    former_secret: formerUntil === undefined ? null : webhook.secret,
    former_until: formerUntil ?? null,
  }
  await commitWebhook(db, caller, now, 'webhook-secret-rotated', {
    id: webhook.id,
    data: { name: webhook.name, formerUntil },
    writes: [nextEdition(db, webhook, values, now)],
  })
  return { secret, formerUntil }
}

/** Has a test sent at once; answers its delivery. */
export const testWebhook = async (
  db: Db,
  caller: Caller,
  now: Date,
  webhook: Webhook,
): Promise<WebhookDelivery> => {
  const { id, kind, name } = webhook
  const body = kind === 'caep' ? verificationClaims(webhook, crypto.randomUUID()) : testMessage(webhook, now)
  const rows = newDeliveries(
    db,
    [{ webhook_id: id, event: testEvents[kind], body, impersonation_id: null }],
    now,
  )
  const [delivery] = rows
  if (!delivery) throw new Error('one delivery was asked for')
  await commitWebhook(db, caller, now, 'webhook-tested', {
    id,
    data: { name, delivery: delivery.id },
    writes: addDeliveries(db, rows),
  })
  return delivery
}

/** Has a delivery tried again at once, or says that there is nothing to try. */
export const retryDelivery = async (
  db: Db,
  caller: Caller,
  now: Date,
  delivery: WebhookDelivery,
): Promise<{ readonly refused: 'delivered' } | undefined> => {
  if (delivery.sent_at !== null) return { refused: 'delivered' }
  await commitWebhook(db, caller, now, 'webhook-delivery-retried', {
    id: delivery.webhook_id,
    data: { delivery: delivery.id, event: delivery.event, attempts: delivery.attempts },
    writes: [tryAgain(db, delivery, now)],
  })
  return undefined
}
