/** From a row of the outbox to a message that has left: the deployment's letterhead, the template, the transport. */
import type { Email } from '../config/email.ts'
import type { Db } from '../database/connect.ts'
import { letterheadOf, mailboxOf } from './address.ts'
import { contentOf } from './choice.ts'
import type { OutboxRow } from './outbox.ts'
import type { TemplateData } from './template.ts'
import { openTransport, type Patience } from './transport.ts'
import { Undelivered } from './undelivered.ts'

export interface SenderOptions {
  /** Without it mail becomes files in `<dataDirectory>/outbox`. */
  readonly email?: Email | undefined
  readonly dataDirectory: string
  /** The server's own name: it sends when no sender is configured. */
  readonly hostname: string
}

export interface Sender {
  /** Answers why the message did not leave, or undefined when it did. */
  send(row: OutboxRow, signal: AbortSignal): Promise<Undelivered | undefined>
  close(): void
}

/** Opens no connection before the first message. */
export const openSender = (
  db: Db,
  { email, dataDirectory, hostname }: SenderOptions,
  patience: Patience,
): Sender => {
  const transport = openTransport(email, dataDirectory, patience)
  const letterhead = letterheadOf(email, hostname)
  const mailbox = mailboxOf(email?.fromAddress ?? `no-reply@${hostname}`)
  const from = mailbox.name === '' ? { ...mailbox, name: letterhead.organization } : mailbox
  return {
    async send(row, signal) {
      try {
        // written by `enqueue`
        const data = JSON.parse(row.data) as TemplateData
        const asked = { template: row.template, data, impersonationId: row.impersonation_id }
        const message = {
          ...(await contentOf(db, asked, letterhead)),
          messageId: row.message_id,
          from,
          replyTo: email?.replyTo,
          recipient: row.recipient,
          date: new Date(row.created_at),
        }
        await transport.send(message, signal)
        return undefined
      } catch (error) {
        if (error instanceof Undelivered) return error
        return new Undelivered(error instanceof Error ? error.message : String(error), { fault: 'message' })
      }
    },
    close: () => transport.close(),
  }
}
