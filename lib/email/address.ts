import type { Email } from '../config/email.ts'
import type { Letterhead } from './template.ts'

/** One mailbox, and nothing that a mail program could read as two of them or as another header. */
const mailbox = /^[^\s\p{Cc}@,:;<>()[\]"\\]{1,64}@[^\s\p{Cc}@,:;<>()[\]"\\]{1,255}$/u

/** Whether mail can be sent to it. Quoted local parts and comments are not taken: nobody has them. */
export const isAddress = (text: string): boolean => mailbox.test(text)

export interface Mailbox {
  readonly name: string
  readonly address: string
}

/** `Example <no-reply@example.com>` or the bare address; what is neither is taken as the address. */
export const mailboxOf = (text: string): Mailbox => {
  const named = /^\s*"?([^"<>]*?)"?\s*<([^<>]+)>\s*$/.exec(text)
  return named ? { name: named[1] ?? '', address: named[2] ?? '' } : { name: '', address: text.trim() }
}

/** The domain of our Message-IDs: the sender's, or else the server's own. */
export const messageDomain = (fromAddress: string | undefined, hostname: string): string => {
  const domain = fromAddress === undefined ? hostname : mailboxOf(fromAddress).address.split('@').at(-1)
  const url = `http://${domain}`
  // as ASCII, since a Message-ID has no encoding of its own
  return URL.canParse(url) ? new URL(url).hostname : hostname
}

/** In whose name mail is sent: the configured organization's, or else the server's. */
export const letterheadOf = (email: Email | undefined, hostname: string): Letterhead => ({
  organization: email?.organizationName ?? hostname,
  supportAddress: email?.supportAddress,
})
