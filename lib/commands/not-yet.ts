/** What the configuration may ask for and this version does not do. */
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'

/** Says what is asked for in vain. */
export const warnNotYet = (config: Config, log: Log): void => {
  if (config.oauth.tokenExchange.allowRefreshTokens) {
    log.warn('oauth.grant_type.token_exchange.allow_refresh_tokens: this version gives no refresh tokens')
  }
}
