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

/** A record as far as it was read; what a line ends in the middle of is read on, and nothing twice. */
class Draft {
  readonly fields: string[] = []
  /** The value, so far, of the quoted field in which the text ended. */
  #open: string | undefined

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Takes the next line; answers what is wrong with it. */
  read(text: string): string | undefined {
    let at = 0
    if (this.#open !== undefined) this.#open += '\n'
    for (;;) {
      if (this.#open === undefined && text[at] === '"') {
        this.#open = ''
        at += 1
      }
      const end = this.#open === undefined ? this.#plain(text, at) : this.#quoted(text, at, this.#open)
      if (typeof end === 'string') return end
      if (end >= text.length) return undefined
      at = end + 1
    }
  }

  /** Reads the rest of a quoted field; answers where it ends. */
  #quoted(text: string, from: number, before: string): number | string {
    let [at, value] = [from, before]
    for (;;) {
      const end = text.indexOf('"', at)
      if (end === -1) {
        this.#open = value + text.slice(at)
        return text.length
      }
      value += text.slice(at, end)
      at = end + 1
      if (text[at] !== '"') break
      value += '"'
      at += 1
    }
    if (at < text.length && text[at] !== ',') return 'Something stands behind a closing quote.'
    this.fields.push(value)
    this.#open = undefined
    return at
  }

  #plain(text: string, at: number): number | string {
    const comma = text.indexOf(',', at)
    const end = comma === -1 ? text.length : comma
    const value = text.slice(at, end)
    if (value.includes('"')) return 'A quote stands in a field that does not begin with one.'
    this.fields.push(value)
    return end
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of a line; undefined when it is not UTF-8. */
const textOf = ({ bytes }: Line): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Takes line after line; keeps those of a record that goes on. */
class Records {
  #open: Line[] = []
  #draft = new Draft()
  #size = 0

  #close(): readonly Line[] {
    const lines = this.#open
    this.#open = []
    this.#draft = new Draft()
    this.#size = 0
    return lines
  }

  *take(line: Line): Generator<CsvRecord> {
    if (this.#open.length === 0 && line.bytes?.length === 0) return
    this.#open.push(line)
    this.#size += line.bytes?.length ?? longestRecord
    if (this.#size >= longestRecord) {
      yield* this.giveUp(`A record may have ${longestRecord} bytes.`)
      return
    }
    const text = textOf(line)
    const problem = text === undefined ? 'It is not UTF-8.' : this.#draft.read(text)
    if (problem !== undefined) yield* this.giveUp(problem)
    else if (!this.#draft.isOpen) {
      const { fields } = this.#draft
      yield { line: this.#close()[0]?.number ?? line.number, fields }
    }
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
