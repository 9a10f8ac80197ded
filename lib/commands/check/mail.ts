/** Where mail goes, and on request whether the mail server takes it. */

import type { Email } from '../../config/email.ts'
import type { Config } from '../../config.ts'
import { smtpOptions } from '../../email/smtp.ts'
import { type Finding, note, ok, wrong } from '../../impersonation/readiness/finding.ts'

const about = 'mail'
const patience = 10_000

/** Connects, says hello, begins TLS and logs in, as the sender does, and sends nothing. */
const greet = async (email: Email): Promise<void> => {
  const { createTransport } = await import('nodemailer')
  const transport = createTransport(smtpOptions(email, { connect: patience, answer: patience }))
  try {
    await transport.verify()
  } finally {
    transport.close()
  }
}

/** A failure in words that hold no credentials: a mail server may repeat what was sent to it. */
const worded = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
  if (code === 'EAUTH') return 'it refused the login'
  return code === 'ETLS' || code === 'ESOCKET' ? `no secure connection (${code})` : code
}

/** The section, and with `connect` the server behind it. */
export const checkMail = async ({ email }: Config, connect: boolean): Promise<Finding> => {
  if (!email) {
    const mend = 'add [output_adapter.email] to have it sent'
    return note(about, 'no mail server is configured: each message becomes a file in data/outbox', mend)
  }
  const place = `${email.hostname}:${email.port} (${email.security}), from ${email.fromAddress}`
  if (!connect) return ok(about, `${place}; --mail tries it`)
  try {
    await greet(email)
    return ok(about, `${place} answers`)
  } catch (error) {
    return wrong(about, `${place} cannot be used: ${worded(error)}`, 'correct [output_adapter.email]')
  }
}
