import { Database as Sqlite } from 'bun:sqlite'
import { existsSync, linkSync, rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { configure, type Invocation, Misuse } from './invocation.ts'
import {
  CopyRefused,
  cannotCreate,
  createEmpty,
  inspect,
  noInput,
  sync,
  syncFolderOf,
} from './sqlite-copy.ts'

/** For a lock that is held for a moment, when the server starts or its log starts over. */
const patience = 10_000

/**
 * Writes a growing file out bit by bit, in a thread of its own. A single sync of all of it at the end would hold up
 * the server's next commit, which waits for the same disk, for hundreds of milliseconds.
 */
const syncMeanwhile = (path: string): (() => void) => {
  const code = `
    const { fsyncSync, openSync } = require('node:fs')
    const file = openSync(${JSON.stringify(path)}, 'r+')
    setInterval(() => fsyncSync(file), 20)
  `
  const url = URL.createObjectURL(new Blob([code], { type: 'application/javascript' }))
  const worker = new Worker(url)
  worker.unref()
  // without it the copy is as good, and only slower for others
  worker.addEventListener('error', () => {})
  return () => {
    worker.terminate()
    URL.revokeObjectURL(url)
  }
}

/**
 * One consistent state of a database, whatever is being written to it meanwhile: this process reads it beside the
 * server, so that no request waits for the copy. The target appears when it is whole.
 */
const copy = async (source: string, target: string) => {
  if (!existsSync(source)) throw new CopyRefused(`there is no database at ${source}`, noInput)
  if (existsSync(target)) throw new CopyRefused(`${target} exists already`, cannotCreate)
  const partial = `${target}.partial`
  createEmpty(partial)
  const stopSyncing = syncMeanwhile(partial)
  // until the thread is there
  await Bun.sleep(100)
  try {
    const database = new Sqlite(source, { readonly: true })
    try {
      database.exec(`pragma busy_timeout = ${patience}`)
      database.query('vacuum into ?').run(partial)
    } finally {
      database.close()
    }
    stopSyncing()
    sync(partial)
    const found = inspect(partial)
    // a link, unlike a renaming, never takes the place of a file that somebody made meanwhile
    linkSync(partial, target)
    return found
  } finally {
    stopSyncing()
    rmSync(partial, { force: true })
    syncFolderOf(target)
  }
}

/** `mayact backup FILE`: writes a copy of the SQLite database, of a running server or of a stopped one. */
export const backup = async (invocation: Invocation): Promise<number> => {
  const [file, ...more] = invocation.operands
  if (file === undefined || more.length > 0) throw new Misuse('backup takes one file')
  const { config } = await configure(invocation)
  if (config.database.type === 'postgres') {
    process.stderr.write(
      'mayact: the database is Postgres, which has its own tool: pg_dump --format=custom --file=FILE URL\n',
    )
    return 64
  }
  const target = resolve(file)
  try {
    const { accounts } = await copy(config.database.path, target)
    process.stdout.write(
      `${target}: ${statSync(target).size} bytes, ${accounts} accounts, checked.\n` +
        'Secrets in it can be read with the encryption key only: keep that too, in another place.\n',
    )
    return 0
  } catch (error) {
    if (!(error instanceof CopyRefused)) throw error
    process.stderr.write(`mayact: no backup was made: ${error.message}\n`)
    return error.code
  }
}
