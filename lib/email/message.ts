import type { SendMailOptions } from 'nodemailer'
import { isAddress } from './address.ts'
import type { Message } from './transport.ts'
import { Undelivered } from './undelivered.ts'

/**
 * A message in nodemailer's words. Addresses are objects and the envelope is ours, so that no address is parsed as a
 * list of them; no file or URL is ever read on a message's behalf.
 */
export const compose = (message: Message): SendMailOptions => {
  const { from, recipient, replyTo } = message
  if (!isAddress(recipient))
    throw new Undelivered('the recipient is not an e-mail address', { fault: 'message', permanent: true })
  const to = { name: '', address: recipient }
  return {
    from,
    to,
    envelope: { from: from.address, to },
    ...(replyTo === undefined ? {} : { replyTo: { name: '', address: replyTo } }),
    subject: message.subject,
    text: message.text,
    html: message.html,
    messageId: message.messageId,
    date: message.date,
    // nobody's out-of-office note shall answer it (RFC 3834 §5)
    headers: { 'Auto-Submitted': 'auto-generated' },
    xMailer: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}
