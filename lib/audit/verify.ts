/**
 * Proves a part of the audit trail: every row hashes to its link, no position is missing, and each checkpoint was signed
 * over just that link. Names the first thing that is wrong. It needs the records alone, no database and no server.
 */
import { createLocalJWKSet, errors, type JWK, jwtVerify } from 'jose'
import { type Head, nextLink, type SealedRow, statementType } from './chain.ts'

export interface ChainedRow extends SealedRow {
  readonly position: number
  readonly link: string
}

export interface Checkpoint {
  readonly position: number
  /** The JWS. */
  readonly statement: string
}

export interface Trail {
  /** What the first row follows: `genesis`, or what an earlier part ended with. */
  readonly previous: Head
  /** In the order of their positions. */
  readonly rows: AsyncIterable<ChainedRow>
  /** In the order of their positions; those before the first row are not looked at. */
  readonly checkpoints: readonly Checkpoint[]
  /** Keys of `audit_key`, or those that somebody keeps elsewhere. */
  readonly keys: readonly JWK[]
}

export type Verdict =
  | {
      readonly intact: true
      readonly rows: number
      /** The end of what was looked at. */
      readonly head: Head
      /** The last position that a checkpoint proves; rows behind it are in the chain and not signed for yet. */
      readonly provenTo: number
    }
  | { readonly intact: false; readonly position: number; readonly why: string }

const bad = (position: number, why: string): Verdict => ({ intact: false, position, why })

/** What a statement says, or undefined when none of the keys signed it. */
const readStatement = async (
  statement: string,
  keys: ReturnType<typeof createLocalJWKSet>,
): Promise<{ readonly position: unknown; readonly link: unknown } | undefined> => {
  try {
    const { payload } = await jwtVerify(statement, keys, { typ: statementType, algorithms: ['ES256'] })
    return { position: payload.position, link: payload.link }
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

/** Verifies from the first row to the last. */
export const verifyTrail = async ({ previous, rows, checkpoints, keys }: Trail): Promise<Verdict> => {
  const set = createLocalJWKSet({ keys: [...keys] })
  const signed = checkpoints.filter(({ position }) => position > previous.position)
  let next = 0
  let head = previous
  let provenTo = previous.position
  let count = 0
  for await (const row of rows) {
    const expected = head.position + 1
    if (row.position !== expected) {
      return bad(
        expected,
        row.position > expected
          ? `the row at position ${expected} is missing`
          : `a row too many at position ${row.position}: ${row.id}`,
      )
    }
    const link = nextLink(head, row)
    if (link !== row.link) return bad(expected, `the row ${row.id} is not what was sealed`)
    head = { position: expected, link }
    count += 1
    for (; signed[next]?.position === expected; next += 1) {
      const said = await readStatement(signed[next]?.statement ?? '', set)
      if (!said)
        return bad(expected, `the checkpoint at position ${expected} was not signed by the audit key`)
      if (said.position !== expected || said.link !== link)
        return bad(expected, `the checkpoint at position ${expected} was signed over other rows`)
      provenTo = expected
    }
  }
  const beyond = signed[next]
  if (beyond)
    return bad(
      head.position + 1,
      `rows are missing at the end: there is a checkpoint at position ${beyond.position}`,
    )
  return { intact: true, rows: count, head, provenTo }
}
