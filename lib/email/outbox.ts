/** Mail that has to leave, as rows of `delivery/rows.ts`; one that is a minute overdue is taken over. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting } from '../database/prepared.ts'
import type { OutboxTable } from '../database/schema.ts'
import { type DeliverySender, deliverySender, nobody, undelivered } from '../delivery/rows.ts'
import type { TemplateData, TemplateName } from './template.ts'

export interface Mail {
  readonly recipient: string
  readonly template: TemplateName
  readonly data: TemplateData
  /** What comes after the @ of its Message-ID. */
  readonly domain: string
  readonly impersonationId?: string | undefined
}

/** A row as it was read; its sender and attempts say which claim of it is the latest. */
export type OutboxRow = Pick<
  OutboxTable,
  | 'id'
  | 'message_id'
  | 'recipient'
  | 'template'
  | 'data'
  | 'impersonation_id'
  | 'created_at'
  | 'attempts'
  | 'sender'
  | 'retried_at'
>

/** Longer than any attempt may take. */
const abandonedAfter = 60_000
const headLength = 500
/** This process's mark on its mail. */
export const mailSender = (db: Db): DeliverySender => deliverySender(db, 'outbox')

const insertRow = inserting('outbox', [
  'id',
  'message_id',
  'recipient',
  'template',
  'data',
  'impersonation_id',
  'created_at',
  'attempts',
  'next_attempt_at',
  'sent_at',
  'gave_up_at',
  'last_error',
  'sender',
  'retried_at',
])

/**
 * The write that joins the commit of what the mail tells of. Its Message-ID is its own for ever; `id` where it has one
 * already, by which it is told apart from those that were queued before.
 */
export const enqueue = (db: Db, mail: Mail, now: Date, id: string = Bun.randomUUIDv7()): Write => {
  const row: OutboxTable = {
    id,
    message_id: `<${id}@${mail.domain}>`,
    recipient: mail.recipient,
    template: mail.template,
    data: JSON.stringify(mail.data),
    impersonation_id: mail.impersonationId ?? null,
    ...undelivered(db, 'outbox', now),
    retried_at: null,
  }
  return write(insertRow(db, row))
}

/**
 * What is due now and is this sender's or nobody's any more, longest waiting first. Only the head of the queue is
 * looked at, however long it is: whosever those rows are, they are overdue before the ones behind them matter.
 */
export const findDueMail = (
  db: Db,
  senderId: string,
  now: Date,
  limit: number,
): Promise<readonly OutboxRow[]> => {
  const overdue = new Date(now.getTime() - abandonedAfter).toISOString()
  const head = db
    .selectFrom('outbox')
    .select(['id', 'sender', 'next_attempt_at'])
    .where('next_attempt_at', '<=', now.toISOString())
    .orderBy('next_attempt_at')
    .limit(headLength)
    .as('head')
  return db
    .selectFrom(head)
    .innerJoin('outbox', 'outbox.id', 'head.id')
    .select([
      'outbox.id',
      'outbox.message_id',
      'outbox.recipient',
      'outbox.template',
      'outbox.data',
      'outbox.impersonation_id',
      'outbox.created_at',
      'outbox.attempts',
      'outbox.sender',
      'outbox.retried_at',
    ])
    .where(({ eb, or }) =>
      or([eb('head.sender', 'in', [senderId, nobody]), eb('head.next_attempt_at', '<=', overdue)]),
    )
    .orderBy('head.next_attempt_at')
    .limit(limit)
    .execute()
}

/** When the next row, whosever it is, becomes due. */
export const nextMailDueAt = async (db: Db, now: Date): Promise<Date | undefined> => {
  const row = await db
    .selectFrom('outbox')
    .select('next_attempt_at')
    .where('next_attempt_at', '>', now.toISOString())
    .orderBy('next_attempt_at')
    .limit(1)
    .executeTakeFirst()
  return row?.next_attempt_at ? new Date(row.next_attempt_at) : undefined
}
