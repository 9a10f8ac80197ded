/** The certificate that HTTPS is served with: the configured one, or a self-signed one made on the first start. */
import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { selfSigned } from './certificate.ts'

const day = 86_400_000
/** The longest that Apple's systems accept from a certificate their user has trusted. */
const days = 825
/** A server started on the last day would soon serve an expired certificate. */
const renewedBefore = 30 * day

/** The certificate or its key cannot be used; the message names the file. */
export class TlsError extends Error {
  override readonly name = 'TlsError'
}

/** `certificate` and `key` are paths of PEM files, `directory` is the data folder. */
export interface TlsSource {
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  readonly directory: string
  readonly hostname: string
  readonly now: Date
}

/** `cert` and `key` are PEM; `made` says that this call made them; `path` is where the certificate lies. */
export interface Tls {
  readonly cert: string
  readonly key: string
  readonly made: boolean
  readonly path?: string
}

const read = (path: string, what: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TlsError(`the TLS ${what} ${path} cannot be read: ${reason}`, { cause })
  }
}

const parse = <Value>(path: string, what: string, parser: () => Value): Value => {
  try {
    return parser()
  } catch (cause) {
    throw new TlsError(`${path} is not a TLS ${what} in PEM without a passphrase`, { cause })
  }
}

const readPair = (certificatePath: string, keyPath: string) => {
  const cert = read(certificatePath, 'certificate')
  const key = read(keyPath, 'key')
  const certificate = parse(certificatePath, 'certificate', () => new X509Certificate(cert))
  const privateKey = parse(keyPath, 'key', () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey))
    throw new TlsError(`the TLS key ${keyPath} does not belong to the certificate ${certificatePath}`)
  return { cert, key, certificate }
}

/** By rename, so that nobody ever reads half a file. */
const replace = (path: string, content: string, mode: number) => {
  const draft = `${path}.${randomUUID()}`
  writeFileSync(draft, content, { flag: 'wx', mode })
  renameSync(draft, path)
}

const covers = (certificate: X509Certificate, hostname: string) =>
  (isIP(hostname) ? certificate.checkIP(hostname) : certificate.checkHost(hostname)) !== undefined

/** The pair of an earlier start, unless it is missing, damaged, about to expire or of another name. */
const findStored = (certificatePath: string, keyPath: string, hostname: string, now: Date) => {
  if (!existsSync(certificatePath) || !existsSync(keyPath)) return undefined
  try {
    const { cert, key, certificate } = readPair(certificatePath, keyPath)
    const lasts = Date.parse(certificate.validTo) - now.getTime() > renewedBefore
    return lasts && covers(certificate, hostname) ? { cert, key } : undefined
  } catch (error) {
    // two servers that made one at once may have left halves of two pairs
    if (error instanceof TlsError) return undefined
    throw error
  }
}

/**
 * Reads the configured pair, or else the self-signed one in `<directory>/tls/`, which is made when needed for
 * `hostname`, localhost, 127.0.0.1 and ::1. Throws `TlsError`.
 */
export const loadTls = async ({ certificate, key, directory, hostname, now }: TlsSource): Promise<Tls> => {
  if (certificate !== undefined && key !== undefined) {
    const pair = readPair(certificate, key)
    return { cert: pair.cert, key: pair.key, made: false, path: certificate }
  }
  if (certificate !== undefined || key !== undefined)
    throw new TlsError('a TLS certificate and its key are configured together or not at all')
  const folder = join(directory, 'tls')
  const path = join(folder, 'certificate.pem')
  const keyPath = join(folder, 'key.pem')
  const stored = findStored(path, keyPath, hostname, now)
  if (stored) return { ...stored, made: false, path }
  const names = [...new Set([hostname, 'localhost', '127.0.0.1', '::1'])]
  const pair = await selfSigned({ commonName: hostname, names, algorithm: 'ES256', days, now })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  replace(keyPath, pair.privateKey, 0o600)
  replace(path, pair.certificate, 0o644)
  return { cert: pair.certificate, key: pair.privateKey, made: true, path }
}
