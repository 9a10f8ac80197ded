/** Picks the command, and words what stops it: one clear message, and an exit code a supervisor can act on. */
import { ConfigurationError, type Environment } from '../config.ts'
import { type Invocation, Misuse } from './invocation.ts'

/** sysexits.h: something was found in an unconfigured or misconfigured state. */
const misconfigured = 78
const misused = 64
const failed = 1

const usage = `mayact: an authorization server for user impersonation

  mayact [serve] [--config deployment.toml]   the server
  mayact migrate [--config FILE]              creates or upgrades the tables
  mayact db exec SCRIPT [--config FILE]       runs an SQL script in one transaction
  mayact import FILE [--dry-run]              users from CSV or JSON Lines; a second run goes on where one ended
         [--report FILE] [--again]            refused lines as JSON Lines; from the first line, whatever was done
  mayact check [--json] [--mail]              what is wrong or missing, and the call that mends it
  mayact demo [--json] [--keep]               plays an impersonation on a server of its own and shows it
  mayact backup FILE [--config FILE]          a checked copy of the SQLite database, of a running server too
  mayact restore FILE [--force]               puts a backup in the place of a stopped server's database;
                      [--keep-sessions]       without it, what was not finished when it was made is ended
  mayact keys list [--json]                   the signing keys, and what each of them does
  mayact keys rotate [--publish-for 15m]      a new key, published for so long before it signs
  mayact keys retire KID [--now]              it signs no longer; with --now it verifies no longer, either
  mayact impersonations list [--state STATE] [--json]   who acts as whom, and who did
  mayact impersonations end ID [--reason TEXT]          ends it everywhere within a second;
                      [--all | --impersonator ID | --subject ID | --application ID]
                                              ends all of these
  mayact mail list [--state STATE] [--json]   mail that is queued, was sent, or failed and was given up
  mayact mail retry [ID]                      tries a mail again, or all that were given up
  mayact audit verify [FILE] [--keys FILE]    proves the audit trail, or an export of it, or names the first bad row
  mayact audit export [--from T] [--to T]     the sealed rows as JSON Lines, to be verified anywhere
  mayact audit keys                           the public keys that prove it
  mayact plugins list                         what is loaded, with hashes
  mayact plugins types                        writes what an editor needs into the folder of plugins
  mayact plugins new NAME                     writes a first file to change
  mayact plugins test FILE                    asks a plugin with example requests
  mayact --version | --help
`

const unusable: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR'])

/** What the system says of a folder or file that this process cannot use; undefined for anything else. */
const noAccess = (error: unknown): string | undefined => {
  const { code, path, message } = error as { code?: unknown; path?: unknown; message?: unknown }
  if (typeof path !== 'string' || typeof message !== 'string') return undefined
  return unusable.has(code) ? message : undefined
}

type Command = (invocation: Invocation) => Promise<number | undefined>

/** Commands are imported when they are chosen: a start does not pay for the others. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  migrate: async () => (await import('./migrate.ts')).migrateCommand,
  'db exec': async () => (await import('./db-exec.ts')).dbExec,
  'plugins list': async () => (await import('./plugins.ts')).listPlugins,
  'plugins types': async () => (await import('./plugins.ts')).writeTypes,
  'plugins new': async () => (await import('./plugins.ts')).newPlugin,
  'plugins test': async () => (await import('./plugins-test.ts')).testPlugin,
  'keys list': async () => (await import('./keys.ts')).listCommand,
  'keys rotate': async () => (await import('./keys.ts')).rotateCommand,
  'keys retire': async () => (await import('./keys.ts')).retireCommand,
  'impersonations list': async () => (await import('./impersonations.ts')).listCommand,
  'impersonations end': async () => (await import('./impersonations.ts')).endCommand,
  'mail list': async () => (await import('./mail.ts')).listCommand,
  'mail retry': async () => (await import('./mail.ts')).retryCommand,
  'audit verify': async () => (await import('./audit.ts')).verifyCommand,
  'audit export': async () => (await import('./audit.ts')).exportCommand,
  'audit keys': async () => (await import('./audit.ts')).keysCommand,
  import: async () => (await import('./import.ts')).importCommand,
  check: async () => (await import('./check.ts')).check,
  demo: async () => (await import('./demo.ts')).demo,
  backup: async () => (await import('./backup.ts')).backup,
  restore: async () => (await import('./restore.ts')).restore,
}

/** Options that are handed to their command among its operands. */
const flags: ReadonlySet<string> = new Set([
  '--json',
  '--keep',
  '--mail',
  '--force',
  '--keep-sessions',
  '--now',
  '--publish-for',
  '--keys',
  '--from',
  '--to',
  '--all',
  '--impersonator',
  '--subject',
  '--application',
  '--state',
  '--reason',
  '--dry-run',
  '--report',
  '--again',
])

const read = (words: readonly string[], environment: Environment) => {
  const rest: string[] = []
  let configFile: string | undefined
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (word === '--config') {
      index += 1
      configFile = words[index]
      if (configFile === undefined) throw new Misuse('--config needs a file')
    } else if (word.startsWith('--config=')) configFile = word.slice('--config='.length)
    else if (word.startsWith('-') && !flags.has(word)) throw new Misuse(`unknown option ${word}`)
    else rest.push(word)
  }
  const [first = 'serve', ...others] = rest
  const isTwoWords = ['db', 'plugins', 'keys', 'audit', 'impersonations', 'mail'].includes(first)
  const name = isTwoWords ? `${first} ${others.shift() ?? ''}`.trim() : first
  const command = commands[name]
  if (!command) throw new Misuse(`unknown command ${name}`)
  return { command, invocation: { configFile, operands: others, environment } }
}

/** Runs a command line; answers the exit code, or undefined while a server goes on. */
export const run = async (
  words: readonly string[],
  environment: Environment,
): Promise<number | undefined> => {
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(usage)
    return 0
  }
  if (words.includes('--version')) {
    process.stdout.write((await import('./version.ts')).versionText)
    return 0
  }
  try {
    const { command, invocation } = read(words, environment)
    const chosen = await command()
    return await chosen(invocation)
  } catch (error) {
    if (error instanceof Misuse) {
      process.stderr.write(`mayact: ${error.message}\n\n${usage}`)
      return misused
    }
    if (error instanceof ConfigurationError) {
      process.stderr.write(`mayact cannot start:\n${error.message.replace(/^/gm, '  ')}\n`)
      return misconfigured
    }
    const denied = error instanceof Error ? noAccess(error) : undefined
    if (denied !== undefined) {
      process.stderr.write(`mayact: ${denied}: give this user that folder or file, or name another one\n`)
      return misconfigured
    }
    process.stderr.write(
      `mayact failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return failed
  }
}
