/** Bodies of `multipart/form-data` (RFC 7578) that were read already: their parts, or nothing when it is none. */

const mostParts = 10
const longestHeaders = 8_192

export interface Part {
  readonly name: string
  readonly content: Uint8Array
}

/** The boundary of a `Content-Type` (RFC 2046 §5.1.1); undefined when it is not multipart/form-data with one. */
export const boundaryOf = (contentType: string): string | undefined => {
  const [type = '', ...parameters] = contentType.split(';')
  if (type.trim().toLowerCase() !== 'multipart/form-data') return undefined
  for (const parameter of parameters) {
    const match = /^\s*boundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))\s*$/i.exec(parameter)
    const boundary = match?.[1] ?? match?.[2]
    if (boundary !== undefined && /^[\w'()+,./:=? -]*[\w'()+,./:=?-]$/.test(boundary)) return boundary
  }
  return undefined
}

const disposition = /^content-disposition:\s*form-data\s*(?=;|$)/i
const attribute = /\s*;\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/y

/** The `name` of a part by its headers; one of several attributes, and a file's name may look like any of them. */
const nameOf = (headers: string): string | undefined => {
  const line = headers.split('\r\n').find((one) => disposition.test(one)) ?? ''
  attribute.lastIndex = disposition.exec(line)?.[0].length ?? line.length
  for (let match = attribute.exec(line); match; match = attribute.exec(line)) {
    const [, key = '', quoted, bare] = match
    if (key.toLowerCase() === 'name') return quoted ?? bare
  }
  return undefined
}

interface Delimiter {
  readonly start: number
  /** Behind it and the end of its line. */
  readonly after: number
  readonly last: boolean
}

/** The next delimiter line (RFC 2046 §5.1.1), whose line break belongs to it; a longer word is none. */
const nextDelimiter = (bytes: Buffer, boundary: string, from: number): Delimiter | undefined => {
  const opening = `--${boundary}`
  const delimiterAt = (start: number, at: number): Delimiter | undefined => {
    if (bytes.toString('latin1', at, at + 2) === '--') return { start, after: at + 2, last: true }
    let end = at
    while (bytes[end] === 0x20 || bytes[end] === 0x09) end += 1
    return bytes.toString('latin1', end, end + 2) === '\r\n'
      ? { start, after: end + 2, last: false }
      : undefined
  }
  if (from === 0 && bytes.indexOf(opening) === 0) {
    const first = delimiterAt(0, opening.length)
    if (first) return first
  }
  for (let at = from; ; at += 1) {
    at = bytes.indexOf(`\r\n${opening}`, at)
    if (at < 0) return undefined
    const found = delimiterAt(at, at + 2 + opening.length)
    if (found) return found
  }
}

/** The parts of a body with that boundary; undefined when it is malformed or has too many. */
export const partsOf = (body: Uint8Array, boundary: string): readonly Part[] | undefined => {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const parts: Part[] = []
  // what comes before the first delimiter and after the last one means nothing
  let delimiter = nextDelimiter(bytes, boundary, 0)
  while (delimiter && !delimiter.last) {
    const { after } = delimiter
    const headersEnd = bytes.indexOf('\r\n\r\n', after)
    // the blank line of an empty part begins its delimiter
    const end = nextDelimiter(bytes, boundary, after - 2)
    if (!end || headersEnd < 0 || headersEnd + 2 > end.start || headersEnd - after > longestHeaders)
      return undefined
    const name = nameOf(bytes.toString('utf8', after, headersEnd))
    if (name === undefined || parts.length >= mostParts) return undefined
    const content = headersEnd + 4
    parts.push({ name, content: bytes.subarray(content, Math.max(content, end.start)) })
    delimiter = end
  }
  return delimiter && parts
}
