/**
 * An export of the audit trail: JSON Lines that can be verified without the server. A head with the keys and what the
 * first row follows, the rows and the checkpoints among them, and an end that says how many rows there were.
 */
import type { JWK } from 'jose'
import type { Db } from '../database/connect.ts'
import { sealedColumns } from './chain.ts'
import { checkpointsOf, headBefore, type Part, sealedRows, wholePart } from './trail.ts'
import { type ChainedRow, type Checkpoint, type Verdict, verifyTrail } from './verify.ts'

/** The file is no export, or is cut off; `line` counts from 1. */
export class ExportError extends Error {
  override readonly name = 'ExportError'
  readonly line: number
  constructor(line: number, why: string) {
    super(`line ${line}: ${why}`)
    this.line = line
  }
}

/** What was to be exported was removed by retention meanwhile. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken'
}

const text = (value: object) => `${JSON.stringify(value)}\n`

/**
 * The lines of a part. It goes on to the next checkpoint behind its end, which proves its last rows. Throws `Overtaken`
 * when retention removes something of it before it was written; a row that somebody else took is missing in it.
 */
export const exportLines = async function* (
  db: Db,
  keys: readonly JWK[],
  asked: Part,
): AsyncGenerator<string> {
  const whole = (await wholePart(db)) ?? asked
  const [next] = await checkpointsOf(db, { first: asked.last, last: asked.last }, true)
  const part = { first: asked.first, last: Math.min(next?.position ?? whole.last, whole.last) }
  const previous = await headBefore(db, part.first)
  if (!previous) throw new Overtaken(`what stands before position ${part.first} was removed`)
  yield text({ type: 'head', version: 1, previous, keys })
  const checkpoints = await checkpointsOf(db, part)
  let index = 0
  let rows = 0
  for await (const row of sealedRows(db, part)) {
    const expected = part.first + rows
    if (row.position !== expected && ((await wholePart(db))?.first ?? 0) > expected)
      throw new Overtaken(`the row at position ${expected} was removed while it was exported`)
    yield text({ type: 'row', ...row })
    rows += 1
    for (; checkpoints[index]?.position === row.position; index += 1)
      yield text({ type: 'checkpoint', ...checkpoints[index] })
  }
  yield text({ type: 'end', rows })
}

type Line = Readonly<Record<string, unknown>>

const parseLine = (line: string, number: number): Line => {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value as Line
  } catch {
    // said below
  }
  throw new ExportError(number, 'this is no JSON object')
}

const rowOf = (line: Line, number: number): ChainedRow => {
  const { position, link } = line
  if (typeof position !== 'number' || typeof link !== 'string')
    throw new ExportError(number, 'a row without its place')
  // what is missing or of another type does not hash to its link
  const columns = Object.fromEntries(sealedColumns.map((name) => [name, line[name]]))
  return { ...columns, position, link } as ChainedRow
}

const linesOf = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const parts = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n')
    rest = parts.pop() ?? ''
    yield* parts
  }
  if (rest !== '') yield rest
}

/**
 * Verifies an export. `trusted`: the keys that somebody keeps; without them those in the file are believed, which proves
 * that it is whole and not who made it. Throws `ExportError`.
 */
export const verifyExport = async (
  open: () => AsyncIterable<Uint8Array>,
  trusted: readonly JWK[] | undefined,
): Promise<Verdict> => {
  // once for the checkpoints, which are verified with the rows they stand behind, and once for the rows
  const checkpoints: Checkpoint[] = []
  let head: Line | undefined
  let end: Line | undefined
  let number = 0
  let rows = 0
  for await (const line of linesOf(open())) {
    number += 1
    if (end) throw new ExportError(number, 'something behind the end')
    const read = parseLine(line, number)
    if (number === 1) {
      if (read.type !== 'head' || read.version !== 1)
        throw new ExportError(1, 'this is no export of an audit trail')
      head = read
    } else if (read.type === 'row') rows += 1
    else if (read.type === 'end') end = read
    else if (
      read.type === 'checkpoint' &&
      typeof read.position === 'number' &&
      typeof read.statement === 'string'
    )
      checkpoints.push({ position: read.position, statement: read.statement })
    else throw new ExportError(number, 'neither a row nor a checkpoint')
  }
  const previous = head?.previous as { position?: unknown; link?: unknown } | undefined
  if (typeof previous?.position !== 'number' || typeof previous.link !== 'string')
    throw new ExportError(1, 'it does not say what its first row follows')
  if (!end) throw new ExportError(number, 'the file is cut off: its end is missing')
  const all = async function* () {
    let at = 0
    for await (const line of linesOf(open())) {
      at += 1
      const read = parseLine(line, at)
      if (read.type === 'row') yield rowOf(read, at)
    }
  }
  const keys = trusted ?? (Array.isArray(head?.keys) ? (head.keys as readonly JWK[]) : [])
  const verdict = await verifyTrail({
    previous: { position: previous.position, link: previous.link },
    rows: all(),
    checkpoints,
    keys,
  })
  // after the chain, which says where something is wrong
  if (verdict.intact && end.rows !== rows)
    throw new ExportError(number, `the file has ${rows} rows and its end says ${end.rows}`)
  return verdict
}
