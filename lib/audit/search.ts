/**
 * Searches the audit trail, the newest rows first. A page costs the same however long the trail is: it goes by the index
 * of the condition that the fewest rows fulfil, and looks at no more than `window` of them. A page may therefore have
 * fewer rows than asked for, or none, and still say where the next one begins.
 */
import type { ExpressionBuilder } from 'kysely'
import type { Db } from '../database/connect.ts'
import type { AuditTable, Database } from '../database/schema.ts'

/** How many rows of one index a page looks at, at most. */
const window = 2_000

/** What can be asked of a row, each with its column. */
export const searchColumns = {
  event: 'event',
  action: 'action',
  initiator: 'initiator',
  target: 'target',
  /** The impersonator. */
  actor: 'actor_id',
  subject: 'subject_id',
  application: 'application_id',
  organization: 'organization_id',
  impersonation: 'impersonation_id',
  outcome: 'outcome',
  trace: 'trace_id',
} as const satisfies Record<string, keyof AuditTable>

export type SearchName = keyof typeof searchColumns

/** Between two pages: behind the row of this instant and id. */
export interface Place {
  /** ISO 8601 with milliseconds. */
  readonly at: string
  readonly id: string
}

export interface Search {
  /** All of them must hold. */
  readonly equal: Readonly<Partial<Record<SearchName, string>>>
  /** This instant and later. */
  readonly from?: Date | undefined
  /** Earlier than this instant. */
  readonly to?: Date | undefined
  readonly after?: Place | undefined
  readonly limit: number
}

export interface Found {
  readonly rows: readonly AuditTable[]
  /** Where the next page begins; undefined behind the last one. */
  readonly next: Place | undefined
  /** The newest position that a checkpoint is signed for, 0 without one. */
  readonly provenTo: number
}

type Audit = ExpressionBuilder<Database, 'audit'>
type Condition = (eb: Audit) => ReturnType<Audit['and']>

const equals =
  (column: keyof AuditTable, value: string): Condition =>
  (eb) =>
    eb.and([eb(column, '=', value)])

/** Literally what the predicate of the index says, so that the index can be used. */
const differs =
  (...pairs: readonly (readonly [keyof AuditTable, keyof AuditTable])[]): Condition =>
  (eb) =>
    eb.and(pairs.map(([one, other]) => eb(one, '<>', eb.ref(other))))

const all = (conditions: readonly Condition[]) => (eb: Audit) =>
  eb.and(conditions.map((condition) => condition(eb)))

/** Some of the rows that are asked for: `by` is what one index finds, `rest` is looked at row by row. */
interface Part {
  readonly sealed: boolean
  readonly by: readonly Condition[]
  readonly rest: readonly Condition[]
}

/**
 * The sealed rows that fulfil a condition, in parts that have no row in common: who stands in two columns of a row is in
 * the index of the first one only (schema.sql).
 */
const partsOf = (name: SearchName, value: string): readonly Part[] => {
  const own = equals(searchColumns[name], value)
  const asInitiator: Part = { sealed: true, by: [equals('initiator', value)], rest: [own] }
  const otherTarget = differs(['target', 'initiator'])
  const alone = (...by: readonly Condition[]): Part => ({ sealed: true, by, rest: [] })
  switch (name) {
    case 'target':
      return [asInitiator, alone(own, otherTarget)]
    case 'actor':
      return [asInitiator, alone(own, differs(['actor_id', 'initiator']))]
    case 'subject':
      return [
        asInitiator,
        { sealed: true, by: [equals('target', value), otherTarget], rest: [own] },
        alone(own, differs(['subject_id', 'initiator'], ['subject_id', 'target'])),
      ]
    default:
      return [alone(own)]
  }
}

/** What has an index; where all are full of rows, the first one that is asked for is gone by. */
const indexed: readonly SearchName[] = [
  'trace',
  'impersonation',
  'target',
  'initiator',
  'subject',
  'actor',
  'application',
  'event',
  'organization',
]

const isBehind = (row: Place, place: Place) => row.at < place.at || (row.at === place.at && row.id < place.id)

/** What the index of a part finds between the ends of a search. */
const foundBy = (db: Db, { from, to, after }: Search, { sealed, by }: Part) => {
  let rows = db
    .selectFrom('audit')
    .where('position', sealed ? 'is not' : 'is', null)
    .where(all(by))
    // always an end: without one SQLite may go by the index of positions, and sort them all
    .where('at', '>=', from?.toISOString() ?? '')
  if (to) rows = rows.where('at', '<', to.toISOString())
  if (after)
    rows = rows
      .where('at', '<=', after.at)
      .where((eb) => eb.or([eb('at', '<', after.at), eb('id', '<', after.id)]))
  return rows
}

