/**
 * Seals committed audit rows: gives each its place in the chain and signs a checkpoint at least every five seconds. One
 * process at a time does it, by a lease, so no request waits for a lock; what has no place yet is not sealed yet. The
 * newest checkpoint is written to a file, too: who can change the database alone cannot cut the chain's end off unseen.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { sql } from 'kysely'
import { commit, exactly, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { leaseOf } from '../database/lease.ts'
import { elementsOf, prepared, rowsOf } from '../database/prepared.ts'
import type { Log } from '../log.ts'
import {
  genesis,
  type Head,
  nextLink,
  type SealedRow,
  type Statement,
  sealedColumns,
  statementType,
} from './chain.ts'

const pauseMilliseconds = 500
/** Rows of one commit: each is a pause of a few milliseconds for everybody else on SQLite. */
const batch = 200
const checkpointEvery = 5_000
/** A holder that was killed is missed for no longer: mail, webhooks and sinks wait for what is sealed. */
const leaseMilliseconds = 6_000

export interface SealerNeeds {
  readonly db: Db
  readonly log: Log
  /** The file of the newest checkpoint. */
  readonly file: string
  /** Signs a checkpoint's statement. */
  sign(statement: Readonly<Record<string, unknown>>, typ: string): Promise<string>
}

export interface Sealer {
  /** Seals what is there now and signs it; nothing where another process does so. */
  flush(): Promise<void>
  /** Seals, signs, gives the lease back and ends. */
  stop(): Promise<void>
}

const unsealed = prepared<object, SealedRow>((db) =>
  db.selectFrom('audit').select(sealedColumns).where('position', 'is', null).orderBy('id').limit(batch),
)

/**
 * The update that gives rows their places: `[id, position, link]` of each, as JSON, in the order of the ids. The bounds keep
 * Postgres from a plan that reads the whole table, which it makes while there are few rows and goes on to use.
 */
const sealing = prepared<{ places: string; first: string; last: string }, unknown>((db, parameter) => {
  const query = sql`with place (id, position, link) as (
      select value ->> 0, cast(value ->> 1 as integer), value ->> 2 from ${elementsOf(db, parameter('places'), 'arrays')})
    update audit set position = place.position, link = place.link from place where audit.id = place.id and audit.position is null
      and audit.id >= ${parameter('first')} and audit.id <= ${parameter('last')}`
  return { compile: () => query.compile(db) }
})

/** The end of the chain as the database has it: its last row, or the last checkpoint when no row is left. */
export const headOf = async (db: Db): Promise<Head> => {
  const last = await db
    .selectFrom('audit')
    .select(['position', 'link'])
    .where('position', 'is not', null)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  const signed = await db
    .selectFrom('audit_checkpoint')
    .select(['position', 'link'])
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  const row = last && last.position !== null ? { position: last.position, link: last.link ?? '' } : undefined
  if (!row) return signed ?? genesis
  return signed && signed.position > row.position ? signed : row
}

/** Whether all that is committed is sealed, and signed. */
const isDone = async (db: Db): Promise<boolean> => {
  const waiting = await db.selectFrom('audit').select('id').where('position', 'is', null).limit(1).execute()
  if (waiting.length > 0) return false
  const signed = await db
    .selectFrom('audit_checkpoint')
    .select((eb) => eb.fn.max('position').as('position'))
    .executeTakeFirst()
  return (await headOf(db)).position <= (signed?.position ?? 0)
}

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // somebody else's is running, too
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** What processes that were killed while they wrote the checkpoint's file left beside it. */
const removeDrafts = (file: string) => {
  const prefix = `${basename(file)}.`
  for (const name of readdirSync(dirname(file))) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length) : ''
    if (!/^\d{1,10}$/.test(pid) || (Number(pid) !== process.pid && isRunning(Number(pid)))) continue
    rmSync(join(dirname(file), name), { force: true })
  }
}

/** Starts the loop. A database that fails is logged and tried again. */
export const startSealer = ({ db, log, file, sign }: SealerNeeds): Sealer => {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    removeDrafts(file)
  } catch (error) {
    log.warn({ err: error, file }, 'what is left of former checkpoints could not be removed')
  }
  const lease = leaseOf(db, 'audit-sealer', leaseMilliseconds)
  /** The chain's end while the lease is held; unknown when it was not. */
  let head: Head | undefined
  let signedAt = 0
  let signedPosition: number | undefined

  const sealBatch = async (from: Head): Promise<Head | undefined> => {
    const rows = await rowsOf(db, unsealed(db, {}))
    if (rows.length === 0) return undefined
    let place = from
    const places = rows.map((row) => {
      place = { position: place.position + 1, link: nextLink(place, row) }
      return [row.id, place.position, place.link]
    })
    const bounds = { first: rows[0]?.id ?? '', last: rows.at(-1)?.id ?? '' }
    const sealed = sealing(db, { places: JSON.stringify(places), ...bounds })
    const outcome = await commit(db, [lease.held(), exactly(rows.length, sealed)])
    if (outcome !== 'committed') {
      // somebody else seals, or a row went away: begin anew with what the database says
      head = undefined
      return undefined
    }
    head = place
    return rows.length === batch ? place : undefined
  }

  const checkpoint = async (now: Date) => {
    if (!head || head.position === 0 || head.position === signedPosition) return
    const said: Statement = { ...head, at: now.toISOString() }
    const statement = await sign({ ...said }, statementType)
    const row = { position: said.position, link: said.link, at: said.at, statement }
    const outcome = await commit(db, [lease.held(), write(db.insertInto('audit_checkpoint').values(row))])
    if (outcome === 'lost') {
      // somebody else seals, and may stop before he signs
      head = undefined
      return
    }
    signedAt = now.getTime()
    signedPosition = said.position
    // it was signed before, by this server or another
    if (outcome !== 'committed') return
    // whole or not at all, whenever the machine stops
    const draft = `${file}.${process.pid}`
    await Bun.write(draft, `${statement}\n`, { mode: 0o600 })
    await rename(draft, file)
  }

  const pass = async (signNow: boolean) => {
    const now = new Date()
    // where nothing happens nothing is written, the lease neither; who has let it run out may have been followed by others
    const isIdle = !signNow && (await isDone(db))
    if (isIdle || !(await lease.take(now))) {
      head = undefined
      return
    }
    head ??= await headOf(db)
    let place: Head | undefined = head
    while (place) place = await sealBatch(place)
    if (signNow || Math.abs(now.getTime() - signedAt) >= checkpointEvery) await checkpoint(now)
  }

  let running: Promise<void> = Promise.resolve()
  const run = (signNow: boolean) => {
    running = running
      .then(() => pass(signNow))
      .catch((error: unknown) => {
        head = undefined
        log.error({ err: error }, 'audit rows could not be sealed; trying again')
      })
    return running
  }
  let due = true
  const timer = setInterval(() => {
    // one pass at a time, however long it takes
    if (!due) return
    due = false
    void run(false).then(() => {
      due = true
    })
  }, pauseMilliseconds)
  timer.unref()

  return {
    flush: () => run(true),
    async stop() {
      clearInterval(timer)
      await run(true)
      await lease.release().catch(() => {})
    },
  }
}
