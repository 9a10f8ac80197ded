/** The plugins of a configuration, and the audit rows that say which files are in force. */
import { record, type Trace } from '../audit.ts'
import type { Config } from '../config.ts'
import type { Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { ourValidators } from '../impersonation/validators/built-in.ts'
import type { Log } from '../log.ts'
import { subjectTokenClass, subjectTokenValidator } from '../oauth/response-types/subject-token.ts'
import { loadPlugins, type Plugins } from '../plugins.ts'

/** What the audit calls rules of ours, and what requests and applications call grants: no plugin may be one of them. */
const builtIn = [
  ...ourValidators.map(({ name }) => name),
  ...['application', 'impersonator', 'subject', 'consent', 'token-exchange', 'claims'],
  ...[subjectTokenClass, subjectTokenValidator],
  'urn:ietf:params:oauth:grant-type:token-exchange',
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:saml2-bearer',
  'urn:openid:params:grant-type:ciba',
]

/** Loads the folder of plugins. Throws ConfigurationError. */
export const pluginsOf = async (config: Config, log: Log, only?: string): Promise<Plugins> => {
  const { directory, configuration, timeoutMilliseconds } = config.plugins
  const plugins = await loadPlugins({
    directory,
    configuration,
    configurationFile: config.file,
    builtIn,
    timeoutMilliseconds,
    ...(only === undefined ? {} : { only }),
    onFault: (plugin, error) => log.warn({ plugin, err: error }, 'a plugin failed, and so refused'),
  })
  for (const warning of plugins.warnings) log.warn(warning)
  return plugins
}

/** One audit row a file. */
export const recordLoaded = (db: Db, plugins: Plugins, trace: Trace, now: Date): Write[] =>
  plugins.files.map(({ name, kind, file, sha256 }) =>
    record(db, now, trace, {
      event: 'plugin-loaded',
      initiator: 'system',
      target: name,
      data: { kind, file, sha256 },
      outcome: 'Success',
    }),
  )
