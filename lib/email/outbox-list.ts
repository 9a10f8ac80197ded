/** The outbox as an administrator sees it: what waits, what left, and what was given up. Nobody sees what a mail says. */
import { mask } from '../audit.ts'
import type { Db } from '../database/connect.ts'
import { type Page, type Paged, pageOf } from '../database/page.ts'
import type { OutboxTable } from '../database/schema.ts'

export const mailStates = ['queued', 'sent', 'failed'] as const
/** `failed`: given up; it stays for 30 days, for somebody who has it tried again. */
export type MailState = (typeof mailStates)[number]

/** A row without its data and its sender. */
export type ListedMail = Omit<OutboxTable, 'data' | 'sender'>

const columns = [
  'id',
  'message_id',
  'recipient',
  'template',
  'impersonation_id',
  'created_at',
  'attempts',
  'next_attempt_at',
  'sent_at',
  'gave_up_at',
  'last_error',
  'retried_at',
] as const satisfies readonly (keyof ListedMail)[]

const marks = { queued: 'next_attempt_at', sent: 'sent_at', failed: 'gave_up_at' } as const satisfies Record<
  MailState,
  keyof ListedMail
>

/** One page, the newest first. */
export const listMail = (db: Db, state: MailState | undefined, page: Page): Promise<Paged<ListedMail>> => {
  const all = db.selectFrom('outbox').select(columns)
  return pageOf<'outbox', ListedMail>(page, state ? all.where(marks[state], 'is not', null) : all)
}

export const findMail = (db: Db, id: string): Promise<ListedMail | undefined> =>
  db.selectFrom('outbox').select(columns).where('id', '=', id).executeTakeFirst()

export const stateOf = (mail: Pick<ListedMail, 'sent_at' | 'gave_up_at'>): MailState => {
  if (mail.sent_at !== null) return 'sent'
  return mail.gave_up_at === null ? 'queued' : 'failed'
}

/** `a***e@example.com`: enough to know whom it is for, and where it could not go. */
const maskAddress = (address: string): string => {
  const at = address.lastIndexOf('@')
  return at < 0 ? mask(address) : `${mask(address.slice(0, at))}${address.slice(at)}`
}

/** A mail as the API and the shell show it. Mail servers repeat the address in what they say. */
export const shownMail = (mail: ListedMail) => {
  const masked = maskAddress(mail.recipient)
  return {
    id: mail.id,
    state: stateOf(mail),
    template: mail.template,
    recipient: masked,
    messageId: mail.message_id,
    impersonation: mail.impersonation_id,
    attempts: mail.attempts,
    created: mail.created_at,
    nextAttempt: mail.next_attempt_at,
    sent: mail.sent_at,
    gaveUp: mail.gave_up_at,
    retried: mail.retried_at,
    lastError: mail.last_error?.replaceAll(mail.recipient, masked) ?? null,
  }
}

export type ShownMail = ReturnType<typeof shownMail>
