import { readFile } from 'node:fs/promises'
import { ConfigurationError } from '../config.ts'
import { close, runScript } from '../database/commit.ts'
import { connect } from '../database/connect.ts'
import { executeInServer } from './control.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { located } from './located.ts'

const execute = async (invocation: Invocation, script: string): Promise<void> => {
  const { config } = await configure(invocation)
  if (config.database.type === 'sqlite' && (await executeInServer(config.dataDirectory, script))) return
  const db = await located(config, () => connect(config.database))
  try {
    await runScript(db, script)
  } finally {
    await close(db)
  }
}

/** `mayact db exec FILE`: runs an SQL script in one transaction, through the running server where there is one. */
export const dbExec = async (invocation: Invocation): Promise<number> => {
  const [file, ...more] = invocation.operands
  if (file === undefined || more.length > 0) throw new Misuse('db exec takes one file')
  let script: string
  try {
    script = await readFile(file, 'utf8')
  } catch {
    process.stderr.write(`mayact: ${file} cannot be read\n`)
    return 66
  }
  try {
    await execute(invocation, script)
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ConfigurationError) throw error
    const hint = /no such table|does not exist/.test(error.message) ? ' (run `mayact migrate` first?)' : ''
    process.stderr.write(`mayact: the script was undone: ${error.message}${hint}\n`)
    return 65
  }
  process.stdout.write('The script was executed.\n')
  return 0
}
