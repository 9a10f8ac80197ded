/** Reads a message: as much of MIME (RFC 2045) as a message of one's own needs to be shown. */

export interface Mail {
  readonly headers: ReadonlyMap<string, string>
  /** The part for people without HTML. */
  readonly text: string
}

/** RFC 5322 §2.2: a line that begins with a space goes on with the one before. */
const split = (message: string) => {
  const [head = '', ...rest] = message.split(/\r?\n\r?\n/)
  const headers = new Map<string, string>()
  for (const line of head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? []
    headers.set(name.toLowerCase(), value)
  }
  return { headers, body: rest.join('\n\n') }
}

const quotedPrintable = (body: string): string => {
  const text = body.replace(/[ \t]+$/gm, '').replace(/=\r?\n/g, '')
  const bytes = text.replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

const decode = (body: string, encoding: string): string => {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8')
  return encoding === 'quoted-printable' ? quotedPrintable(body) : body
}

/** The text part of a message or of one of its parts. */
const textPart = (message: string): string | undefined => {
  const { headers, body } = split(message)
  const type = headers.get('content-type') ?? 'text/plain'
  const boundary = /boundary="?([^";]+)/i.exec(type)?.[1]
  if (boundary !== undefined) {
    const parts = body.split(`--${boundary}`).slice(1)
    return parts.map((part) => textPart(part.replace(/^\r?\n/, ''))).find((text) => text !== undefined)
  }
  if (!/^text\/plain/i.test(type)) return undefined
  const encoding = headers.get('content-transfer-encoding')?.toLowerCase() ?? '7bit'
  return decode(body, encoding).replace(/\r\n/g, '\n').trimEnd()
}

/** The headers and the text of an `.eml`. */
export const readMail = (message: string): Mail => ({
  headers: split(message).headers,
  text: textPart(message) ?? '',
})
