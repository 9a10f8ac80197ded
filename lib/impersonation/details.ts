/** What hangs on one impersonation: its tokens (never their values), the requests made with them, its audit events. */
import { everywhere, type Place, rowsOf } from '../audit/of-impersonations.ts'
import type { AuditEvent } from '../audit.ts'
import type { Db } from '../database/connect.ts'
import type { ListedImpersonation } from './list.ts'
import { useEvents } from './settle.ts'

/** As many rows of each kind are shown, the newest ones. */
const most = 500
/** And so many rows of its beginning. */
const beginning = 20
const mostCounted = 10_000

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

/** How many there are, shown or not. */
export interface Totals {
  readonly tokens: number
  readonly requests: number
  readonly events: number
  /** False where there may be more: only so many rows are counted. */
  readonly isExact: boolean
}

export interface ImpersonationDetails {
  readonly tokens: readonly ShownToken[]
  readonly requests: readonly ShownRequest[]
  /** Its life: authorized, started, refreshed, refused, ended. */
  readonly events: readonly ShownEvent[]
  readonly totals: Totals
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

/** The newest or the first rows of its part of the trail, the oldest first. */
const rowsAtAnEnd = async (db: Db, id: string, direction: 'asc' | 'desc', count: number) => {
  const rows = await everywhere((place) =>
    rowsOf(db, [id], place)
      .select(['id', 'at', 'event', 'action', 'initiator', 'target', 'data', 'outcome', 'trace_id'])
      .orderBy('at', direction)
      .orderBy('id', direction)
      .limit(count)
      .execute(),
  )
  const key = ({ at, id: row }: (typeof rows)[number]) => `${at} ${row}`
  const sorted = rows.toSorted((one, other) => (key(one) < key(other) ? -1 : 1))
  return direction === 'asc' ? sorted.slice(0, count) : sorted.slice(-count)
}

type Row = Awaited<ReturnType<typeof rowsAtAnEnd>>[number]

/** How many there are of each kind. */
const totalsOf = async (db: Db, id: string, lineageId: string | null): Promise<Totals> => {
  const counted = (place: Place) =>
    db
      .selectFrom(rowsOf(db, [id], place).select('event').limit(mostCounted).as('part'))
      .select(['event', (eb) => eb.fn.countAll().as('n')])
      .groupBy('event')
  // one statement, so that what is sealed meanwhile is counted once
  const rows = await counted('unsealed').unionAll(counted('sealed')).execute()
  const sum = (wanted: (event: string) => boolean) =>
    rows.reduce((total, { event, n }) => total + (wanted(event) ? Number(n) : 0), 0)
  const { n } =
    lineageId === null
      ? { n: 0 }
      : await db
          .selectFrom(
            db
              .selectFrom('token')
              .select('hash')
              .where('lineage_id', '=', lineageId)
              .limit(mostCounted)
              .as('token'),
          )
          .select((eb) => eb.fn.countAll().as('n'))
          .executeTakeFirstOrThrow()
  return {
    tokens: Number(n),
    requests: sum(isUse),
    events: sum((event) => ofItsLife.has(event)),
    isExact: Number(n) < mostCounted && sum(() => true) < mostCounted,
  }
}

const eventOf = ({ data: _, action: _action, trace_id: _trace, ...row }: Row): ShownEvent => row

/** The requests among these rows, the newest, each with what it did. */
const requestsAmong = (rows: readonly Row[]): readonly ShownRequest[] => {
  const changes = Map.groupBy(
    rows.filter(({ event }) => !isUse(event) && !ofItsLife.has(event)),
    ({ trace_id }) => trace_id,
  )
  return rows
    .filter(({ event }) => isUse(event))
    .slice(-most)
    .map((row) => {
      const data: Readonly<Record<string, unknown>> = JSON.parse(row.data)
      return {
        at: row.at,
        action: row.action,
        method: textOf(data, 'httpMethod'),
        path: textOf(data, 'ResourcePath'),
        outcome: row.outcome,
        traceId: row.trace_id,
        changes: (changes.get(row.trace_id) ?? []).map(eventOf),
      }
    })
}

export const detailsOf = async (
  db: Db,
  { id, lineageId }: Pick<ListedImpersonation, 'id' | 'lineageId'>,
): Promise<ImpersonationDetails> => {
  const [tokens, first, newest, totals] = await Promise.all([
    lineageId === null
      ? []
      : db
          .selectFrom('token')
          .select(['id', 'class', 'scopes', 'issued_at', 'expires_at', 'spent_at'])
          .where('lineage_id', '=', lineageId)
          .orderBy('issued_at', 'desc')
          .orderBy('id', 'desc')
          .limit(most)
          .execute(),
    rowsAtAnEnd(db, id, 'asc', beginning),
    rowsAtAnEnd(db, id, 'desc', 4 * most),
    totalsOf(db, id, lineageId),
  ])
  // how it began is shown, however much came after
  const known = new Set(newest.map((row) => row.id))
  const life = [...first.filter((row) => !known.has(row.id)), ...newest].filter(({ event }) =>
    ofItsLife.has(event),
  )
  const events = life.length > most ? [...life.slice(0, beginning), ...life.slice(beginning - most)] : life
  return {
    tokens: tokens.toReversed().map(({ scopes, issued_at, expires_at, spent_at, ...token }) => ({
      ...token,
      scopes: words(scopes),
      issuedAt: issued_at,
      expiresAt: expires_at,
      spentAt: spent_at,
    })),
    requests: requestsAmong(newest),
    events: events.map(eventOf),
    totals,
  }
}
