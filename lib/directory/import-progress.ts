/** How far the import of a file has come: written in the commit of the users, so that a second run goes on behind them. */
import { commit, exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'

export interface ImportProgress {
  /** The last line that is done with; 0 before the first. */
  readonly line: number
  /** Users that were made, and lines that were refused. */
  readonly made: number
  readonly refused: number
  readonly finishedAt: string | null
}

const nothingDone: ImportProgress = { line: 0, made: 0, refused: 0, finishedAt: null }

/** The progress of the file with that SHA-256. */
export const importProgress = async (db: Db, file: string): Promise<ImportProgress> => {
  const row = await db
    .selectFrom('import_progress')
    .select(['line', 'made', 'refused', 'finished_at as finishedAt'])
    .where('id', '=', file)
    .executeTakeFirst()
  return row ?? nothingDone
}

/** Where the import of a file begins; `again` has it begin at its first line, whatever was done. */
export const beginImport = async (
  db: Db,
  file: string,
  again: boolean,
  now: Date,
): Promise<ImportProgress> => {
  const fresh = { line: 0, made: 0, refused: 0, updated_at: now.toISOString(), finished_at: null }
  const insert = db.insertInto('import_progress').values({ id: file, ...fresh })
  await commit(db, [
    write(
      insert.onConflict((conflict) =>
        again ? conflict.column('id').doUpdateSet(fresh) : conflict.column('id').doNothing(),
      ),
    ),
  ])
  return importProgress(db, file)
}

/** Says that everything from the line behind `from` to `to` is done; lost when somebody else did some of it. */
export const advance = (
  db: Db,
  file: string,
  from: number,
  done: { readonly to: number; readonly made: number; readonly refused: number; readonly isLast: boolean },
  now: Date,
): Write =>
  exactly(
    1,
    db
      .updateTable('import_progress')
      .set((eb) => ({
        line: done.to,
        made: eb('made', '+', done.made),
        refused: eb('refused', '+', done.refused),
        updated_at: now.toISOString(),
        finished_at: done.isLast ? now.toISOString() : null,
      }))
      .where('id', '=', file)
      .where('line', '=', from)
      .where('finished_at', 'is', null),
  )
