/**
 * Who is told of impersonations: a `webhook` by signed messages (Standard Webhooks), a `caep` receiver by security event
 * tokens (RFC 8417, RFC 8935).
 */
import type { Selectable } from 'kysely'
import type { Db } from '../database/connect.ts'
import { type Page, type Paged, pageOf } from '../database/page.ts'
import type { WebhookTable } from '../database/schema.ts'

/** What a webhook can be told of. */
export const webhookEvents = [
  'impersonation.authorized',
  'impersonation.started',
  'impersonation.ended',
  'impersonation.refused',
] as const

export type WebhookEvent = (typeof webhookEvents)[number]

/** What a CAEP receiver is told of. */
export const sessionRevoked = 'session-revoked'

/** What a test sends, by kind. */
export const testEvents = { webhook: 'webhook.test', caep: 'verification' } as const

/** Whether a delivery is a test: sent once, and to a receiver that is disabled, too. */
export const isTest = (event: string): boolean => event === testEvents.webhook || event === testEvents.caep

export type WebhookKind = 'webhook' | 'caep'

/** A receiver with its sealed secrets. */
export interface Webhook {
  readonly id: string
  readonly organizationId: string
  readonly kind: WebhookKind
  readonly name: string
  readonly url: string
  readonly events: readonly string[]
  readonly disabledAt: string | null
  readonly audience: string | null
  readonly secret: string | null
  readonly formerSecret: string | null
  /** Until when the former secret signs, too. */
  readonly formerUntil: string | null
  readonly bearerToken: string | null
  readonly edition: number
  readonly createdAt: string
  readonly modifiedAt: string
}

/** How many there can be: each of them gets a row for each event. */
export const mostWebhooks = 100

const toWebhook = (row: Selectable<WebhookTable>): Webhook => ({
  id: row.id,
  organizationId: row.organization_id,
  kind: row.kind === 'caep' ? 'caep' : 'webhook',
  name: row.name,
  url: row.url,
  events: row.events.split(' '),
  disabledAt: row.disabled_at,
  audience: row.audience,
  secret: row.secret,
  formerSecret: row.former_secret,
  formerUntil: row.former_until,
  bearerToken: row.bearer_token,
  edition: row.edition,
  createdAt: row.created_at,
  modifiedAt: row.modified_at,
})

/** Of whichever organization: what is sent has its own. */
export const findWebhook = async (db: Db, id: string): Promise<Webhook | undefined> => {
  const row = await db.selectFrom('webhook').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toWebhook(row)
}

/** The organization's webhook of that id. */
export const findWebhookOf = async (
  db: Db,
  organizationId: string,
  id: string,
): Promise<Webhook | undefined> => {
  const webhook = await findWebhook(db, id)
  return webhook?.organizationId === organizationId ? webhook : undefined
}

/** One page of an organization's, the newest first. */
export const listWebhooks = async (db: Db, organizationId: string, page: Page): Promise<Paged<Webhook>> => {
  const rows = await pageOf(
    page,
    db.selectFrom('webhook').selectAll().where('organization_id', '=', organizationId),
  )
  return { ...rows, items: rows.items.map(toWebhook) }
}

/** Those that are not disabled, which are few. */
export const listening = async (db: Db): Promise<readonly Webhook[]> => {
  const rows = await db.selectFrom('webhook').selectAll().where('disabled_at', 'is', null).execute()
  return rows.map(toWebhook)
}

export const countWebhooks = async (db: Db): Promise<number> => {
  const { n } = await db
    .selectFrom('webhook')
    .select((eb) => eb.fn.countAll().as('n'))
    .executeTakeFirstOrThrow()
  return Number(n)
}