/** The parts of the condition that the fewest rows fulfil, as far as a window shows, and what is left to be asked. */
const rarest = async (db: Db, search: Search): Promise<readonly Part[]> => {
  const asked = indexed.flatMap((name) => {
    const value = search.equal[name]
    return value === undefined ? [] : [{ name, parts: partsOf(name, value) }]
  })
  let best = asked[0]
  if (asked.length > 1) {
    const sizes = await Promise.all(
      asked.map(async ({ parts }) => {
        const counts = parts.map((part) => {
          const rows = foundBy(db, search, part).select('id').limit(window).as('audit')
          return db
            .selectFrom(rows)
            .select((eb) => eb.fn.countAll().as('n'))
            .executeTakeFirst()
        })
        return (await Promise.all(counts)).reduce((sum, row) => sum + Number(row?.n ?? 0), 0)
      }),
    )
    best = asked[sizes.indexOf(Math.min(...sizes))]
  }
  const name = best?.name
  const rest = Object.entries(search.equal).flatMap(([other, value]) =>
    other === name ? [] : [equals(searchColumns[other as SearchName], value)],
  )
  const parts = best?.parts ?? [{ sealed: true, by: [], rest: [] }]
  return parts.map((part) => ({ ...part, rest: [...part.rest, ...rest] }))
}

interface Read {
  readonly rows: readonly AuditTable[]
  /** How far it looked, where there is more behind. */
  readonly end: Place | undefined
}

const readPart = async (db: Db, search: Search, part: Part): Promise<Read> => {
  const most = search.limit + 1
  const looked = part.rest.length === 0 ? most : window
  const found = foundBy(db, search, part).orderBy('at', 'desc').orderBy('id', 'desc')
  const rows = await db
    .selectFrom(found.selectAll().limit(looked).as('audit'))
    .selectAll()
    .where(all(part.rest))
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(most)
    .execute()
  if (rows.length === most) return { rows, end: rows.at(-1) }
  if (part.rest.length === 0) return { rows, end: undefined }
  const end = await found
    .select(['at', 'id'])
    .limit(1)
    .offset(window - 1)
    .executeTakeFirst()
  return { rows, end }
}

/** The newest position that a checkpoint is signed for, 0 without one. */
const provenTo = async (db: Db): Promise<number> => {
  const last = await db
    .selectFrom('audit_checkpoint')
    .select('position')
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last?.position ?? 0
}

/** One page, the newest row first. */
export const searchAudit = async (db: Db, search: Search): Promise<Found> => {
  const unsealed: Part = {
    sealed: false,
    by: [],
    rest: Object.entries(search.equal).map(([name, value]) =>
      equals(searchColumns[name as SearchName], value),
    ),
  }
  // those that are not sealed first: what is sealed meanwhile is read twice and shown once, never missed
  const fresh = await readPart(db, search, unsealed)
  const sealed = await Promise.all((await rarest(db, search)).map((part) => readPart(db, search, part)))
  const reads = [fresh, ...sealed]
  const ends = reads.flatMap(({ end }) => end ?? [])
  // whoever looked least far says how far the page goes
  const edge = ends.reduce<Place | undefined>(
    (newest, end) => (newest && !isBehind(newest, end) ? newest : end),
    undefined,
  )
  const byId = new Map(reads.flatMap(({ rows }) => rows).map((row) => [row.id, row]))
  const rows = [...byId.values()]
    .filter((row) => !edge || !isBehind(row, edge))
    .sort((one, other) => (isBehind(one, other) ? 1 : -1))
  const proven = await provenTo(db)
  const shown = rows.slice(0, search.limit)
  return { rows: shown, next: rows.length > search.limit ? shown.at(-1) : edge, provenTo: proven }
}

/** One row, with the newest position that is signed for. */
export const findAuditRow = async (
  db: Db,
  id: string,
): Promise<{ readonly row: AuditTable; readonly provenTo: number } | undefined> => {
  const row = await db.selectFrom('audit').selectAll().where('id', '=', id).executeTakeFirst()
  return row && { row, provenTo: await provenTo(db) }
}

export interface ListedCheckpoint {
  readonly position: number
  readonly link: string
  readonly at: string
  readonly statement: string
}

/** Checkpoints, the newest first, behind (that is, before) a position. */
export const listCheckpoints = async (
  db: Db,
  before: number | undefined,
  limit: number,
): Promise<readonly ListedCheckpoint[]> => {
  let found = db
    .selectFrom('audit_checkpoint')
    .select(['position', 'link', 'at', 'statement'])
    .orderBy('position', 'desc')
    .limit(limit)
  if (before !== undefined) found = found.where('position', '<', before)
  return found.execute()
}
