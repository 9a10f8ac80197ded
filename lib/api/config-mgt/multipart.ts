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

const nameOf = (headers: string): string | undefined => {
  const [line] = headers.split('\r\n').filter((one) => /^content-disposition:/i.test(one))
  const match = /^[^:]+:\s*form-data\s*(?:;.*?)?;\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))/i.exec(line ?? '')
  return match?.[1] ?? match?.[2]
}

/** The parts of a body with that boundary; undefined when it is malformed or has too many. */
export const partsOf = (body: Uint8Array, boundary: string): readonly Part[] | undefined => {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const opening = `--${boundary}`
  const delimiter = `\r\n${opening}`
  const parts: Part[] = []
  // what comes before the first delimiter and after the last one means nothing
  let at = bytes.indexOf(opening) === 0 ? opening.length : bytes.indexOf(delimiter) + delimiter.length
  if (at < opening.length || (at === delimiter.length - 1 && bytes.indexOf(opening) !== 0)) return undefined
  for (;;) {
    if (bytes.toString('latin1', at, at + 2) === '--') return parts
    const line = bytes.indexOf('\r\n', at)
    if (line < 0 || bytes.toString('latin1', at, line).trim() !== '' || parts.length >= mostParts)
      return undefined
    const headersEnd = bytes.indexOf('\r\n\r\n', line)
    if (headersEnd < 0 || headersEnd - line > longestHeaders) return undefined
    const name = nameOf(bytes.toString('utf8', line + 2, headersEnd))
    const content = headersEnd + 4
    // an empty part's own blank line begins its delimiter
    const end = bytes.indexOf(delimiter, content - 2)
    if (name === undefined || end < 0) return undefined
    parts.push({ name, content: bytes.subarray(content, Math.max(content, end)) })
    at = end + delimiter.length
  }
}
