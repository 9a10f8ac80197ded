/** Reads a file of users, line by line: each is a user as he can be written, or a reason why he cannot. */
import { isObject } from '../../directory/attributes.ts'
import type { RefusedLine } from '../../directory/user-import.ts'
import { parseHarmless } from '../../harmless-json.ts'
import { ScimError } from '../../scim/error.ts'
import { type Brought, type BroughtUser, readBrought, readResource } from '../../scim/imported-user.ts'
import type { PasswordPolicy } from '../../sign-in/password-policy.ts'
import { HeaderError, readHeader } from './columns.ts'
import { recordsOf } from './csv.ts'
import { type Line, linesOf, longestRecord } from './lines.ts'

export type Entry = { readonly line: number; readonly user: BroughtUser } | RefusedLine

/** `done`: the last line that is done with; what comes before its end is looked at no more. */
interface Reading {
  readonly policy: PasswordPolicy
  readonly done: number
}

const entryOf = (line: number, { policy }: Reading, read: () => Brought): Entry => {
  try {
    return { line, user: readBrought(read(), policy) }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return { line, reason: error.message }
  }
}

const resourceOf = (bytes: Uint8Array | undefined): Brought => {
  if (bytes === undefined) throw new Error(`A line may have ${longestRecord} bytes.`)
  let value: unknown
  try {
    value = parseHarmless(bytes)
  } catch (cause) {
    throw new ScimError(400, `It is not JSON: ${cause instanceof Error ? cause.message : cause}`)
  }
  if (!isObject(value)) throw new Error('It is not a JSON object.')
  return readResource(value)
}

const isBlank = (bytes: Uint8Array) => bytes.every((byte) => byte === 32 || byte === 9)

const fromJsonLines = async function* (lines: AsyncIterable<Line>, reading: Reading): AsyncGenerator<Entry> {
  for await (const { number, bytes } of lines) {
    if (number <= reading.done || (bytes && isBlank(bytes))) continue
    yield entryOf(number, reading, () => resourceOf(bytes))
  }
}

const fromCsv = async function* (lines: AsyncIterable<Line>, reading: Reading): AsyncGenerator<Entry> {
  let readFields: ((fields: readonly string[]) => Brought) | undefined
  for await (const { line, fields } of recordsOf(lines)) {
    if (!readFields) {
      if ('problem' in fields) throw new HeaderError(`its header cannot be read: ${fields.problem}`)
      readFields = readHeader(fields)
      continue
    }
    if (line <= reading.done) continue
    const read = readFields
    yield entryOf(line, reading, () => {
      if ('problem' in fields) throw new Error(fields.problem)
      return read(fields)
    })
  }
  if (!readFields) throw new HeaderError('it has no header')
}

export type Format = 'csv' | 'jsonl'

/** The entries of a file, in its order. Throws `HeaderError`. */
export const entriesOf = (
  chunks: AsyncIterable<Uint8Array>,
  format: Format,
  reading: Reading,
): AsyncGenerator<Entry> => {
  const lines = linesOf(chunks)
  return format === 'csv' ? fromCsv(lines, reading) : fromJsonLines(lines, reading)
}
