/** What the configuration may ask for and this version does not do: refused where silence would be unsafe. */
import { existsSync, readdirSync } from 'node:fs'
import { type Config, ConfigurationError } from '../config.ts'
import type { Log } from '../log.ts'

/** Throws ConfigurationError when somebody relies on a plugin; warns of the rest. */
export const refuseNotYet = (config: Config, log: Log): void => {
  const { directory } = config.plugins
  const plugins = existsSync(directory)
    ? readdirSync(directory).filter((name) => /(?<!\.d)\.ts$/.test(name))
    : []
  if (plugins.length > 0) {
    throw new ConfigurationError([
      `${config.file}: plugins.directory: ${plugins.join(', ')} in ${directory} would not be loaded: this version has no plugins yet; move them away`,
    ])
  }
  if (config.oauth.tokenExchange.allowRefreshTokens) {
    log.warn('oauth.grant_type.token_exchange.allow_refresh_tokens: this version gives no refresh tokens')
  }
}
