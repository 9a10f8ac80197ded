/** Splits a file into lines as its bytes come, so that no more of it is in memory than a piece of it. */

const lineFeed = 10
const carriageReturn = 13
/** As much as a request may bring; what is longer is no user. */
export const longestRecord = 1_048_576

export interface Line {
  /** From 1 on. */
  readonly number: number
  /** Without its end; undefined when it is longer than `longestRecord`. */
  readonly bytes: Uint8Array | undefined
}

const byteOrderMark = [0xef, 0xbb, 0xbf] as const

const withoutMark = (bytes: Uint8Array) =>
  byteOrderMark.every((byte, index) => bytes[index] === byte) ? bytes.subarray(3) : bytes

/** The lines of a file. The last may lack its end; an empty one behind it is none. */
export const linesOf = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let number = 0
  let kept: Uint8Array[] = []
  let length = 0
  const keep = (part: Uint8Array) => {
    length += part.length
    if (length <= longestRecord + 2) kept.push(part)
    else kept = []
  }
  const take = (): Line => {
    number += 1
    const tooLong = length > longestRecord + 2
    const [only, ...others] = kept
    let bytes = only && others.length === 0 ? only : Buffer.concat(kept)
    kept = []
    length = 0
    if (tooLong) return { number, bytes: undefined }
    if (bytes.at(-1) === carriageReturn) bytes = bytes.subarray(0, -1)
    if (number === 1) bytes = withoutMark(bytes)
    return { number, bytes: bytes.length > longestRecord ? undefined : bytes }
  }
  for await (const chunk of chunks) {
    let begin = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, begin)) {
      keep(chunk.subarray(begin, end))
      yield take()
      begin = end + 1
    }
    if (begin < chunk.length) keep(chunk.subarray(begin))
  }
  if (length > 0) yield take()
}
