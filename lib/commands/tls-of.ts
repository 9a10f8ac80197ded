import type { Config } from '../config.ts'
import { loadTls, type Tls } from '../keys/tls.ts'

/** The certificate that the configuration asks for; a self-signed one is made when it asks for none. Throws TlsError. */
export const tlsOf = async ({ server, dataDirectory }: Config): Promise<Tls | undefined> => {
  if (!server.tls.enabled) return undefined
  const { certificate, key } = server.tls
  const pair = certificate !== undefined && key !== undefined ? { certificate, key } : {}
  return loadTls({ ...pair, directory: dataDirectory, hostname: server.hostname, now: new Date() })
}
