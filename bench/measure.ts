/** How fast something goes when a number of workers each do it again as soon as it is done, and what memory a server takes. */
import { readFile } from 'node:fs/promises'

/**
 * How long, in milliseconds, a server is driven before it is measured for so many seconds: until then its hot functions are compiled
 * beside the requests, which takes a twentieth of two processors.
 */
export const warmUp = (seconds: number): number => Math.min(6_000, seconds * 1_200)

export interface Measured {
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

const summary = (times: number[], elapsed: number): Measured => {
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  return { perSecond: (times.length / elapsed) * 1000, p50: at(0.5), p99: at(0.99) }
}

/**
 * Closed-loop workers; `one` gets the number of its worker. Measured is a server that is warm.
 */
export const closedLoop = async (
  workers: number,
  seconds: number,
  one: (worker: number) => Promise<void>,
): Promise<Measured> => {
  const times: number[] = []
  const begin = performance.now() + warmUp(seconds)
  const end = begin + seconds * 1000
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      for (let start = performance.now(); start < end; ) {
        await one(worker)
        const done = performance.now()
        if (start >= begin && done <= end) times.push(done - start)
        start = done
      }
    }),
  )
  return summary(times, end - begin)
}

/** The same for what blocks: one after the other, nothing else in between. */
export const loop = (seconds: number, one: () => void): Measured => {
  const times: number[] = []
  const begin = performance.now()
  const end = begin + seconds * 1000
  let start = begin
  while (start < end) {
    one()
    const done = performance.now()
    times.push(done - start)
    start = done
  }
  return summary(times, start - begin)
}

/** Lines in columns, numbers to the right. */
export const table = (rows: readonly (readonly (string | number)[])[]): string => {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toFixed(2) : cell)))
  const widths = texts[0]?.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0))) ?? []
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
  return texts.map(line).join('\n')
}

/** The resident memory of a process in megabytes; 0 when it is gone. */
export const residentMegabytes = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}
