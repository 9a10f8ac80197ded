/**
 * Comma-separated values (RFC 4180). A record may go over several lines where it is quoted; one that is malformed costs
 * its first line only, so that a stray quote does not swallow the rest of the file.
 */
import type { Line } from './lines.ts'

export interface CsvRecord {
  /** Its first line. */
  readonly line: number
  /** The fields, or why there are none. */
  readonly fields: readonly string[] | { readonly problem: string }
}

/** Bytes of a record: four for each character that the attributes of a user may have. */
const longestRecord = 262_144

/** The fields of a record; 'open' when its last one is quoted and goes on; otherwise what is wrong. */
export const parseFields = (text: string): CsvRecord['fields'] | 'open' => {
  const fields: string[] = []
  for (let at = 0; ; at += 1) {
    if (text[at] === '"') {
      let value = ''
      for (;;) {
        const end = text.indexOf('"', at + 1)
        if (end === -1) return 'open'
        value += text.slice(at + 1, end)
        at = end + 1
        if (text[at] !== '"') break
        value += '"'
      }
      if (at < text.length && text[at] !== ',') return { problem: 'Something stands behind a closing quote.' }
      fields.push(value)
    } else {
      const comma = text.indexOf(',', at)
      const end = comma === -1 ? text.length : comma
      const value = text.slice(at, end)
      if (value.includes('"')) return { problem: 'A quote stands in a field that does not begin with one.' }
      fields.push(value)
      at = end
    }
    if (at >= text.length) return fields
  }
}

const quote = 34
const lineBreak = Buffer.from('\n')
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const read = (lines: readonly Line[]): CsvRecord['fields'] | 'open' => {
  try {
    const parts = lines.flatMap(({ bytes = lineBreak }, index) => (index > 0 ? [lineBreak, bytes] : [bytes]))
    return parseFields(decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts)))
  } catch {
    return { problem: 'It is not UTF-8.' }
  }
}

/** Takes line after line; keeps those of a record that goes on. */
class Records {
  #open: Line[] = []
  #size = 0

  #close(): readonly Line[] {
    const lines = this.#open
    this.#open = []
    this.#size = 0
    return lines
  }

  *take(line: Line): Generator<CsvRecord> {
    const isFirst = this.#open.length === 0
    if (isFirst && line.bytes?.length === 0) return
    this.#open.push(line)
    this.#size += line.bytes?.length ?? longestRecord
    if (this.#size >= longestRecord) {
      yield* this.giveUp(`A record may have ${longestRecord} bytes.`)
      return
    }
    // only a quote can end what is open
    if (!isFirst && line.bytes?.includes(quote) !== true) return
    const fields = read(this.#open)
    if (fields === 'open') return
    if ('problem' in fields) yield* this.giveUp(fields.problem)
    else yield { line: this.#close()[0]?.number ?? line.number, fields }
  }

  /** The first of the lines that are open is no record; the others are looked at anew. */
  *giveUp(problem: string): Generator<CsvRecord> {
    const [first, ...others] = this.#close()
    if (first) yield { line: first.number, fields: { problem } }
    for (const other of others) yield* this.take(other)
  }

  *end(): Generator<CsvRecord> {
    while (this.#open.length > 0) yield* this.giveUp('A quote is never closed.')
  }
}

/** The records of a file; empty lines between them are none. */
export const recordsOf = async function* (lines: AsyncIterable<Line>): AsyncGenerator<CsvRecord> {
  const records = new Records()
  for await (const line of lines) yield* records.take(line)
  yield* records.end()
}
