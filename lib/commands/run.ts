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
  mayact --version | --help
`

type Command = (invocation: Invocation) => Promise<number | undefined>

/** Commands are imported when they are chosen: a start does not pay for the others. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  migrate: async () => (await import('./migrate.ts')).migrateCommand,
  'db exec': async () => (await import('./db-exec.ts')).dbExec,
}

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
    else if (word.startsWith('-')) throw new Misuse(`unknown option ${word}`)
    else rest.push(word)
  }
  const [first = 'serve', ...others] = rest
  const name = first === 'db' ? `db ${others.shift() ?? ''}`.trim() : first
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
    process.stderr.write(
      `mayact failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return failed
  }
}
