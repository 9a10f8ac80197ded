/**
 * Removes what nothing needs any more, in batches so small that no request notices: each is one commit among those of
 * the requests, it shrinks when commits become slow, and a pause follows that is longer than it took.
 */
import { commit, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Log } from '../log.ts'
import type { LineageKind } from '../tokens/lineage.ts'
import { kept, oldLineages, type Place, removeLineages, rules } from './rules.ts'

const minute = 60_000
const smallest = 20
const largest = 80
/** What a commit of a batch should take, at most, in milliseconds. */
const wanted = 8

export interface Housekeeper {
  /** Removes everything that is due by now; resolves with how many commits that took. */
  tidy(): Promise<number>
  /** Ends with the batch under way. */
  stop(): Promise<void>
}

export interface HousekeeperOptions {
  readonly now?: () => Date
  readonly everyMilliseconds?: number
  /** Removes audit rows that are older than they are kept, a batch at a time; answers how many went. */
  readonly tidyAudit?: ((now: Date) => Promise<number>) | undefined
}

/** Starts the rounds, one every ten minutes, the first one a while after the start and not at once in all processes. */
export const startHousekeeper = (db: Db, log: Log, options: HousekeeperOptions = {}): Housekeeper => {
  const { now = () => new Date(), everyMilliseconds = 10 * minute } = options
  let stopping = false
  let size = smallest
  let commits = 0

  /** Commits a batch, then leaves the writer to the requests, the longer the slower it was. */
  const step = async (writes: readonly Write[]) => {
    const started = performance.now()
    const outcome = await commit(db, writes)
    const took = performance.now() - started
    commits += 1
    size =
      took > wanted ? Math.max(smallest, Math.floor(size / 2)) : Math.min(largest, Math.ceil(size * 1.25))
    await Bun.sleep(Math.max(5, 2 * took))
    return outcome
  }

  const byAge = async (at: Date) => {
    for (const rule of rules(db, at)) {
      while (!stopping && (await rule.due())) await step([rule.remove(size)])
    }
  }

  const lineages = async (kind: LineageKind, at: Date) => {
    let place: Place = { endsAt: '', id: '' }
    while (!stopping) {
      const found = await oldLineages(db, kind, at, place, size)
      const last = found.at(-1)
      if (!last) return
      place = last
      const ids = found.filter(({ needed }) => !needed).map(({ id }) => id)
      // lost or refused: something needs one of them after all, and the next round finds out which
      if (ids.length > 0) await step(removeLineages(db, ids))
      else await Bun.sleep(5)
    }
  }

  const auditRows = async (at: Date) => {
    if (!options.tidyAudit) return
    while (!stopping && (await options.tidyAudit(at)) > 0) {
      commits += 1
      await Bun.sleep(20)
    }
  }

  const round = async () => {
    commits = 0
    const at = now()
    try {
      await byAge(at)
      // what began in a session goes before the session
      for (const kind of Object.keys(kept) as LineageKind[]) await lineages(kind, at)
      await auditRows(at)
      if (commits > 0) log.debug({ commits }, 'old rows were removed')
    } catch (error) {
      log.error({ err: error }, 'old rows could not be removed; trying again later')
    }
    return commits
  }

  let underWay: Promise<number> | undefined
  const tidy = () => {
    underWay ??= round().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  let timer: Timer | undefined
  const later = (milliseconds: number) => {
    timer = setTimeout(async () => {
      await tidy()
      if (!stopping) later(everyMilliseconds)
    }, milliseconds)
    timer.unref()
  }
  later(Math.min(everyMilliseconds, minute * (1 + Math.random())))

  return {
    tidy,
    async stop() {
      stopping = true
      clearTimeout(timer)
      await underWay
    },
  }
}
