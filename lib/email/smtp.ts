/** Mail by SMTP. Connections are kept for the next messages; nodemailer is loaded when the first one leaves. */
import type { Email } from '../config/email.ts'
import { compose } from './message.ts'
import type { Message, Patience, Transport } from './transport.ts'
import { Undelivered } from './undelivered.ts'

const longestReason = 300
const connections = 5
const idleFor = 30_000

/** How the mail server of the configuration is spoken to; the limits are in milliseconds. */
export const smtpOptions = (email: Email, { connect, answer }: Pick<Patience, 'connect' | 'answer'>) => ({
  host: email.hostname,
  port: email.port,
  secure: email.security === 'tls',
  requireTLS: email.security === 'starttls',
  ignoreTLS: email.security === 'none',
  ...(email.authentication
    ? { auth: { user: email.username ?? '', pass: email.password ?? '' }, forceAuth: true }
    : {}),
  tls: {
    minVersion: 'TLSv1.2' as const,
    rejectUnauthorized: true,
    ...(email.certificateAuthority === undefined ? {} : { ca: email.certificateAuthority }),
  },
  dnsTimeout: connect,
  connectionTimeout: connect,
  greetingTimeout: connect,
  socketTimeout: answer,
  disableFileAccess: true,
  disableUrlAccess: true,
  logger: false as const,
})

const connect = async (email: Email, patience: Patience) => {
  const { createTransport } = await import('nodemailer')
  return createTransport({
    ...smtpOptions(email, patience),
    pool: true,
    maxConnections: connections,
    // a retry is a row's, written down and spaced out; none is hidden in here
    maxRequeues: 1,
    idleTimeout: idleFor,
  })
}

/** What nodemailer says of a failure. */
interface Failure {
  readonly message: string
  readonly code?: unknown
  readonly command?: unknown
  readonly responseCode?: unknown
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** The server's own words on one line, without the credentials that it may have repeated. */
const reasonOf = ({ message, code, command, responseCode }: Failure, email: Email): string => {
  if (code === 'EAUTH') return `the mail server refused the login${responseCode ? ` (${responseCode})` : ''}`
  const { username = '', password = '' } = email
  const secrets = [password, base64(password), base64(`\0${username}\0${password}`)]
  const said = secrets
    .filter((secret) => secret !== '')
    .reduce((text, secret) => text.replaceAll(secret, '[redacted]'), message)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, longestReason)
  return [code, command, said].filter((part) => typeof part === 'string').join(' ')
}

/** Refusals of a recipient or of the content are the message's; a sender nobody may be, or 421, is not. */
const isOfMessage = ({ code, command, responseCode }: Failure): boolean =>
  (code === 'EENVELOPE' || code === 'EMESSAGE') && command !== 'MAIL FROM' && responseCode !== 421

const judge = (error: unknown, email: Email): Undelivered => {
  if (error instanceof Undelivered) return error
  const failure: Failure = error instanceof Error ? error : { message: String(error) }
  const permanent = Number(failure.responseCode) >= 500
  return new Undelivered(
    reasonOf(failure, email),
    isOfMessage(failure) ? { fault: 'message', permanent } : { fault: 'server' },
  )
}

/** TLS as configured and the server's certificate verified, then the login, then the message; or Undelivered. */
export const smtpTransport = (email: Email, patience: Patience): Transport => {
  let opened: ReturnType<typeof connect> | undefined
  return {
    async send(message: Message, signal: AbortSignal) {
      try {
        const options = compose(message)
        opened ??= connect(email, patience)
        await (await opened).sendMail({ ...options, signal })
      } catch (error) {
        throw judge(error, email)
      }
    },
    close() {
      opened?.then((pool) => pool.close()).catch(() => {})
    },
  }
}
