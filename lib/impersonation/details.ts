/** What hangs on one impersonation: its tokens (never their values), the requests made with them, its audit events. */
import { everywhere, rowsOf } from '../audit/of-impersonations.ts'
import type { AuditEvent } from '../audit.ts'
import type { Db } from '../database/connect.ts'
import type { ListedImpersonation } from './list.ts'
import { useEvents } from './settle.ts'

/** As many rows of each kind are shown, the first ones. */
const most = 500

export interface ShownToken {
  /** The `jti`. */
  readonly id: string
  readonly class: string
  readonly scopes: readonly string[]
  readonly issuedAt: string
  readonly expiresAt: string
  /** When a refresh token was rotated. */
  readonly spentAt: string | null
}

export interface ShownEvent {
  readonly id: string
  readonly at: string
  readonly event: string
  readonly initiator: string
  readonly target: string
  readonly outcome: string
}

export interface ShownRequest {
  readonly at: string
  readonly action: string
  readonly method: string
  readonly path: string
  readonly outcome: string
  readonly traceId: string
  /** What it did: the events of the same request. */
  readonly changes: readonly ShownEvent[]
}

export interface ImpersonationDetails {
  readonly tokens: readonly ShownToken[]
  readonly requests: readonly ShownRequest[]
  /** Its life: authorized, started, refreshed, refused, ended. */
  readonly events: readonly ShownEvent[]
}

const words = (text: string) => (text === '' ? [] : text.split(' '))

const isUse = (event: string) => useEvents.some((name) => name === event)
/** Events that name the impersonation because they are about it, not because they happened during it. */
const ofItsLife: ReadonlySet<string> = new Set<AuditEvent>([
  'subject-token-issued',
  'impersonated-token-issued',
  'impersonation-refused',
  'impersonation-ended',
  'token-refreshed',
  'token-revoked',
  'delegated-token-issued',
])

const textOf = (data: Readonly<Record<string, unknown>>, name: string) => String(data[name] ?? '')

export const detailsOf = async (
  db: Db,
  { id, lineageId }: Pick<ListedImpersonation, 'id' | 'lineageId'>,
): Promise<ImpersonationDetails> => {
  const [tokens, newest] = await Promise.all([
    lineageId === null
      ? []
      : db
          .selectFrom('token')
          .select(['id', 'class', 'scopes', 'issued_at', 'expires_at', 'spent_at'])
          .where('lineage_id', '=', lineageId)
          .orderBy('issued_at')
          .orderBy('id')
          .limit(most)
          .execute(),
    everywhere((place) =>
      rowsOf(db, [id], place)
        .select(['id', 'at', 'event', 'action', 'initiator', 'target', 'data', 'outcome', 'trace_id'])
        .orderBy('at')
        .orderBy('id')
        .limit(4 * most)
        .execute(),
    ),
  ])
  const rows = newest.toReversed()
  const shown = rows.map(({ data: _, action: _action, trace_id: _trace, ...row }) => row)
  const changes = rows.flatMap((row, index) => {
    const event = shown[index]
    return event && !isUse(row.event) && !ofItsLife.has(row.event) ? [{ traceId: row.trace_id, event }] : []
  })
  const byTrace = Map.groupBy(changes, ({ traceId }) => traceId)
  const requests = rows
    .filter(({ event }) => isUse(event))
    .map((row) => {
      const data: Readonly<Record<string, unknown>> = JSON.parse(row.data)
      return {
        at: row.at,
        action: row.action,
        method: textOf(data, 'httpMethod'),
        path: textOf(data, 'ResourcePath'),
        outcome: row.outcome,
        traceId: row.trace_id,
        changes: (byTrace.get(row.trace_id) ?? []).map(({ event }) => event),
      }
    })
  return {
    tokens: tokens.map(({ scopes, issued_at, expires_at, spent_at, ...token }) => ({
      ...token,
      scopes: words(scopes),
      issuedAt: issued_at,
      expiresAt: expires_at,
      spentAt: spent_at,
    })),
    requests: requests.slice(0, most),
    events: shown.filter(({ event }) => ofItsLife.has(event)).slice(0, most),
  }
}
