/**
 * The chain of sealed audit rows. Each link is a hash over the link before it and the row, so a row that was changed,
 * deleted, inserted or moved breaks it there; signed checkpoints say what the chain was.
 */
import type { AuditTable } from '../database/schema.ts'

/** A row as it is sealed: without what changes after it was written. */
export type SealedRow = Omit<AuditTable, 'writer' | 'line_at' | 'position' | 'link'>

/** Where a link stands; of no row at all the position is 0. */
export interface Head {
  readonly position: number
  readonly link: string
}

/** Before the first row. */
export const genesis: Head = { position: 0, link: 'mayact' }

/** The columns in the order in which they are hashed. */
export const sealedColumns = [
  'id',
  'at',
  'event',
  'action',
  'initiator',
  'target',
  'data',
  'outcome',
  'actor_id',
  'subject_id',
  'application_id',
  'organization_id',
  'impersonation_id',
  'trace_id',
] as const satisfies readonly (keyof SealedRow)[]

/** The link of a row behind another: SHA-256 over both, base64url. */
export const nextLink = (before: Head, row: SealedRow): string =>
  new Bun.CryptoHasher('sha256')
    .update(JSON.stringify([before.position + 1, before.link, ...sealedColumns.map((name) => row[name])]))
    .digest('base64url')

/** What a checkpoint's statement says: the chain had this link at this position. */
export interface Statement {
  readonly position: number
  readonly link: string
  /** ISO 8601, when it was signed. */
  readonly at: string
}

/** The `typ` of its JWS, so that no token is one and it is no token. */
export const statementType = 'audit-checkpoint+jwt'
