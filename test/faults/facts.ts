/** What the checks of the fault test look at: the database as it is in the end, the lines, the mail, the answers. */
import { readFileSync } from 'node:fs'
import { sql } from 'kysely'
import type { Db } from '../../lib/database/connect.ts'
import { isPostgres } from '../../lib/database/connect.ts'
import type { AuditTable } from '../../lib/database/schema.ts'
import type { Held } from './load.ts'

export interface TokenFact {
  readonly hash: string
  readonly id: string
  readonly class: string
  readonly impersonationId: string | null
}

export interface ImpersonationFact {
  readonly id: string
  readonly state: string
  readonly startedAt: string | null
  readonly endsAt: string
  /** Of its lineage, or of the session that it began in. */
  readonly endedAt: string | null
  readonly settledAt: string | null
}

export interface MailFact {
  readonly messageId: string
  readonly template: string
  readonly recipient: string
  readonly impersonationId: string | null
  readonly sentAt: string | null
}

export interface BlockFact {
  readonly kind: string
  readonly block: string
  readonly n: number
}

export interface Stored {
  readonly tokens: readonly TokenFact[]
  readonly audit: readonly AuditTable[]
  readonly impersonations: readonly ImpersonationFact[]
  readonly outbox: readonly MailFact[]
  readonly population: readonly BlockFact[]
  /** What there is to count, by the same blocks. */
  readonly counted: readonly BlockFact[]
  readonly people: ReadonlySet<string>
  /** What the database says of itself: `ok`, or what is broken. */
  readonly integrity: readonly string[]
}

export interface Facts extends Stored {
  /** What arrived at the mail server, in its order. */
  readonly deliveries: readonly { readonly messageId: string; readonly to: readonly string[] }[]
  /** Of audit.log and what was set aside of it. */
  readonly lines: readonly string[]
  readonly verify: { readonly code: number; readonly output: string }
  /** Where tokens that a client holds were taken in the end. */
  readonly taken: readonly { readonly held: Held; readonly at: readonly string[] }[]
}

const counts = async (db: Db): Promise<readonly BlockFact[]> => {
  const all: BlockFact[] = []
  for (const kind of ['account', 'user_group', 'role'] as const) {
    const { rows } = await sql<{ block: string; n: number | string }>`
      select substr(id, 35) as block, count(*) as n from ${sql.table(kind)} group by 1`.execute(db)
    for (const { block, n } of rows) all.push({ kind, block, n: Number(n) })
  }
  return all
}

const integrityOf = async (db: Db): Promise<readonly string[]> => {
  if (isPostgres(db)) return ['ok']
  const whole = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db)
  const { rows } = await sql<Record<string, unknown>>`pragma foreign_key_check`.execute(db)
  return [
    ...whole.rows.map((row) => row.integrity_check),
    ...rows.map((row) => `a reference to nothing: ${JSON.stringify(row)}`),
  ]
}

/** Reads the database of a server that has stopped. */
export const storedIn = async (db: Db): Promise<Stored> => {
  const impersonations = await db
    .selectFrom('impersonation')
    .innerJoin('lineage', 'lineage.id', 'impersonation.lineage_id')
    .leftJoin('lineage as session', 'session.id', 'lineage.session_id')
    .select([
      'impersonation.id',
      'impersonation.state',
      'impersonation.started_at as startedAt',
      'lineage.ends_at as endsAt',
      'lineage.ended_at as ended',
      'session.ended_at as sessionEnded',
      'lineage.settled_at as settledAt',
    ])
    .execute()
  const people = await db.selectFrom('account').select('id').execute()
  return {
    tokens: await db
      .selectFrom('token')
      .select(['hash', 'id', 'class', 'impersonation_id as impersonationId'])
      .execute(),
    audit: await db.selectFrom('audit').selectAll().orderBy('position').execute(),
    impersonations: impersonations.map(({ ended, sessionEnded, ...row }) => ({
      ...row,
      endedAt: ended ?? sessionEnded,
    })),
    outbox: await db
      .selectFrom('outbox')
      .select([
        'message_id as messageId',
        'template',
        'recipient',
        'impersonation_id as impersonationId',
        'sent_at as sentAt',
      ])
      .execute(),
    population: await db.selectFrom('population').select(['kind', 'block', 'n']).execute(),
    counted: await counts(db),
    people: new Set(people.map(({ id }) => id)),
    integrity: await integrityOf(db),
  }
}

/** The lines of some files; a kill may have left one of them empty. */
export const linesOf = (files: readonly string[]): readonly string[] =>
  files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== ''),
  )
