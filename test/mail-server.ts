/** A real SMTP server for tests, and a reader of the messages it gets. */
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { selfSigned } from '../lib/keys/certificate.ts'

export const credentials = { username: 'mayact', password: 'S3cret+Pass/word=' } as const

export interface Delivery {
  readonly from: string
  readonly to: readonly string[]
  readonly raw: string
  readonly secure: boolean
  readonly user: string | undefined
  readonly at: number
}

export interface MailServerOptions {
  readonly port?: number
  /** Its address, 127.0.0.1 unless said: the certificate names that one and localhost. */
  readonly host?: string
  /** Whose certificate has run out. */
  readonly expired?: boolean
  /** The password that it takes, asked at each login. */
  password?(): string
  /** Implicit TLS instead of STARTTLS. */
  readonly secure?: boolean
  /** No STARTTLS and no AUTH are offered. */
  readonly plain?: boolean
  /** What answers a recipient other than 250: a status code and a text. */
  recipient?(address: string): readonly [number, string] | undefined
  /** Called when a message is there and before its 250; throws, or never resolves, to refuse it. */
  message?(delivery: Delivery): Promise<void>
}

const issue = (now: Date) =>
  selfSigned({
    commonName: 'localhost',
    names: ['localhost', '127.0.0.1'],
    algorithm: 'ES256',
    days: 1,
    now,
  })
const pair = issue(new Date())
const expiredPair = issue(new Date(Date.now() - 3 * 86_400_000))

/** The certificate of every mail server here. */
export const certificateAuthority = async () => (await pair).certificate
/** Of those whose certificate has run out. */
export const expiredAuthority = async () => (await expiredPair).certificate

export const refusal = (responseCode: number, text: string) =>
  Object.assign(new Error(text), { responseCode })

export type MailServer = Awaited<ReturnType<typeof startMailServer>>

export const startMailServer = async (options: MailServerOptions = {}) => {
  const { certificate, privateKey } = await (options.expired ? expiredPair : pair)
  const deliveries: Delivery[] = []
  let open = 0
  let most = 0
  const settings: SMTPServerOptions = {
    secure: options.secure ?? false,
    cert: certificate,
    key: privateKey,
    logger: false,
    closeTimeout: 50,
    ...(options.plain
      ? { disabledCommands: ['STARTTLS', 'AUTH'], authOptional: true }
      : {
          authOptional: false,
          onAuth({ username, password }, _session, callback) {
            if (
              username === credentials.username &&
              password === (options.password?.() ?? credentials.password)
            )
              callback(null, { user: username })
            // a server that repeats what it was told is a bad one, and there are such
            else callback(refusal(535, `5.7.8 no ${username} with ${password}`))
          },
        }),
    onRcptTo({ address }, _session, callback) {
      const refused = options.recipient?.(address)
      callback(refused ? refusal(...refused) : null)
    },
    onData(stream, session, callback) {
      open += 1
      most = Math.max(most, open)
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', async () => {
        const { mailFrom, rcptTo } = session.envelope
        const delivery = {
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks).toString('utf8'),
          secure: session.secure,
          user: session.user,
          at: performance.now(),
        }
        try {
          await options.message?.(delivery)
          deliveries.push(delivery)
          callback()
        } catch (error) {
          callback(error instanceof Error ? error : new Error(String(error)))
        } finally {
          open -= 1
        }
      })
    },
  }
  const server = new SMTPServer(settings)
  // connections that a test breaks off
  server.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve)
  })
  return {
    port: (server.server.address() as AddressInfo).port,
    deliveries,
    /** The most messages that were handed over at one time. */
    most: () => most,
    messageIds: () => deliveries.map(({ raw }) => readMail(raw).headers.get('message-id') ?? ''),
    stop: () => new Promise<void>((resolve) => server.close(resolve)),
  }
}

const headersOf = (text: string): ReadonlyMap<string, string> => {
  const headers = new Map<string, string>()
  for (const line of text.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const [, name = '', value = ''] = /^([\w-]+): ?(.*)$/.exec(line) ?? []
    const key = name.toLowerCase()
    if (headers.has(key)) throw new Error(`the header ${name} is there twice`)
    headers.set(key, value)
  }
  return headers
}

const decoded = (body: string, encoding: string): string => {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8')
  if (encoding !== 'quoted-printable') return body
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

const partOf = (raw: string) => {
  const end = raw.indexOf('\r\n\r\n')
  return { headers: headersOf(raw.slice(0, end)), body: raw.slice(end + 4) }
}

/** The headers of a message, unfolded, and its alternatives, decoded, in their order. */
export const readMail = (raw: string) => {
  const { headers, body } = partOf(raw)
  const boundary = /^multipart\/alternative;.*boundary="([^"]+)"/.exec(headers.get('content-type') ?? '')?.[1]
  if (!boundary) throw new Error('the message has no alternatives')
  const alternatives = body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((text) => {
      const part = partOf(text.replace(/^\r\n/, '').replace(/\r\n$/, ''))
      const content = decoded(part.body, part.headers.get('content-transfer-encoding') ?? '7bit')
      return {
        type: part.headers.get('content-type') ?? '',
        content: content.replaceAll('\r\n', '\n'),
      }
    })
  return { headers, alternatives }
}
