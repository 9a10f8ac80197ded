/**
 * Mail that has to leave, as rows. One is written in the commit of what it tells of; the process that wrote it sends
 * it, and one that is a minute overdue, since its process has crashed, is whoever's claims it first. A claim is a
 * guarded update, so two processes never send a row at once.
 */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting } from '../database/prepared.ts'
import type { OutboxTable } from '../database/schema.ts'
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
>

/** Longer than any attempt may take. */
const abandonedAfter = 60_000
const headLength = 500
/** The sender of rows that a stopping process left to the others. */
const nobody = ''

const senders = new WeakMap<Db, { readonly id: string; enqueuedAt: number }>()

/** This process's mark on the rows it commits, and when, by `performance.now()`, it last added one. */
export const mailSender = (db: Db) => {
  const known = senders.get(db)
  if (known) return known
  const made = { id: crypto.randomUUID(), enqueuedAt: Number.NEGATIVE_INFINITY }
  senders.set(db, made)
  return made
}

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
])

/** The write that joins the commit of what the mail tells of. Its Message-ID is its own for ever. */
export const enqueue = (db: Db, mail: Mail, now: Date): Write => {
  const sender = mailSender(db)
  sender.enqueuedAt = performance.now()
  const at = now.toISOString()
  const id = Bun.randomUUIDv7()
  const row: OutboxTable = {
    id,
    message_id: `<${id}@${mail.domain}>`,
    recipient: mail.recipient,
    template: mail.template,
    data: JSON.stringify(mail.data),
    impersonation_id: mail.impersonationId ?? null,
    created_at: at,
    attempts: 0,
    next_attempt_at: at,
    sent_at: null,
    gave_up_at: null,
    last_error: null,
    sender: sender.id,
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

/** Takes a row for an attempt, unless somebody else has. */
export const claimMail = (db: Db, row: OutboxRow, senderId: string, now: Date): Write =>
  exactly(
    1,
    db
      .updateTable('outbox')
      // due from now on, so that the others wait a minute for us
      .set({ sender: senderId, attempts: row.attempts + 1, next_attempt_at: now.toISOString() })
      .where('id', '=', row.id)
      .where('sender', '=', row.sender)
      .where('attempts', '=', row.attempts)
      .where('next_attempt_at', 'is not', null),
  )

/** It left. True whoever holds the row by now. */
export const mailSent = (db: Db, { id }: OutboxRow, now: Date): Write =>
  write(
    db
      .updateTable('outbox')
      .set({ sent_at: now.toISOString(), next_attempt_at: null, gave_up_at: null, last_error: null })
      .where('id', '=', id)
      .where('sent_at', 'is', null),
  )

const claimed = (db: Db, row: OutboxRow, senderId: string) =>
  db
    .updateTable('outbox')
    .where('id', '=', row.id)
    .where('sender', '=', senderId)
    .where('attempts', '=', row.attempts + 1)
    .where('sent_at', 'is', null)

/** The claimed attempt failed; another is due at `nextAttemptAt`. */
export const mailDeferred = (
  db: Db,
  row: OutboxRow,
  senderId: string,
  reason: string,
  nextAttemptAt: Date,
): Write =>
  write(claimed(db, row, senderId).set({ next_attempt_at: nextAttemptAt.toISOString(), last_error: reason }))

/** The claimed attempt failed and was the last. */
export const mailGivenUp = (db: Db, row: OutboxRow, senderId: string, reason: string, now: Date): Write =>
  write(
    claimed(db, row, senderId).set({
      next_attempt_at: null,
      gave_up_at: now.toISOString(),
      last_error: reason,
    }),
  )

/** A stopping process leaves its rows to whoever looks next; nobody has to wait for them. */
export const releaseMail = (db: Db, senderId: string): Write =>
  write(
    db
      .updateTable('outbox')
      .set({ sender: nobody })
      .where('sender', '=', senderId)
      .where('next_attempt_at', 'is not', null),
  )
