/** `mayact import FILE`: users from CSV or JSON Lines, many in a commit, resumed where an earlier run ended. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { Config } from '../config.ts'
import type { ImportedUser, RefusedLine } from '../directory/user-import.ts'
import { HeaderError } from './import/columns.ts'
import { type Destination, destinationOf } from './import/destination.ts'
import { bytesOf, hashing, hashOf } from './import/file.ts'
import { telling } from './import/progress.ts'
import { type Entry, entriesOf, type Format } from './import/read.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'

/** sysexits.h: wrong data; no such input; try again later. */
const dataError = 65
const noInput = 66
const tryAgain = 75

/** Lines of one question, and the milliseconds after which there is one in any case: hashing takes its time. */
const together = 2_000
const patience = 2_000

interface Asked {
  readonly path: string
  readonly format: Format
  readonly dry: boolean
  readonly again: boolean
  readonly report: string | undefined
}

const formatOf = (path: string): Format => {
  if (/\.csv$/i.test(path)) return 'csv'
  if (/\.(jsonl|ndjson)$/i.test(path)) return 'jsonl'
  throw new Misuse('import takes a file whose name ends in .csv or .jsonl')
}

const readWords = (words: readonly string[]): Asked => {
  const files: string[] = []
  let [dry, again, report]: [boolean, boolean, string | undefined] = [false, false, undefined]
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (word === '--dry-run') dry = true
    else if (word === '--again') again = true
    else if (word === '--report') {
      index += 1
      report = words[index]
      if (report === undefined) throw new Misuse('--report needs a file')
    } else if (word.startsWith('-')) throw new Misuse(`import does not know ${word}`)
    else files.push(word)
  }
  const [path, ...more] = files
  if (path === undefined || more.length > 0) throw new Misuse('import takes one file')
  return { path, format: formatOf(path), dry, again, report }
}

/** Another run has the same file. */
class Overtaken extends Error {}

interface Totals {
  line: number
  made: number
  refused: number
}

type Telling = ReturnType<typeof telling>

/** Gathers entries and has them made, one part after the other. */
const collector = (destination: Destination, { dry }: Asked, file: string, totals: Totals, tell: Telling) => {
  const run = crypto.randomUUID()
  let entries: Entry[] = []
  let since = performance.now()
  let users: ImportedUser[] = []
  let under: Promise<void> = Promise.resolve()
  /** The line behind which the next part begins. */
  let from = totals.line

  const send = async (
    part: Parameters<Destination['ask']>[0],
    own: readonly RefusedLine[],
    count: number,
  ) => {
    if (part.task === 'begin') return
    const answer = await destination.ask(part)
    if ('overtaken' in answer) throw new Overtaken(`${answer.overtaken}`)
    if (!('refused' in answer) || typeof answer.refused === 'number') return
    const refused = [...own, ...answer.refused]
    totals.line = part.part.to
    totals.made += count - answer.refused.length
    totals.refused += refused.length
    tell.refused(refused)
    tell.progress(totals)
  }

  const flush = async (isLast: boolean) => {
    const own = entries.flatMap((entry) => ('reason' in entry ? [entry] : []))
    const to = entries.at(-1)?.line ?? from
    const part = { file, from, to, isLast, users, refusedLines: own.map(({ line }) => line) }
    const count = users.length
    ;[from, entries, users, since] = [to, [], [], performance.now()]
    // while it is under way, the next part is read
    await under
    under = send(dry ? { task: 'try', part } : { task: 'make', run, part }, own, count)
    under.catch(() => {})
    if (isLast) await under
  }

  return {
    async add(entry: Entry) {
      entries.push(entry)
      if ('user' in entry) {
        const { hashPassword, passwordHash, ...user } = entry.user
        if (passwordHash === undefined && entries.length === 1) since = performance.now()
        const hash = passwordHash ?? (dry ? '' : await hashPassword())
        users.push({ ...user, line: entry.line, passwordHash: hash })
      }
      if (entries.length >= together || performance.now() - since > patience) await flush(false)
    },
    end: () => flush(true),
    /** What is under way ends, however that is. */
    settle: () => under.catch(() => {}),
  }
}

const summary = ({ made, refused }: Totals, dry: boolean) => {
  const users = `${made} ${made === 1 ? 'user' : 'users'}`
  return `${users} ${dry ? 'could be made' : 'made'}, ${refused} ${refused === 1 ? 'line' : 'lines'} refused`
}

const importFile = async (config: Config, asked: Asked, destination: Destination): Promise<number> => {
  const { path, format, dry, again } = asked
  const file = await hashOf(path)
  const begun = await destination.ask({ task: 'begin', file, again, dry })
  const before = dry ? { line: 0, made: 0, refused: 0, finishedAt: null } : begun
  const tell = telling(basename(path), asked.report, before.line > 0)
  try {
    const totals: Totals = { line: before.line, made: before.made, refused: before.refused }
    if (before.finishedAt !== null) {
      tell.note(`it was imported at ${before.finishedAt} (${summary(totals, false)}); --again begins anew`)
      return totals.refused > 0 ? dataError : 0
    }
    if (before.line > 0) tell.note(`going on behind line ${before.line} (${summary(totals, false)} so far)`)
    const collect = collector(destination, asked, file, totals, tell)
    const { chunks, digest } = hashing(bytesOf(path))
    let saidSlow = false
    try {
      for await (const entry of entriesOf(chunks, format, {
        policy: config.passwordPolicy,
        done: before.line,
      })) {
        if (!saidSlow && !dry && 'user' in entry && entry.user.passwordHash === undefined) {
          saidSlow = true
          tell.note('passwords are hashed here, about 20 a second; passwordHash is a hundred times as fast')
        }
        await collect.add(entry)
      }
      if (digest() !== file) throw new HeaderError('it was changed while it was read; what was made stays')
      await collect.end()
    } finally {
      await collect.settle()
    }
    process.stdout.write(`${summary(totals, dry)}.\n`)
    return totals.refused > 0 ? dataError : 0
  } finally {
    tell.close()
  }
}

/** `mayact import FILE [--dry-run] [--again] [--report FILE]`. */
export const importCommand = async (invocation: Invocation): Promise<number> => {
  const asked = readWords(invocation.operands)
  if (!existsSync(asked.path)) {
    process.stderr.write(`mayact: ${asked.path} cannot be read\n`)
    return noInput
  }
  const { config } = await configure(invocation)
  const destination = destinationOf(config)
  try {
    return await importFile(config, asked, destination)
  } catch (error) {
    if (error instanceof HeaderError) {
      process.stderr.write(`mayact: ${asked.path}: ${error.message}\n`)
      return dataError
    }
    if (error instanceof Overtaken) {
      process.stderr.write(
        `mayact: another import of ${asked.path} is at line ${error.message}; this one ended, what it made stays\n`,
      )
      return tryAgain
    }
    if (error instanceof Error && /no such table|does not exist/.test(error.message)) {
      throw new Error(`${error.message} (run \`mayact migrate\` first?)`, { cause: error })
    }
    throw error
  } finally {
    await destination.close()
  }
}
