/** The plugins folder, loaded as a start would load it. */
import { existsSync } from 'node:fs'
import { type Config, ConfigurationError } from '../../config.ts'
import { type Finding, note, ok, wrong } from '../../impersonation/readiness/finding.ts'
import { createLog } from '../../log.ts'

const about = 'plugins'
const mend = 'correct the file, or move it away: the server does not start with it'

/** Every file that would keep the server from starting, or the names of those that are in force. */
export const checkPlugins = async (config: Config): Promise<readonly Finding[]> => {
  const { directory } = config.plugins
  if (!existsSync(directory)) return [ok(about, `none: there is no folder ${directory}`)]
  const { pluginsOf } = await import('../plugins-of.ts')
  try {
    const plugins = await pluginsOf(config, createLog({ level: 'silent', format: 'json' }))
    await plugins.remove()
    const names = plugins.files.map(({ name, kind }) => `${name} (${kind})`)
    const says = names.length === 0 ? `none in ${directory}` : names.join(', ')
    return [ok(about, says), ...plugins.warnings.map((warning) => note(about, warning))]
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return error.problems.map((problem) => wrong(about, problem, mend))
  }
}
