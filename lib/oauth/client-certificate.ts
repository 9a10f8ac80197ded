/**
 * Mutual TLS (RFC 8705) behind a proxy that ends it: the client's certificate comes in a header, which the operator
 * names and the proxy sets on every request. With `tls_client_auth` the proxy has verified the chain.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import type { Application } from '../directory/applications.ts'
import type { OutboundRules } from '../outbound.ts'
import { clientJwks } from './client-keys.ts'

/** More than any certificate has, percent-encoded. */
const longest = 16_384

/** One certificate and nothing else: of two, nobody could say which one the proxy has verified. */
const onePem = /^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/

const fromPem = (text: string): X509Certificate | undefined =>
  onePem.test(text) ? new X509Certificate(text) : undefined

/** Reads a header's value: PEM, percent-encoded (nginx `$ssl_client_escaped_cert`), or RFC 9440's `:base64:`. */
export const readCertificate = (header: string): X509Certificate | undefined => {
  if (header === '' || header.length > longest) return undefined
  try {
    const binary = /^:([A-Za-z0-9+/=]+):$/.exec(header)?.[1]
    return binary === undefined
      ? fromPem(decodeURIComponent(header))
      : new X509Certificate(Buffer.from(binary, 'base64'))
  } catch {
    return undefined
  }
}

/** The `x5t#S256` of its tokens (RFC 8705 §3.1). */
export const certificateThumbprint = (certificate: X509Certificate): string =>
  createHash('sha256').update(certificate.raw).digest('base64url')

/** The parts of a distinguished name (RFC 4514), unescaped, attribute types in upper case. */
const partsOf = (name: string, separator: RegExp): readonly string[] =>
  name
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=')
      const type = part.slice(0, equals).trim().toUpperCase()
      const value = part
        .slice(equals + 1)
        .trim()
        // pairs of hexadecimal digits are bytes of UTF-8
        .replace(/(?:\\[0-9a-f]{2})+/gi, (bytes) =>
          Buffer.from(bytes.replaceAll('\\', ''), 'hex').toString('utf8'),
        )
        .replace(/\\(.)/g, '$1')
      return `${type}=${value}`
    })

const same = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((part, index) => part === b[index])

/** Whether the certificate's subject is that name, in the order of RFC 4514 or in that of the certificate. */
const isSubject = (certificate: X509Certificate, name: string): boolean => {
  const inCertificate = partsOf(certificate.subject, /\n/)
  const wanted = partsOf(name, /(?<!\\),/)
  return wanted.length > 0 && (same(inCertificate, wanted) || same(inCertificate, [...wanted].reverse()))
}

const isRegistered = async (
  certificate: X509Certificate,
  client: Application,
  outbound: OutboundRules,
): Promise<boolean> => {
  // export of a public key as jwk has the members of one
  const thumbprint = await calculateJwkThumbprint(certificate.publicKey.export({ format: 'jwk' }) as JWK)
  const thumbprints = await Promise.all(
    (await clientJwks(client, outbound)).map((jwk) => calculateJwkThumbprint(jwk).catch(() => undefined)),
  )
  return thumbprints.includes(thumbprint)
}

/** Why the certificate does not authenticate the client by this method, or undefined when it does. */
export const certificateProblem = async (
  certificate: X509Certificate | undefined,
  client: Application,
  method: 'tls_client_auth' | 'self_signed_tls_client_auth',
  outbound: OutboundRules,
  now: Date,
): Promise<string | undefined> => {
  if (!certificate) return 'no client certificate'
  if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo)) {
    return 'the certificate is not valid now'
  }
  if (method === 'self_signed_tls_client_auth') {
    return (await isRegistered(certificate, client, outbound))
      ? undefined
      : 'the certificate is not registered'
  }
  const name = client.oidc.clientAuthentication.tlsClientAuthSubjectDn
  if (name === undefined) return 'no subject is registered'
  return isSubject(certificate, name) ? undefined : 'the certificate has another subject'
}
