/** Has mail tried again now: one message, or all that were given up. Whichever process looks next sends it. */
import { exactly, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { nobody } from '../delivery/rows.ts'
import type { Caller } from '../directory/caller.ts'
import { change } from '../directory/change.ts'
import { mailSender } from './outbox.ts'
import { findMail } from './outbox-list.ts'

const dueAt = (now: Date) => ({
  next_attempt_at: now.toISOString(),
  gave_up_at: null,
  retried_at: now.toISOString(),
  sender: nobody,
})

/** This process looks at the outbox for the next seconds. */
const wake = (db: Db) => {
  mailSender(db).addedAt = performance.now()
}

/** One that waits or was given up is due now; one that is due anyway stays as it is. Throws `Lost` when it is sent or tried at the same time. */
export const retryMail = async (
  db: Db,
  caller: Caller,
  now: Date,
  id: string,
): Promise<'retried' | 'sent' | 'unknown'> => {
  const mail = await findMail(db, id)
  if (!mail) return 'unknown'
  if (mail.sent_at !== null) return 'sent'
  // it is due as it is, or somebody tries it at this moment
  if (mail.next_attempt_at !== null && mail.next_attempt_at <= now.toISOString()) return 'retried'
  const again = db
    .updateTable('outbox')
    .set(dueAt(now))
    .where('id', '=', id)
    .where('attempts', '=', mail.attempts)
    .where(({ eb }) =>
      mail.next_attempt_at === null
        ? eb('gave_up_at', 'is not', null)
        : eb('next_attempt_at', '=', mail.next_attempt_at),
    )
  await change(db, caller, now, {
    writes: [exactly(1, again)],
    events: [
      {
        event: 'mail-retried',
        target: id,
        data: { messageId: mail.message_id, template: mail.template, attempts: mail.attempts },
        outcome: 'Success',
      },
    ],
    administrative: false,
  })
  wake(db)
  return 'retried'
}

/** All that were given up are due now, at the rate at which mail leaves; answers how many there were. */
export const retryFailedMail = async (db: Db, caller: Caller, now: Date): Promise<number> => {
  const { n } = await db
    .selectFrom('outbox')
    .select((eb) => eb.fn.countAll().as('n'))
    .where('gave_up_at', 'is not', null)
    .executeTakeFirstOrThrow()
  const count = Number(n)
  if (count === 0) return 0
  const again = db.updateTable('outbox').set(dueAt(now)).where('gave_up_at', 'is not', null)
  await change(db, caller, now, {
    writes: [write(again)],
    events: [{ event: 'mails-retried', target: 'outbox', data: { mails: count }, outcome: 'Success' }],
    administrative: false,
  })
  wake(db)
  return count
}
