/** Copies of a SQLite database on disk: whole, checked, only for their owner, and never half there. */
import { Database as Sqlite } from 'bun:sqlite'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/** What is in the way of a copy; the message is for the operator, the code one of sysexits.h. */
export class CopyRefused extends Error {
  override readonly name = 'CopyRefused'
  readonly code: number
  constructor(message: string, code: number) {
    super(message)
    this.code = code
  }
}

export const noInput = 66
export const unusable = 65
export const cannotCreate = 73
export const inUse = 75

/** Makes sure that what was written to a path survives a loss of power. */
export const sync = (path: string): void => {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** The same for a name that a folder has got. Windows cannot open a folder, and needs none of it. */
export const syncFolderOf = (path: string): void => {
  if (process.platform !== 'win32') sync(dirname(path))
}

/** An empty file that only its owner may open. Throws CopyRefused when there is one already. */
export const createEmpty = (path: string): void => {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const reason = code === 'EEXIST' ? 'exists already' : `cannot be written (${String(code)})`
    throw new CopyRefused(`${path} ${reason}`, cannotCreate)
  }
}

/**
 * Asks SQLite whether a file is a whole database of ours; answers its schema version and counts. Throws CopyRefused
 * when it is not.
 */
export const inspect = (path: string): { readonly version: number; readonly accounts: number } => {
  const refused = (reason: string) =>
    new CopyRefused(`${path} is not a whole mayact database: ${reason}`, unusable)
  let database: Sqlite | undefined
  try {
    database = new Sqlite(path, { readonly: true })
    const check = database.query<{ integrity_check: string }, []>('pragma integrity_check(1)').get()
    if (check?.integrity_check !== 'ok') throw refused(check?.integrity_check ?? 'no answer')
    if (database.query('pragma foreign_key_check').get() !== null) throw refused('a row points to nothing')
    const version = database
      .query<{ value: string }, []>("select value from meta where name = 'schema_version'")
      .get()
    const accounts = database.query<{ n: number }, []>('select count(*) as n from account').get()
    if (!version || !accounts) throw refused('it has no schema version')
    return { version: Number(version.value), accounts: accounts.n }
  } catch (error) {
    if (error instanceof CopyRefused) throw error
    throw refused(error instanceof Error ? error.message : String(error))
  } finally {
    database?.close()
  }
}
