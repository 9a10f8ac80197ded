/**
 * SQLite's checkpoints, made by a thread of its own. Copying the log into the database file and waiting for the disk takes tens of
 * milliseconds, more the larger the file is; the connection that commits would do it within a commit, on the event loop. It
 * still does where the thread falls behind, is not there yet or has failed.
 */
import { Database as Sqlite } from 'bun:sqlite'

/** Frames of the log (4 KiB each) that wait for a checkpoint; the writer's own begins at 4,000. */
const enough = 3_500
const pauseMilliseconds = 100
/** What is committed meanwhile is copied by another round: only of a log that was copied whole a writer begins at the front. */
const rounds = 8

const code = (path: string) => `
  const { Database } = require('bun:sqlite')
  const database = new Database(${JSON.stringify(path)})
  database.exec('pragma busy_timeout = 0')
  const waiting = database.prepare('pragma wal_checkpoint(noop)')
  const checkpoint = database.prepare('pragma wal_checkpoint(passive)')
  const end = (said) => {
    onmessage = null
    clearInterval(timer)
    waiting.finalize()
    checkpoint.finalize()
    database.close()
    postMessage(said)
  }
  const timer = setInterval(() => {
    try {
      const { log, checkpointed } = waiting.get()
      if (log - checkpointed < ${enough}) return
      for (let round = 0; round < ${rounds}; round += 1) {
        const done = checkpoint.get()
        if (done.busy !== 0 || done.checkpointed === done.log) break
      }
    } catch (error) {
      end(String(error))
    }
  }, ${pauseMilliseconds})
  onmessage = () => end('stopped')
`

/** The first version in which a checkpoint may begin beside a commit that starts the log over; `noop` came before it. */
const firstSafe = '3.51.3'

/** Whether this SQLite can be helped by a thread: on macOS Bun uses the system's, which may be older. */
export const canCheckpointBeside = (version: string): boolean => Bun.semver.order(version, firstSafe) >= 0

/** Of the SQLite that this process has. */
export const sqliteVersion = (): string => {
  const database = new Sqlite(':memory:')
  try {
    return String(
      database.query<{ version: string }, []>('select sqlite_version() as version').get()?.version,
    )
  } finally {
    database.close()
  }
}

/** A checkpoint that is under way at a stop is waited for so long: what it does not finish the next start finds in the log. */
const patience = 5_000

export interface Checkpointer {
  /** Resolves when the thread has closed its connection, or does not for five seconds. */
  stop(): Promise<void>
}

/** Starts the thread for the database at `path`, an absolute one; when it fails it says why once, and leaves the work to the writer. */
export const startCheckpointer = (path: string, onFailure: (reason: string) => void): Checkpointer => {
  const url = URL.createObjectURL(new Blob([code(path)], { type: 'application/javascript' }))
  const worker = new Worker(url, { smol: true })
  worker.unref()
  const { promise: stopped, resolve: hasStopped } = Promise.withResolvers<void>()
  const failed = (reason: string) => {
    onFailure(reason)
    hasStopped()
  }
  worker.addEventListener('error', ({ message }) => failed(message))
  worker.addEventListener('close', () => hasStopped())
  worker.addEventListener('message', ({ data }) => (data === 'stopped' ? hasStopped() : failed(String(data))))
  return {
    async stop() {
      // a process with nothing else to do waits for its answer, too
      worker.ref()
      worker.postMessage('stop')
      const timer = setTimeout(hasStopped, patience)
      await stopped
      clearTimeout(timer)
      worker.terminate()
      URL.revokeObjectURL(url)
    },
  }
}
