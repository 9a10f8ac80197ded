import { Database as Sqlite } from 'bun:sqlite'
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { schemaVersion } from '../database/migrate.ts'
import { isServing } from './control.ts'
import { type Ended, endUnfinishedIn } from './end-unfinished.ts'
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

interface Options {
  /** Take the place of a database that is there. */
  readonly force: boolean
  /** Leave what was not finished alive. */
  readonly keepSessions: boolean
}

/** Puts a checked copy in the place of the database; what was there is set aside. Answers where, if it was. */
const replace = async (source: string, target: string, { force, keepSessions }: Options) => {
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
    const ended = keepSessions ? undefined : await endUnfinishedIn(partial, source, new Date())
    // one file again, with nothing of it in a log beside it
    closeDown(partial)
    sync(partial)
    closeDown(target)
    if (exists) copyFileSync(target, aside)
    if (exists) chmodSync(aside, 0o600)
    renameSync(partial, target)
    return { aside: exists ? aside : undefined, ended }
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${partial}${suffix}`, { force: true })
    syncFolderOf(target)
  }
}

/**
 * The newest checkpoint tells of the database that was set aside, which had more rows: it goes aside with it, or the
 * restored one would look cut off. Answers where, if there was one.
 */
const setCheckpointAside = (file: string): string | undefined => {
  if (!existsSync(file)) return undefined
  const aside = `${file}.before-restore`
  renameSync(file, aside)
  syncFolderOf(file)
  return aside
}

const said = (ended: Ended | undefined) =>
  ended
    ? `Ended: ${ended.impersonations} impersonations that had not been started, ${ended.sessions} browser sessions.\n`
    : 'Subject tokens and browser sessions that were spent or ended after the backup are alive again.\n'

const flags = ['--force', '--keep-sessions']
const optionsOf = ({ operands }: Invocation): Options => ({
  force: operands.includes('--force'),
  keepSessions: operands.includes('--keep-sessions'),
})

/** `mayact restore FILE [--force] [--keep-sessions]`: puts a backup in the place of a stopped server's database. */
export const restore = async (invocation: Invocation): Promise<number> => {
  const [file, ...more] = invocation.operands.filter((operand) => !flags.includes(operand))
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
    const { aside, ended } = await replace(resolve(file), path, optionsOf(invocation))
    const checkpoint = setCheckpointAside(config.audit.checkpointFile)
    process.stdout.write(`${path} was restored: ${accounts} accounts.\n${said(ended)}`)
    if (aside !== undefined) process.stdout.write(`What was there before is ${aside}.\n`)
    if (checkpoint !== undefined) process.stdout.write(`Its last audit checkpoint is ${checkpoint}.\n`)
    process.stdout.write('The server needs the encryption key that the backup was made with.\n')
    return 0
  } catch (error) {
    if (!(error instanceof CopyRefused)) throw error
    process.stderr.write(`mayact: nothing was restored: ${error.message}\n`)
    return error.code
  }
}
