/**
 * The only way to write. A request reads, decides, and ends in one `commit`: a list of compiled statements that
 * happens whole or not at all. Guards among them say what must still be true at that moment; when one of them is
 * lost nothing was written and the caller decides again. There are no interactive transactions.
 */
import type { CompiledQuery, Kysely } from 'kysely'
import { commits, databaseTime } from '../metrics.ts'
import type { Database } from './schema.ts'

interface Compilable {
  compile(): CompiledQuery
}

/** One member of a commit; made by `write`, `exactly`, `holds`, `revisionIs` and `bump`. */
export type Write =
  | { readonly kind: 'write'; readonly query: CompiledQuery; readonly rows?: number }
  | { readonly kind: 'holds'; readonly query: CompiledQuery }
  | { readonly kind: 'revision'; readonly n: number }
  | { readonly kind: 'bump' }

/**
 * What became of a commit: `lost` when a guard did not hold, `conflict` when a unique or foreign key refused it.
 * In both nothing was written. Anything else (disk full, connection lost) is thrown, and nothing may be released.
 */
export type Outcome = 'committed' | 'lost' | 'conflict'

/** One engine's way to apply a list of writes atomically, to run a script, and to read without a detour. */
export interface Committer {
  select<Row>(query: CompiledQuery<Row>): Promise<Row[]>
  commit(writes: readonly Write[]): Promise<Outcome>
  script(text: string): Promise<void>
  close(): Promise<void>
}

/** The newest revision that anybody of this process read, and the milliseconds since the epoch when he began to. */
export interface SeenRevision {
  readonly n: number
  readonly at: number
}

interface Attached {
  readonly committer: Committer
  underWay: number
  seen: SeenRevision
  /** The latest reading of the revision, which requests of the same moment share. */
  reading: { readonly at: number; readonly n: Promise<number> } | undefined
}

const committers = new WeakMap<object, Attached>()

/** Ties a committer to the Kysely value that readers hold; called by `connect` alone. */
export const attach = (db: Kysely<Database>, committer: Committer) =>
  committers.set(db, { committer, underWay: 0, seen: { n: 0, at: 0 }, reading: undefined })

const committerOf = (db: Kysely<Database>) => {
  const attached = committers.get(db)
  if (!attached) throw new Error('this database was not opened by connect()')
  return attached
}

/** Hands work to the committer, and lets `close` know of it. */
const use = async <T>(db: Kysely<Database>, work: (committer: Committer) => Promise<T>): Promise<T> => {
  const attached = committerOf(db)
  attached.underWay += 1
  try {
    return await work(attached.committer)
  } finally {
    attached.underWay -= 1
  }
}

/** A statement that has to succeed, however many rows it touches. */
export const write = (query: Compilable): Write => ({ kind: 'write', query: query.compile() })

/** A statement that must touch exactly `rows` rows, or the commit is lost: how single-use things are spent. */
export const exactly = (rows: number, query: Compilable): Write => ({
  kind: 'write',
  query: query.compile(),
  rows,
})

/** A select that must find a row. On Postgres it keeps what it found locked (`for share`) until the commit ends. */
export const holds = (query: Compilable): Write => ({ kind: 'holds', query: query.compile() })

/** No administrative fact changed since revision `n` was read. */
export const revisionIs = (n: number): Write => ({ kind: 'revision', n })

/** This commit changes an administrative fact: decisions that read an older revision can no longer commit. */
export const bump: Write = { kind: 'bump' }

/** Several parts of one request may each bring the guard of the revision they read. */
const once = (item: Write, index: number, all: readonly Write[]) =>
  item.kind !== 'revision' ||
  all.findIndex((other) => other.kind === 'revision' && other.n === item.n) === index

/** Applies all of `writes` or none. Own writes are read back at once by the same process. */
export const commit = async (db: Kysely<Database>, writes: readonly Write[]): Promise<Outcome> => {
  const started = performance.now()
  const outcome = await use(db, (committer) => committer.commit(writes.filter(once)))
  databaseTime.observe((performance.now() - started) / 1000, 'commit')
  // who was overtaken, and who comes after a change of ours, reads it anew
  if (outcome !== 'committed' || writes.includes(bump)) committerOf(db).reading = undefined
  commits.add(outcome)
  return outcome
}

/** Runs an SQL script of an operator in one transaction; the revision grows, since it may have changed anything. */
export const runScript = async (db: Kysely<Database>, text: string): Promise<void> => {
  await use(db, (committer) => committer.script(text))
  committerOf(db).reading = undefined
}

/** Waits for what is under way and closes both the readers and the writer. */
export const close = async (db: Kysely<Database>): Promise<void> => {
  const attached = committerOf(db)
  while (attached.underWay > 0) await Bun.sleep(1)
  await attached.committer.close()
  await db.destroy()
}

/** Runs a compiled select past Kysely's executor, which costs more than a look-up by key. */
export const select = async <Row>(db: Kysely<Database>, query: CompiledQuery<Row>): Promise<Row[]> => {
  const started = performance.now()
  const rows = await committerOf(db).committer.select(query)
  databaseTime.observe((performance.now() - started) / 1000, 'read')
  return rows
}

const readNow = async (db: Kysely<Database>): Promise<number> => {
  const at = Date.now()
  const attached = committerOf(db)
  const [row] = await attached.committer.select(revisionQuery(db))
  if (!row) throw new Error('the database has no revision: its tables were not made by mayact')
  // answers may overtake each other; it never falls
  if (row.n >= attached.seen.n) attached.seen = { n: row.n, at }
  return row.n
}

/** Milliseconds for which a reading is shared; what another process changed within them is seen after them. */
const shared = 1

/**
 * The revision that a decision starts from (design.md §6.3). A request asks several times, and many at once: they share
 * a reading that is no older than a millisecond. A decision on it is guarded at its commit, however old it is.
 */
export const readRevision = (db: Kysely<Database>): Promise<number> => {
  const attached = committerOf(db)
  const at = performance.now()
  if (attached.reading && at - attached.reading.at < shared) return attached.reading.n
  const reading = { at, n: readNow(db) }
  attached.reading = reading
  reading.n.catch(() => {
    if (attached.reading === reading) attached.reading = undefined
  })
  return reading.n
}

/** What `readRevision` read last: whoever keeps something of the database sees by it whether that is still so. */
export const seenRevision = (db: Kysely<Database>): SeenRevision => committerOf(db).seen

const revisionQueries = new WeakMap<Kysely<Database>, CompiledQuery<{ n: number }>>()

/** Built once; every request reads it. (database/prepared.ts, which others use, imports this file.) */
const revisionQuery = (db: Kysely<Database>) => {
  const known = revisionQueries.get(db)
  if (known) return known
  const query = db.selectFrom('revision').select('n').where('id', '=', 1).compile()
  revisionQueries.set(db, query)
  return query
}
