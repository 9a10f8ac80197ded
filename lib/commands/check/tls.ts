/** The certificate that browsers see. */
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import { type Finding, lasting, note, ok, reasonOf, wrong } from '../../impersonation/readiness/finding.ts'

const about = 'TLS'

const covers = (certificate: X509Certificate, hostname: string) =>
  (isIP(hostname) ? certificate.checkIP(hostname) : certificate.checkHost(hostname)) !== undefined

/** Whether the certificate lasts and is for the name that browsers use. */
export const checkTls = ({ server, dataDirectory }: Config, now: Date): readonly Finding[] => {
  if (!server.tls.enabled) return [ok(about, 'is off here: the proxy before this server has the certificate')]
  const configured = server.tls.certificate
  const path = configured ?? join(dataDirectory, 'tls/certificate.pem')
  if (!existsSync(path)) return [note(about, 'no certificate yet: the first start makes a self-signed one')]
  try {
    const certificate = new X509Certificate(readFileSync(path))
    const kind = configured === undefined ? 'the self-signed certificate' : 'the certificate'
    // a self-signed one is renewed by a start, a configured one by its owner
    const renew = configured === undefined ? 'restart the server: it makes a new one' : `replace ${path}`
    const life = lasting(about, kind, new Date(certificate.validTo), now, renew)
    if (covers(certificate, server.hostname)) return [life]
    const mend = configured === undefined ? renew : `get one with that name, or correct [server] hostname`
    return [life, wrong(about, `${kind} is not for ${server.hostname}`, mend)]
  } catch (error) {
    return [wrong(about, `${path} cannot be used: ${reasonOf(error)}`, 'correct [server.tls]')]
  }
}
