/**
 * What has to leave, as rows: one is written in the commit of what it tells of, the process that wrote it delivers it,
 * and one that is overdue, since its process has crashed, is whoever's claims it first. A claim is a guarded update, so
 * two processes never deliver a row at once. Tables of such rows have these columns: `id`, `attempts`,
 * `next_attempt_at` (null when it needs no further attempt), `sent_at`, `gave_up_at`, `last_error`, `sender`.
 */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'

export type DeliveryTable = 'outbox' | 'logout_notice' | 'webhook_delivery'

/** A row as it was read; its sender and attempts say which claim of it is the latest. */
export interface Deliverable {
  readonly id: string
  readonly attempts: number
  readonly sender: string
}

/** This process's mark on the rows of a table. */
export interface DeliverySender {
  readonly id: string
  /** When, by `performance.now()`, it last added one. */
  addedAt: number
}

/** The sender of rows that a stopping process left to the others. */
export const nobody = ''

const senders = new WeakMap<Db, Map<DeliveryTable, DeliverySender>>()

/** The mark of this process, made at its first row. */
export const deliverySender = (db: Db, table: DeliveryTable): DeliverySender => {
  const known = senders.get(db) ?? new Map<DeliveryTable, DeliverySender>()
  senders.set(db, known)
  const sender = known.get(table) ?? { id: crypto.randomUUID(), addedAt: Number.NEGATIVE_INFINITY }
  known.set(table, sender)
  return sender
}

/** What every new row begins with; the row joins a commit that follows. */
export const undelivered = (db: Db, table: DeliveryTable, now: Date) => {
  const sender = deliverySender(db, table)
  sender.addedAt = performance.now()
  return {
    created_at: now.toISOString(),
    attempts: 0,
    next_attempt_at: now.toISOString(),
    sent_at: null,
    gave_up_at: null,
    last_error: null,
    sender: sender.id,
  }
}

/** Takes a row for an attempt, unless somebody else has. */
export const claim = (db: Db, table: DeliveryTable, row: Deliverable, senderId: string, now: Date): Write =>
  exactly(
    1,
    db
      .updateTable(table)
      // due from now on, so that the others wait for us
      .set({ sender: senderId, attempts: row.attempts + 1, next_attempt_at: now.toISOString() })
      .where('id', '=', row.id)
      .where('sender', '=', row.sender)
      .where('attempts', '=', row.attempts)
      .where('next_attempt_at', 'is not', null),
  )

/** It arrived. True whoever holds the row by now. */
export const delivered = (db: Db, table: DeliveryTable, { id }: Deliverable, now: Date): Write =>
  write(
    db
      .updateTable(table)
      .set({ sent_at: now.toISOString(), next_attempt_at: null, gave_up_at: null, last_error: null })
      .where('id', '=', id)
      .where('sent_at', 'is', null),
  )

const claimed = (db: Db, table: DeliveryTable, row: Deliverable, senderId: string) =>
  db
    .updateTable(table)
    .where('id', '=', row.id)
    .where('sender', '=', senderId)
    .where('attempts', '=', row.attempts + 1)
    .where('sent_at', 'is', null)

/** The claimed attempt failed; another is due at `next`. */
export const deferred = (
  db: Db,
  table: DeliveryTable,
  row: Deliverable,
  senderId: string,
  reason: string,
  next: Date,
): Write =>
  write(claimed(db, table, row, senderId).set({ next_attempt_at: next.toISOString(), last_error: reason }))

/** The claimed attempt failed and was the last. */
export const givenUp = (
  db: Db,
  table: DeliveryTable,
  row: Deliverable,
  senderId: string,
  reason: string,
  now: Date,
): Write =>
  write(
    claimed(db, table, row, senderId).set({
      next_attempt_at: null,
      gave_up_at: now.toISOString(),
      last_error: reason,
    }),
  )

/** A stopping process leaves its rows to whoever looks next; nobody has to wait for them. */
export const release = (db: Db, table: DeliveryTable, senderId: string): Write =>
  write(
    db
      .updateTable(table)
      .set({ sender: nobody })
      .where('sender', '=', senderId)
      .where('next_attempt_at', 'is not', null),
  )
