import { Database as Sqlite } from 'bun:sqlite'
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { schemaVersion } from '../database/migrate.ts'
import { isServing } from './control.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import {
  CopyRefused,
  cannotCreate,
  createEmpty,
  inspect,
  inUse,
  noInput,
  sync,
  syncFolderOf,
  unusable,
} from './sqlite-copy.ts'

const running = new CopyRefused('a server is running on this database: stop it first', inUse)

/**
 * Empties the log of a database that is to be replaced, or its pages would be written over the restored ones. That
 * needs the file for itself, which tells as well whether anybody has it open.
 */
const closeDown = (path: string) => {
  let database: Sqlite | undefined
  try {
    if (existsSync(path)) database = new Sqlite(path, { readwrite: true })
    database?.exec('pragma journal_mode = delete')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code.startsWith('SQLITE_BUSY')) throw running
    // whatever else is wrong with it, it is about to be set aside
  } finally {
    database?.close()
  }
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true })
}

const check = (source: string) => {
  if (!existsSync(source)) throw new CopyRefused(`${source} does not exist`, noInput)
  const found = inspect(source)
  if (found.version > schemaVersion)
    throw new CopyRefused(
      `${source} has schema version ${found.version}, this mayact knows ${schemaVersion}: restore it with the newer one`,
      unusable,
    )
  return found
}

/** Puts a checked copy in the place of the database; what was there is set aside. Answers where, if it was. */
const replace = (source: string, target: string, force: boolean): string | undefined => {
  const exists = existsSync(target)
  if (exists && !force) {
    throw new CopyRefused(`${target} exists already: --force sets it aside and takes its place`, cannotCreate)
  }
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
  const partial = `${target}.restoring`
  rmSync(partial, { force: true })
  createEmpty(partial)
  const aside = `${target}.before-restore`
  try {
    copyFileSync(source, partial)
    chmodSync(partial, 0o600)
    inspect(partial)
    sync(partial)
    closeDown(target)
    if (exists) copyFileSync(target, aside)
    if (exists) chmodSync(aside, 0o600)
    renameSync(partial, target)
    return exists ? aside : undefined
  } finally {
    rmSync(partial, { force: true })
    syncFolderOf(target)
  }
}

/** `mayact restore FILE [--force]`: puts a backup in the place of the SQLite database of a stopped server. */
export const restore = async (invocation: Invocation): Promise<number> => {
  const force = invocation.operands.includes('--force')
  const [file, ...more] = invocation.operands.filter((operand) => operand !== '--force')
  if (file === undefined || more.length > 0) throw new Misuse('restore takes one file')
  const { config } = await configure(invocation)
  if (config.database.type === 'postgres') {
    process.stderr.write(
      'mayact: the database is Postgres, which has its own tool: pg_restore --clean --if-exists --dbname=URL FILE\n',
    )
    return 64
  }
  const { path } = config.database
  try {
    if (await isServing(config.dataDirectory)) throw running
    const { accounts } = check(resolve(file))
    const aside = replace(resolve(file), path, force)
    process.stdout.write(`${path} was restored: ${accounts} accounts.\n`)
    if (aside !== undefined) process.stdout.write(`What was there before is ${aside}.\n`)
    process.stdout.write('The server needs the encryption key that the backup was made with.\n')
    return 0
  } catch (error) {
    if (!(error instanceof CopyRefused)) throw error
    process.stderr.write(`mayact: nothing was restored: ${error.message}\n`)
    return error.code
  }
}
