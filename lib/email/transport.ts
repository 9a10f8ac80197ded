/** How mail leaves: by SMTP, or without a configured mail server as files that anybody can open. */
import { join } from 'node:path'
import type { Email } from '../config/email.ts'
import type { Mailbox } from './address.ts'
import { fileTransport } from './files.ts'
import { smtpTransport } from './smtp.ts'
import type { Content } from './template.ts'

export interface Message extends Content {
  readonly messageId: string
  readonly from: Mailbox
  readonly replyTo?: string | undefined
  /** One address; what is not one is refused for ever. */
  readonly recipient: string
  readonly date: Date
}

export interface Transport {
  /** Resolves when somebody else has taken the message over. Throws Undelivered. */
  send(message: Message, signal: AbortSignal): Promise<void>
  close(): void
}

/** Milliseconds that a mail server may take. */
export interface Patience {
  /** To accept the connection and to greet. */
  readonly connect: number
  /** To answer a command. */
  readonly answer: number
}

/** SMTP when a mail server is configured, else files in `<dataDirectory>/outbox`. */
export const openTransport = (
  email: Email | undefined,
  dataDirectory: string,
  patience: Patience,
): Transport => (email ? smtpTransport(email, patience) : fileTransport(join(dataDirectory, 'outbox')))
