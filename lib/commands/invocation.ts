/** What a command line says, and the configuration it leads to. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import shipped from '../../deployment.toml' with { type: 'text' }
import { type Config, type Environment, load } from '../config.ts'
import { createLog, type Log } from '../log.ts'

export interface Invocation {
  readonly configFile: string | undefined
  readonly operands: readonly string[]
  readonly environment: Environment
}

/** The command line is not one of ours. */
export class Misuse extends Error {
  override readonly name = 'Misuse'
}

/**
 * Loads the configuration and says what was ignored or merged. In a folder without a deployment.toml the shipped one
 * is written first, so that there is something to edit. Throws ConfigurationError.
 */
export const configure = async ({
  configFile,
  environment,
}: Invocation): Promise<{ config: Config; log: Log }> => {
  const file = resolve(configFile ?? 'deployment.toml')
  const fresh = configFile === undefined && !existsSync(file)
  if (fresh) await writeFile(file, shipped, { flag: 'wx', mode: 0o600 })
  const { config, warnings, ignored } = await load(file, environment)
  const log = createLog(config.log)
  if (fresh) log.info({ file }, 'there was no deployment.toml: the shipped one was written')
  for (const warning of warnings) log.warn(warning)
  if (ignored.length > 0)
    log.info({ tables: ignored }, 'these tables of deployment.toml have no meaning here')
  return { config, log }
}
