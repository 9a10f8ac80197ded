/** What has to reach the webhooks, as rows of `delivery/rows.ts`. */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Page, type Paged, pageOf } from '../database/page.ts'
import type { WebhookDeliveryTable } from '../database/schema.ts'
import { nobody, undelivered } from '../delivery/rows.ts'
import { abandonedAfter } from '../delivery/sender.ts'

export type WebhookDelivery = WebhookDeliveryTable

export const deliveryStatuses = ['pending', 'delivered', 'dead'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

/** `dead`: it was given up, and waits for somebody who has it tried again. */
export const statusOf = (row: Pick<WebhookDelivery, 'sent_at' | 'gave_up_at'>): DeliveryStatus => {
  if (row.sent_at !== null) return 'delivered'
  return row.gave_up_at === null ? 'pending' : 'dead'
}

const rowsOfOneInsert = 200

export type NewDelivery = Pick<WebhookDelivery, 'webhook_id' | 'event' | 'body' | 'impersonation_id'>

/** New rows, each with the id that it goes by for ever. */
export const newDeliveries = (db: Db, made: readonly NewDelivery[], now: Date): readonly WebhookDelivery[] =>
  made.map((delivery) => ({
    ...delivery,
    id: Bun.randomUUIDv7(),
    ...undelivered(db, 'webhook_delivery', now),
  }))

/** The writes that join the commit of what they tell of. */
export const addDeliveries = (db: Db, rows: readonly WebhookDelivery[]): readonly Write[] =>
  Array.from({ length: Math.ceil(rows.length / rowsOfOneInsert) }, (_, part) =>
    write(
      db
        .insertInto('webhook_delivery')
        .values(rows.slice(part * rowsOfOneInsert, (part + 1) * rowsOfOneInsert)),
    ),
  )

/** What is due now and is this sender's or nobody's any more, longest waiting first, without those of busy webhooks. */
export const findDueDeliveries = (
  db: Db,
  senderId: string,
  now: Date,
  limit: number,
  busy: readonly string[],
): Promise<readonly WebhookDelivery[]> => {
  const overdue = new Date(now.getTime() - abandonedAfter).toISOString()
  return db
    .selectFrom('webhook_delivery')
    .selectAll()
    .where('next_attempt_at', '<=', now.toISOString())
    .$if(busy.length > 0, (due) => due.where('webhook_id', 'not in', busy))
    .where(({ eb, or }) => or([eb('sender', 'in', [senderId, nobody]), eb('next_attempt_at', '<=', overdue)]))
    .orderBy('next_attempt_at')
    .limit(limit)
    .execute()
}

const columns = {
  pending: 'next_attempt_at',
  delivered: 'sent_at',
  dead: 'gave_up_at',
} as const satisfies Record<DeliveryStatus, keyof WebhookDelivery>

/** One page of a webhook's deliveries, the newest first. */
export const listDeliveries = (
  db: Db,
  webhookId: string,
  status: DeliveryStatus | undefined,
  page: Page,
): Promise<Paged<WebhookDelivery>> => {
  const all = db.selectFrom('webhook_delivery').selectAll().where('webhook_id', '=', webhookId)
  return pageOf(page, status ? all.where(columns[status], 'is not', null) : all)
}

export const findDelivery = (db: Db, webhookId: string, id: string): Promise<WebhookDelivery | undefined> =>
  db
    .selectFrom('webhook_delivery')
    .selectAll()
    .where('webhook_id', '=', webhookId)
    .where('id', '=', id)
    .executeTakeFirst()

/** Due now, whoever looks next; loses when the row is no longer as it was read. */
export const tryAgain = (db: Db, row: WebhookDelivery, now: Date): Write => {
  const { sender } = undelivered(db, 'webhook_delivery', now)
  return exactly(
    1,
    db
      .updateTable('webhook_delivery')
      .set({ next_attempt_at: now.toISOString(), gave_up_at: null, sender })
      .where('id', '=', row.id)
      .where('attempts', '=', row.attempts)
      .where('sender', '=', row.sender)
      .where('sent_at', 'is', null),
  )
}
