/**
 * Who was overtaken waits for his turn. Every administrative change overtakes all others that are being decided; ten
 * at the same time, as a tool sends them, would lose again and again. So those who lost go one after the other, and
 * who comes meanwhile to write waits for them; nobody waits longer than a while for one who is slow. Other servers on the
 * same database do not know of these turns: who loses in his turn loses to them, and steps back for a random moment.
 */
import type { Db } from '../database/connect.ts'

/** A turn that lasts longer is not waited for any more. */
const longestTurn = 2_000
/** A newcomer, who may not be overtaken at all, waits no longer. */
const patience = 5_000

/** How often something is decided before the caller is told that others were always faster. */
export const mostTries = 32
const longestStep = 64

/** Waits after the given number of losses; the more there were, the longer it may be. */
export const stepBack = (losses: number): Promise<void> =>
  Bun.sleep(Math.random() * Math.min(longestStep, 2 ** (losses + 1)))

/** The end of the last turn that was taken. */
const queues = new WeakMap<Db, Promise<void>>()

/** Waits for those who were overtaken; costs nothing when there are none. */
export const letOthersPass = async (db: Db): Promise<void> => {
  const last = queues.get(db)
  if (!last) return
  let timer: Timer | undefined
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience)
  })
  await Promise.race([last, enough])
  clearTimeout(timer)
}

/** Waits for one's turn; the answer ends it and must be called. */
export const takeTurn = async (db: Db): Promise<() => void> => {
  const before = queues.get(db)
  let end = () => {}
  const turn = new Promise<void>((resolve) => {
    end = resolve
  })
  queues.set(db, turn)
  await before
  const timer = setTimeout(end, longestTurn)
  return () => {
    clearTimeout(timer)
    end()
    if (queues.get(db) === turn) queues.delete(db)
  }
}
