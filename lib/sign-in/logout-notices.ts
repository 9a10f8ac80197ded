/**
 * Applications that have to be told of a logout, as rows. One is written in the commit that ends the session; the
 * process that wrote it tells the application, and a row that is overdue, since its process has crashed, is whoever's
 * claims it first. A claim is a guarded update, so two processes never send a row at once.
 */
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting } from '../database/prepared.ts'
import type { LogoutNoticeTable } from '../database/schema.ts'

/** A row as it was read; its sender and attempts say which claim of it is the latest. */
export type LogoutNotice = LogoutNoticeTable

/** Longer than any attempt may take. */
const abandonedAfter = 15_000
/** The sender of rows that a stopping process left to the others. */
const nobody = ''

const senders = new WeakMap<Db, { readonly id: string; addedAt: number }>()

/** This process's mark on the rows it commits, and when, by `performance.now()`, it last added one. */
export const noticeSender = (db: Db) => {
  const known = senders.get(db)
  if (known) return known
  const made = { id: crypto.randomUUID(), addedAt: Number.NEGATIVE_INFINITY }
  senders.set(db, made)
  return made
}

const insertNotice = inserting('logout_notice', [
  'id',
  'client_id',
  'url',
  'subject',
  'session_id',
  'created_at',
  'attempts',
  'next_attempt_at',
  'sent_at',
  'gave_up_at',
  'last_error',
  'sender',
])

/** The write that joins the commit that ends the session. */
export const addNotice = (
  db: Db,
  notice: Pick<LogoutNotice, 'client_id' | 'url' | 'subject' | 'session_id'>,
  now: Date,
): Write => {
  const sender = noticeSender(db)
  sender.addedAt = performance.now()
  const row: LogoutNotice = {
    ...notice,
    id: crypto.randomUUID(),
    created_at: now.toISOString(),
    attempts: 0,
    next_attempt_at: now.toISOString(),
    sent_at: null,
    gave_up_at: null,
    last_error: null,
    sender: sender.id,
  }
  return write(insertNotice(db, row))
}

/** What is due now and is this sender's or nobody's any more, longest waiting first, without those of busy clients. */
export const findDueNotices = (
  db: Db,
  senderId: string,
  now: Date,
  limit: number,
  busy: readonly string[],
): Promise<readonly LogoutNotice[]> => {
  const overdue = new Date(now.getTime() - abandonedAfter).toISOString()
  return db
    .selectFrom('logout_notice')
    .selectAll()
    .where('next_attempt_at', '<=', now.toISOString())
    .$if(busy.length > 0, (due) => due.where('client_id', 'not in', busy))
    .where(({ eb, or }) => or([eb('sender', 'in', [senderId, nobody]), eb('next_attempt_at', '<=', overdue)]))
    .orderBy('next_attempt_at')
    .limit(limit)
    .execute()
}

/** Takes a row for an attempt, unless somebody else has. */
export const claimNotice = (db: Db, notice: LogoutNotice, senderId: string, now: Date): Write =>
  exactly(
    1,
    db
      .updateTable('logout_notice')
      // due from now on, so that the others wait for us
      .set({ sender: senderId, attempts: notice.attempts + 1, next_attempt_at: now.toISOString() })
      .where('id', '=', notice.id)
      .where('sender', '=', notice.sender)
      .where('attempts', '=', notice.attempts)
      .where('next_attempt_at', 'is not', null),
  )

/** The application knows. True whoever holds the row by now. */
export const noticeSent = (db: Db, { id }: LogoutNotice, now: Date): Write =>
  write(
    db
      .updateTable('logout_notice')
      .set({ sent_at: now.toISOString(), next_attempt_at: null, gave_up_at: null, last_error: null })
      .where('id', '=', id)
      .where('sent_at', 'is', null),
  )

const claimed = (db: Db, notice: LogoutNotice, senderId: string) =>
  db
    .updateTable('logout_notice')
    .where('id', '=', notice.id)
    .where('sender', '=', senderId)
    .where('attempts', '=', notice.attempts + 1)
    .where('sent_at', 'is', null)

/** The claimed attempt failed; another is due at `next`. */
export const noticeDeferred = (
  db: Db,
  notice: LogoutNotice,
  senderId: string,
  reason: string,
  next: Date,
): Write =>
  write(claimed(db, notice, senderId).set({ next_attempt_at: next.toISOString(), last_error: reason }))

/** The claimed attempt failed and was the last. */
export const noticeGivenUp = (
  db: Db,
  notice: LogoutNotice,
  senderId: string,
  reason: string,
  now: Date,
): Write =>
  write(
    claimed(db, notice, senderId).set({
      next_attempt_at: null,
      gave_up_at: now.toISOString(),
      last_error: reason,
    }),
  )

/** A stopping process leaves its rows to whoever looks next. */
export const releaseNotices = (db: Db, senderId: string): Write =>
  write(
    db
      .updateTable('logout_notice')
      .set({ sender: nobody })
      .where('sender', '=', senderId)
      .where('next_attempt_at', 'is not', null),
  )
