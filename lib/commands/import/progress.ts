/** What an import tells while it goes on: refused lines at once, and how far it is every other second. */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { RefusedLine } from '../../directory/user-import.ts'

const everyMilliseconds = 2_000

export interface Told {
  readonly line: number
  readonly made: number
  readonly refused: number
}

const number = new Intl.NumberFormat('en')

/** Tells on stderr; refused lines go to the report, too, as JSON Lines. */
export const telling = (name: string, reportFile: string | undefined, isResumed: boolean) => {
  const report = reportFile === undefined ? undefined : openSync(reportFile, isResumed ? 'a' : 'w', 0o600)
  const began = performance.now()
  let lastAt = began
  return {
    refused(lines: readonly RefusedLine[]) {
      const sorted = [...lines].sort((one, other) => one.line - other.line)
      if (sorted.length === 0) return
      process.stderr.write(sorted.map(({ line, reason }) => `${name}:${line}: ${reason}\n`).join(''))
      const rows = sorted.map(({ line, reason }) => `${JSON.stringify({ line, reason })}\n`).join('')
      if (report !== undefined) writeSync(report, rows)
    },
    progress({ line, made, refused }: Told) {
      const now = performance.now()
      if (now - lastAt < everyMilliseconds) return
      lastAt = now
      const speed = number.format(Math.round(((made + refused) * 1_000) / (now - began)))
      process.stderr.write(
        `${name}: line ${number.format(line)}, ${number.format(made)} users, ${number.format(refused)} refused, ${speed} a second\n`,
      )
    },
    note(text: string) {
      process.stderr.write(`${name}: ${text}\n`)
    },
    close() {
      if (report !== undefined) closeSync(report)
    },
  }
}
