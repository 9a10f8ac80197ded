/** What of a configuration holds until the next start, by its key. */
import type { Config } from '../config.ts'

const keys: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['server.hostname', ({ server }) => server.hostname],
  ['server.base_path', ({ server }) => [server.baseUrl, server.hosts]],
  ['server.port', ({ server }) => server.port],
  ['server.bind', ({ server }) => server.bind],
  ['server.tls.enabled', ({ server }) => server.tls.enabled],
  ['server.data', ({ dataDirectory }) => dataDirectory],
  ['super_admin', ({ superAdmin }) => superAdmin],
  ['database.identity_db', ({ database }) => database],
  ['encryption', ({ encryption }) => encryption],
  ['oauth.issuer', ({ issuer }) => issuer],
  ['oauth.signing_algorithm', ({ oauth }) => oauth.signingAlgorithm],
  ['oauth.additional_signing_algorithms', ({ oauth }) => oauth.signingAlgorithms.slice(1)],
  ['api_resources', ({ apiResources }) => apiResources],
  ['output_adapter.email', ({ email }) => email],
  ['audit', ({ audit }) => audit],
  ['log', ({ log }) => log],
]

/** The keys whose new values need a restart, and `next` with the old values in their places. */
export const keepUntilRestart = (
  current: Config,
  next: Config,
): { readonly config: Config; readonly restart: readonly string[] } => {
  const restart = keys
    .filter(([, read]) => !Bun.deepEquals(read(current), read(next), true))
    .map(([key]) => key)
  const { email: _, ...rest } = next
  const { server } = current
  const config: Config = {
    ...rest,
    server: {
      ...server,
      trustedProxies: next.server.trustedProxies,
      tls: server.tls.enabled === next.server.tls.enabled ? next.server.tls : server.tls,
    },
    superAdmin: current.superAdmin,
    database: current.database,
    dataDirectory: current.dataDirectory,
    encryption: current.encryption,
    issuer: current.issuer,
    oauth: {
      ...next.oauth,
      signingAlgorithm: current.oauth.signingAlgorithm,
      signingAlgorithms: current.oauth.signingAlgorithms,
    },
    apiResources: current.apiResources,
    ...(current.email ? { email: current.email } : {}),
    audit: current.audit,
    log: current.log,
  }
  return { config, restart }
}
