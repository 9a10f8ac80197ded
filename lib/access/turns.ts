/**
 * Who was overtaken waits for his turn. Every administrative change overtakes all others that are being decided; ten
 * at the same time, as a tool sends them, would lose again and again. So those who lost go one after the other, and
 * who comes meanwhile to write waits for them, but no longer than a while: somebody may be slow.
 */
import type { Db } from '../database/connect.ts'

const patience = 2_000

/** The end of the last turn that was taken. */
const queues = new WeakMap<Db, Promise<void>>()

const soon = async (turn: Promise<void>): Promise<void> => {
  let timer: Timer | undefined
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience)
  })
  await Promise.race([turn, enough])
  clearTimeout(timer)
}

/** Waits for those who were overtaken; costs nothing when there are none. */
export const letOthersPass = async (db: Db): Promise<void> => {
  const last = queues.get(db)
  if (last) await soon(last)
}

/** Waits for one's turn; the answer ends it and must be called. */
export const takeTurn = async (db: Db): Promise<() => void> => {
  const before = queues.get(db)
  let end = () => {}
  const turn = new Promise<void>((resolve) => {
    end = resolve
  })
  queues.set(db, turn)
  if (before) await soon(before)
  return () => {
    end()
    if (queues.get(db) === turn) queues.delete(db)
  }
}
