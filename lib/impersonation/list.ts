/**
 * Impersonations as a list, the newest first: one page costs the same however many there are. Each stored state is read
 * by its own index range and they are merged; what time it is decides which of the open ones live.
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { idsFrom } from './ids.ts'

export const impersonationStates = ['authorized', 'active', 'ended', 'expired', 'refused'] as const
export type ImpersonationState = (typeof impersonationStates)[number]

export interface Person {
  readonly id: string
  /** Undefined when the account is gone. */
  readonly userName: string | undefined
}

export interface ListedImpersonation {
  readonly id: string
  readonly lineageId: string | null
  readonly state: ImpersonationState
  readonly impersonator: Person
  readonly subject: Person
  readonly application: { readonly id: string; readonly name: string | undefined; readonly clientId: string }
  readonly organizationId: string
  readonly scopes: readonly string[]
  readonly reason: string | null
  readonly ticket: string | null
  readonly authorizedAt: string
  readonly startedAt: string | null
  readonly lastUsedAt: string | null
  /** When it ends by itself; null for a refused one. */
  readonly expiresAt: string | null
  readonly refusedAt: string | null
  readonly refusal: string | null
  readonly endedAt: string | null
  readonly endedBy: string | null
  readonly endReason: string | null
  readonly endComment: string | null
}

/** All of these hold. */
export interface ImpersonationFilter {
  readonly impersonator?: string | undefined
  readonly subject?: string | undefined
  readonly application?: string | undefined
  readonly state?: ImpersonationState | undefined
  /** Without those that were refused. */
  readonly withoutRefused?: boolean | undefined
  /** Authorized, or asked for, then or later. */
  readonly from?: Date | undefined
  /** Before then. */
  readonly to?: Date | undefined
}

/** Behind an impersonation: older ones (`after`), or newer ones (`before`). */
export interface ImpersonationPage {
  readonly limit: number
  readonly after?: string | undefined
  readonly before?: string | undefined
}

const stored = ['open', 'ended', 'expired', 'refused'] as const
type Stored = (typeof stored)[number]

const ended = sql<SqlBool>`(lineage.ended_at is not null or session.ended_at is not null)`
const lives = (now: string) => sql<SqlBool>`(not ${ended} and lineage.ends_at > ${now})`

/** Where those of a state are: ranges of the index, and what must be so of the rows there. */
const places = (
  state: ImpersonationState | undefined,
  now: string,
): readonly { readonly state: Stored; readonly also?: RawBuilder<SqlBool> }[] => {
  switch (state) {
    case undefined:
      return stored.map((each) => ({ state: each }))
    case 'authorized':
      return [{ state: 'open', also: sql`impersonation.started_at is null and ${lives(now)}` }]
    case 'active':
      return [{ state: 'open', also: sql`impersonation.started_at is not null and ${lives(now)}` }]
    case 'ended':
      return [{ state: 'ended' }, { state: 'open', also: ended }]
    case 'expired':
      return [{ state: 'expired' }, { state: 'open', also: sql`not ${ended} and lineage.ends_at <= ${now}` }]
    case 'refused':
      return [{ state: 'refused' }]
  }
}

