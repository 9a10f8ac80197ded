/** `mayact audit verify|export`: proves the trail, or hands it on so that others can. They read alone, beside a running server. */
import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { JWK } from 'jose'
import { ExportError, exportLines, Overtaken, verifyExport } from '../audit/export.ts'
import { verifyLive } from '../audit/live.ts'
import { partBetween, unsealedRows } from '../audit/trail.ts'
import type { Checkpoint, Verdict } from '../audit/verify.ts'
import type { Config } from '../config.ts'
import { close } from '../database/commit.ts'
import { connect, type Db } from '../database/connect.ts'
import { auditPublicKeys } from '../keys/audit-key.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { located } from './located.ts'

/** sysexits.h: the data is not what it should be; a file cannot be read. */
const badData = 65
const noInput = 66

/** The options of a command, each of which takes a value or none; what is left over are its operands. */
const read = (words: readonly string[], withValue: readonly string[], without: readonly string[] = []) => {
  const options = new Map<string, string>()
  const operands: string[] = []
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (withValue.includes(word)) {
      index += 1
      const value = words[index]
      if (value === undefined) throw new Misuse(`${word} needs a value`)
      options.set(word, value)
    } else if (without.includes(word)) options.set(word, '')
    else operands.push(word)
  }
  return { options, operands }
}

const on = async <Value>(config: Config, work: (db: Db) => Promise<Value>): Promise<Value> => {
  const db = await located(config, () => connect(config.database))
  try {
    return await work(db)
  } finally {
    await close(db)
  }
}

/** Public keys in a file: a JWK set, or one JWK. */
const readKeys = async (file: string): Promise<readonly JWK[]> => {
  const value = JSON.parse(await readFile(file, 'utf8')) as { readonly keys?: readonly JWK[] } & JWK
  return value.keys ?? [value]
}

const say = (verdict: Verdict, unsealed: number | undefined): number => {
  if (!verdict.intact) {
    process.stdout.write(`NOT INTACT at position ${verdict.position}: ${verdict.why}\n`)
    return badData
  }
  const { rows, head, provenTo } = verdict
  process.stdout.write(`Intact: ${rows} sealed rows, to position ${head.position}.\n`)
  if (provenTo < head.position)
    process.stdout.write(
      `Signed for up to position ${provenTo}; ${head.position - provenTo} in the chain since then.\n`,
    )
  if (unsealed) process.stdout.write(`${unsealed} not sealed yet.\n`)
  return 0
}

/** The checkpoint that the server keeps in a file, as one of those that are verified. */
const anchorOf = async (file: string): Promise<Checkpoint | undefined> => {
  if (!existsSync(file)) return undefined
  const statement = (await readFile(file, 'utf8')).trim()
  const [, payload = ''] = statement.split('.')
  try {
    const { position } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
      position?: unknown
    }
    if (typeof position === 'number') return { position, statement }
  } catch {
    // said by the verdict: it is signed by nobody
  }
  return { position: 0, statement }
}

const verifyDatabase = async (db: Db, checkpointFile: string, trusted: readonly JWK[] | undefined) => {
  if ((await anchorOf(checkpointFile))?.position === 0)
    return { intact: false, position: 0, why: `${checkpointFile} is no checkpoint` } as const
  return verifyLive(db, {
    anchor: () => anchorOf(checkpointFile),
    keys: async () => trusted ?? auditPublicKeys(db),
  })
}

/** `mayact audit verify [FILE] [--keys FILE]`: the live table, or an export. */
export const verifyCommand = async (invocation: Invocation): Promise<number> => {
  const { options, operands } = read(invocation.operands, ['--keys'])
  const [file, ...more] = operands
  if (more.length > 0) throw new Misuse('audit verify takes at most one file')
  const keyFile = options.get('--keys')
  let trusted: readonly JWK[] | undefined
  try {
    if (keyFile !== undefined) trusted = await readKeys(keyFile)
  } catch {
    process.stderr.write(`mayact: ${keyFile} cannot be read as keys\n`)
    return noInput
  }
  if (file !== undefined) {
    // read twice, so it has to be one that stays
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
      process.stderr.write(`mayact: there is no file ${file}\n`)
      return noInput
    }
    try {
      return say(await verifyExport(() => Bun.file(file).stream(), trusted), undefined)
    } catch (error) {
      if (!(error instanceof ExportError)) throw error
      process.stdout.write(`NOT INTACT: ${error.message}\n`)
      return badData
    }
  }
  const { config } = await configure(invocation)
  return on(config, async (db) => {
    const verdict = await verifyDatabase(db, config.audit.checkpointFile, trusted)
    return say(verdict, await unsealedRows(db))
  })
}

const instantOf = (text: string | undefined, option: string): Date | undefined => {
  if (text === undefined) return undefined
  const instant = new Date(text)
  if (Number.isNaN(instant.getTime()))
    throw new Misuse(`${option} needs an instant such as 2026-01-31T00:00:00Z`)
  return instant
}

/** `mayact audit export [--from INSTANT] [--to INSTANT]`: JSON Lines on the standard output. */
export const exportCommand = async (invocation: Invocation): Promise<number> => {
  const { options, operands } = read(invocation.operands, ['--from', '--to'])
  if (operands.length > 0) throw new Misuse('audit export takes no operands')
  const [from, to] = ['--from', '--to'].map((name) => instantOf(options.get(name), name))
  const { config } = await configure(invocation)
  return on(config, async (db) => {
    const part = await partBetween(db, from, to)
    if (!part) {
      process.stderr.write('mayact: nothing was sealed in that time\n')
      return badData
    }
    const output = Bun.stdout.writer()
    try {
      for await (const line of exportLines(db, await auditPublicKeys(db), part)) {
        output.write(line)
        await output.flush()
      }
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error
      process.stderr.write(`mayact: ${error.message}; export again\n`)
      return badData
    } finally {
      await output.end()
    }
    return 0
  })
}

/** `mayact audit keys`: the public keys of the checkpoints, to be kept where this server cannot change them. */
export const keysCommand = async (invocation: Invocation): Promise<number> => {
  if (invocation.operands.length > 0) throw new Misuse('audit keys takes no operands')
  const { config } = await configure(invocation)
  return on(config, async (db) => {
    process.stdout.write(`${JSON.stringify({ keys: await auditPublicKeys(db) }, null, 2)}\n`)
    return 0
  })
}
