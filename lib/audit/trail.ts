/** The sealed rows as the database has them: what is verified and exported, page by page. */
import type { Db } from '../database/connect.ts'
import { genesis, type Head, sealedColumns } from './chain.ts'
import type { ChainedRow, Checkpoint } from './verify.ts'

const page = 1_000

/** Positions, the first and the last; both are part of it. */
export interface Part {
  readonly first: number
  readonly last: number
}

/** The sealed rows of a part in the order of their positions. */
export const sealedRows = async function* (db: Db, { first, last }: Part): AsyncGenerator<ChainedRow> {
  for (let from = first; from <= last; ) {
    const rows = await db
      .selectFrom('audit')
      .select([...sealedColumns, 'position', 'link'])
      .where('position', '>=', from)
      .where('position', '<=', last)
      .orderBy('position')
      .limit(page)
      .execute()
    for (const { position, link, ...row } of rows) {
      // the condition says that they are there; `link` may have been taken away by hand
      if (position !== null) yield { ...row, position, link: link ?? '' }
    }
    if (rows.length < page) return
    from = (rows.at(-1)?.position ?? last) + 1
  }
}

/** The checkpoints of a part, and those behind its end where `beyond` says so. */
export const checkpointsOf = (
  db: Db,
  { first, last }: Part,
  beyond = false,
): Promise<readonly Checkpoint[]> => {
  const found = db
    .selectFrom('audit_checkpoint')
    .select(['position', 'statement'])
    .where('position', '>=', first)
    .orderBy('position')
  return (beyond ? found : found.where('position', '<=', last)).execute()
}

/** All that is kept, from the first sealed row to the last; undefined when nothing is sealed. */
export const wholePart = async (db: Db): Promise<Part | undefined> => {
  const edge = (direction: 'asc' | 'desc') =>
    db
      .selectFrom('audit')
      .select('position')
      .where('position', 'is not', null)
      .orderBy('position', direction)
      .limit(1)
      .executeTakeFirst()
  const [first, last] = [await edge('asc'), await edge('desc')]
  return first?.position && last?.position ? { first: first.position, last: last.position } : undefined
}

/** What stands before a position: the row or, where retention took it, the checkpoint; undefined when neither does. */
export const headBefore = async (db: Db, position: number): Promise<Head | undefined> => {
  if (position <= 1) return genesis
  const row = await db
    .selectFrom('audit')
    .select(['position', 'link'])
    .where('position', '=', position - 1)
    .executeTakeFirst()
  if (row?.link) return { position: position - 1, link: row.link }
  return db
    .selectFrom('audit_checkpoint')
    .select(['position', 'link'])
    .where('position', '=', position - 1)
    .executeTakeFirst()
}

/** How many rows are committed and have no place in the chain yet. */
export const unsealedRows = async (db: Db): Promise<number> => {
  const { n } = await db
    .selectFrom('audit')
    .select((eb) => eb.fn.countAll().as('n'))
    .where('position', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(n)
}

/** The positions of the sealed rows that happened between two instants, from the first to the last of them. */
export const partBetween = async (
  db: Db,
  from: Date | undefined,
  to: Date | undefined,
): Promise<Part | undefined> => {
  let found = db
    .selectFrom('audit')
    .select((eb) => [eb.fn.min('position').as('first'), eb.fn.max('position').as('last')])
    .where('position', 'is not', null)
  if (from) found = found.where('at', '>=', from.toISOString())
  if (to) found = found.where('at', '<', to.toISOString())
  const { first, last } = await found.executeTakeFirstOrThrow()
  return first === null || last === null ? undefined : { first: Number(first), last: Number(last) }
}
