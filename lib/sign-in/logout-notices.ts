/** Applications that have to be told of a logout, as rows of `delivery/rows.ts`. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting } from '../database/prepared.ts'
import type { LogoutNoticeTable } from '../database/schema.ts'
import { nobody, undelivered } from '../delivery/rows.ts'
import { abandonedAfter } from '../delivery/sender.ts'

/** A row as it was read; its sender and attempts say which claim of it is the latest. */
export type LogoutNotice = LogoutNoticeTable

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
  const row: LogoutNotice = {
    ...notice,
    id: crypto.randomUUID(),
    ...undelivered(db, 'logout_notice', now),
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