const select = (db: Db) =>
  db
    .selectFrom('impersonation')
    .leftJoin('lineage', 'lineage.id', 'impersonation.lineage_id')
    .leftJoin('lineage as session', 'session.id', 'lineage.session_id')
    .leftJoin('account as impersonator', 'impersonator.id', 'impersonation.impersonator_id')
    .leftJoin('account as subject', 'subject.id', 'impersonation.subject_id')
    .leftJoin('application', 'application.id', 'impersonation.application_id')
    .selectAll('impersonation')
    .select([
      'impersonator.user_name as impersonator_name',
      'subject.user_name as subject_name',
      'application.name as application_name',
      'lineage.ends_at',
      'lineage.ended_at as lineage_ended_at',
      'lineage.ended_by as lineage_ended_by',
      'lineage.end_reason as lineage_end_reason',
      'lineage.end_comment as lineage_end_comment',
      'session.ended_at as session_ended_at',
      'session.ended_by as session_ended_by',
    ])

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const listed = (row: Row, now: Date): ListedImpersonation => {
  const endedAt = row.ended_at ?? row.lineage_ended_at ?? row.session_ended_at
  const isExpired = row.state === 'expired' || (row.ends_at !== null && row.ends_at <= now.toISOString())
  const state = (): ImpersonationState => {
    if (row.state === 'refused' || row.state === 'ended' || row.state === 'expired') return row.state
    if (endedAt !== null) return 'ended'
    if (isExpired) return 'expired'
    return row.started_at === null ? 'authorized' : 'active'
  }
  const bySession = row.ended_at === null && row.lineage_ended_at === null && row.session_ended_at !== null
  const byTime = state() === 'expired'
  return {
    id: row.id,
    lineageId: row.lineage_id,
    state: state(),
    impersonator: { id: row.impersonator_id, userName: row.impersonator_name ?? undefined },
    subject: { id: row.subject_id, userName: row.subject_name ?? undefined },
    application: {
      id: row.application_id,
      name: row.application_name ?? undefined,
      clientId: row.client_id,
    },
    organizationId: row.organization_id,
    scopes: row.scopes === '' ? [] : row.scopes.split(' '),
    reason: row.reason,
    ticket: row.ticket,
    authorizedAt: row.authorized_at,
    startedAt: row.started_at,
    lastUsedAt: row.last_used_at,
    expiresAt: row.ends_at,
    refusedAt: row.refused_at,
    refusal: row.refusal,
    endedAt: endedAt ?? (byTime ? row.ends_at : null),
    endedBy: row.ended_by ?? row.lineage_ended_by ?? row.session_ended_by ?? (byTime ? 'system' : null),
    endReason:
      row.end_reason ??
      row.lineage_end_reason ??
      (bySession ? 'session-ended' : endedAt !== null ? 'ended' : byTime ? 'expired' : null),
    endComment: row.end_comment ?? row.lineage_end_comment,
  }
}

/** The columns that an index begins with, the most telling first. */
const dimensions = ['impersonator', 'subject', 'application'] as const

/** One page of an organization's impersonations, and whether there are more behind it in the direction that was asked for. */
export const listImpersonations = async (
  db: Db,
  organizationId: string,
  filter: ImpersonationFilter,
  page: ImpersonationPage,
  now: Date,
): Promise<{ readonly items: readonly ListedImpersonation[]; readonly hasMore: boolean }> => {
  const leading = dimensions.find((name) => filter[name] !== undefined)
  const backwards = page.before !== undefined
  const read = (place: ReturnType<typeof places>[number]) => {
    let query = select(db).where('impersonation.state', '=', place.state)
    for (const name of dimensions) {
      const value = filter[name]
      if (value === undefined) continue
      // the index to go by is that of the first; the others are looked at in its rows
      query =
        name === leading
          ? query.where(`impersonation.${name}_id`, '=', value)
          : query.where(sql<SqlBool>`${sql.ref(`impersonation.${name}_id`)} || '' = ${value}`)
    }
    query =
      leading === undefined
        ? query.where('impersonation.organization_id', '=', organizationId)
        : query.where(sql<SqlBool>`impersonation.organization_id || '' = ${organizationId}`)
    if (place.also) query = query.where(place.also)
    if (filter.from) query = query.where('impersonation.id', '>=', idsFrom(filter.from))
    if (filter.to) query = query.where('impersonation.id', '<', idsFrom(filter.to))
    if (page.after !== undefined) query = query.where('impersonation.id', '<', page.after)
    if (page.before !== undefined) query = query.where('impersonation.id', '>', page.before)
    return query
      .orderBy('impersonation.id', backwards ? 'asc' : 'desc')
      .limit(page.limit + 1)
      .execute()
  }
  const wanted = places(filter.state, now.toISOString()).filter(
    ({ state }) => state !== 'refused' || filter.withoutRefused !== true,
  )
  const found = (await Promise.all(wanted.map(read))).flat()
  // one that was settled meanwhile may have been met in both places
  const rows = [...new Map(found.map((row) => [row.id, row])).values()].sort((one, other) =>
    one.id < other.id === backwards ? -1 : 1,
  )
  const items = rows.slice(0, page.limit).map((row) => listed(row, now))
  return { items: backwards ? items.reverse() : items, hasMore: rows.length > page.limit }
}

/** One of the organization's impersonations. */
export const findImpersonation = async (
  db: Db,
  organizationId: string,
  id: string,
  now: Date,
): Promise<ListedImpersonation | undefined> => {
  const row = await select(db)
    .where('impersonation.id', '=', id)
    .where('impersonation.organization_id', '=', organizationId)
    .executeTakeFirst()
  return row && listed(row, now)
}
