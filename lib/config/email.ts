import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { type Draft, given } from './draft.ts'

/** `[output_adapter.email]`: the mail server and who sends. */
export interface Email {
  readonly fromAddress: string
  readonly replyTo?: string
  /** Whom a reader may ask. */
  readonly supportAddress?: string
  /** In whose name mail is sent. */
  readonly organizationName?: string
  readonly username?: string
  readonly password?: string
  readonly hostname: string
  readonly port: number
  /** TLS from the first byte, or begun by STARTTLS before anything else is said. */
  readonly security: 'tls' | 'starttls' | 'none'
  readonly authentication: boolean
  /** PEM: who may have signed the server's certificate, instead of the well-known authorities. */
  readonly certificateAuthority?: string
  readonly messagesPerSecond: number
}

const key = 'output_adapter.email'
/** The port on which mail servers speak TLS from the first byte (RFC 8314 §3.3). */
const tlsPort = 465

const securityOf = (email: NonNullable<Draft['settings']['output_adapter']['email']>): Email['security'] => {
  if (email.enable_tls ?? email.port === tlsPort) return 'tls'
  return email.enable_start_tls ? 'starttls' : 'none'
}

const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

/** The certificates in the file at `path`, as PEM. Refuses a file that cannot be read or holds none. */
const authorityOf = ({ locate, refuse }: Draft, path: string): string | undefined => {
  try {
    const pem = readFileSync(locate(path), 'utf8')
    new X509Certificate(pem)
    return pem
  } catch {
    // the reason may quote the file
    refuse(`${key}.certificate_authority`, 'must be the path of a file with a certificate in PEM form')
    return undefined
  }
}

/**
 * The mail server, or undefined when none is configured. Refuses a missing user name or password where they
 * are needed.
 */
export const emailOf = (draft: Draft): Email | undefined => {
  const { settings, refuse, warn } = draft
  const { email } = settings.output_adapter
  if (!email) return undefined
  for (const name of ['username', 'password'] as const)
    if (email.enable_authentication && email[name] === undefined)
      refuse(`${key}.${name}`, 'is missing; give it, or write enable_authentication = false', [
        `${key}.enable_authentication`,
      ])
  const security = securityOf(email)
  if (email.enable_authentication && security === 'none' && !isLoopback(email.hostname))
    warn(`${key}: the password is sent unencrypted; write enable_start_tls = true or enable_tls = true`)
  return {
    fromAddress: email.from_address,
    ...given('replyTo', email.reply_to),
    ...given('supportAddress', email.support_address),
    ...given('organizationName', email.organization_name),
    ...given('username', email.username),
    ...given('password', email.password),
    hostname: email.hostname,
    port: email.port,
    security,
    authentication: email.enable_authentication,
    ...given(
      'certificateAuthority',
      email.certificate_authority === undefined ? undefined : authorityOf(draft, email.certificate_authority),
    ),
    messagesPerSecond: email.messages_per_second,
  }
}
