/** What the audit trail says of impersonations, with the rows that they have: what messages and tokens are made of. */
import type { Db } from '../database/connect.ts'
import type { AuditTable } from '../database/schema.ts'
import type { WebhookEvent } from './webhook.ts'

/** The audit events that are told of, with the type under which webhooks hear of them. */
export const toldOf: ReadonlyMap<string, WebhookEvent> = new Map([
  ['subject-token-issued', 'impersonation.authorized'],
  ['impersonated-token-issued', 'impersonation.started'],
  ['impersonation-ended', 'impersonation.ended'],
  ['impersonation-refused', 'impersonation.refused'],
])

/** Something that happened to an impersonation; ids only, and nothing that anybody typed but reason and ticket. */
export interface Happened {
  readonly type: WebhookEvent
  /** The audit row's id. */
  readonly event: string
  readonly at: string
  readonly trace: string
  readonly impersonation: string | null
  readonly impersonator: string | null
  /** Null where there is no such account: a refused request can name anything. */
  readonly subject: string | null
  readonly application: string | null
  readonly client: string | null
  readonly organization: string | null
  readonly scopes: readonly string[]
  readonly reason: string | null
  readonly ticket: string | null
  readonly authorizedAt: string | null
  readonly startedAt: string | null
  /** Who did it: an account's id, `system`, or a client id. */
  readonly by: string
  readonly data: Readonly<Record<string, unknown>>
}

export const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : null

const present = (ids: readonly (string | null)[]): readonly string[] => [
  ...new Set(ids.filter((id): id is string => id !== null)),
]

const impersonationsOf = async (db: Db, ids: readonly string[]) => {
  if (ids.length === 0) return new Map<string, never>()
  const rows = await db
    .selectFrom('impersonation')
    .select(['id', 'scopes', 'reason', 'ticket', 'authorized_at', 'started_at'])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

const accountsAmong = async (db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> => {
  if (ids.length === 0) return new Set()
  const rows = await db.selectFrom('account').select('id').where('id', 'in', ids).execute()
  return new Set(rows.map(({ id }) => id))
}

/** What these audit rows say, in their order; rows of other events are left out. */
export const whatHappened = async (db: Db, rows: readonly AuditTable[]): Promise<readonly Happened[]> => {
  const refusals = rows.filter(({ event }) => event === 'impersonation-refused')
  const [impersonations, accounts] = await Promise.all([
    impersonationsOf(db, present(rows.map((row) => row.impersonation_id))),
    accountsAmong(db, present(refusals.map((row) => row.subject_id))),
  ])
  return rows.flatMap((row) => {
    const type = toldOf.get(row.event)
    if (!type) return []
    const data = JSON.parse(row.data) as Record<string, unknown>
    const known = impersonations.get(row.impersonation_id ?? '')
    const scopes = known?.scopes ?? textOf(data.scope) ?? ''
    const isKnown = type !== 'impersonation.refused' || accounts.has(row.subject_id ?? '')
    return {
      type,
      event: row.id,
      at: row.at,
      trace: row.trace_id,
      impersonation: row.impersonation_id,
      impersonator: row.actor_id,
      subject: isKnown ? row.subject_id : null,
      application: row.application_id,
      client: textOf(data.clientId),
      organization: row.organization_id,
      scopes: scopes.split(' ').filter((scope) => scope !== ''),
      // of a refusal that is not kept its own row alone says it
      reason: known?.reason ?? textOf(data.impersonationReason),
      ticket: known?.ticket ?? textOf(data.impersonationTicket),
      authorizedAt: known?.authorized_at ?? null,
      startedAt: textOf(data.startedAt) ?? known?.started_at ?? null,
      by: row.initiator,
      data,
    }
  })
}
