/** Self-signed X.509 certificates. */
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { Extension } from '@peculiar/x509'
import { type Algorithm, generateKeyPair, webCrypto } from './algorithms.ts'

const day = 86_400_000
/** Machines whose clocks are a little behind must not find the certificate to be of the future. */
const skew = 300_000

/** `names` are DNS names and IP addresses; without any the certificate is good for signatures only, not for TLS. */
export interface CertificateRequest {
  readonly commonName: string
  readonly names: readonly string[]
  /** Extractable; made when absent. */
  readonly keyPair?: CryptoKeyPair
  readonly algorithm: Algorithm
  readonly days: number
  readonly now: Date
}

/**
 * Costly and rarely needed, so loaded on the first use. x509 looks for reflect-metadata while it is imported, and
 * two import statements would not keep that order in the compiled binary: there the bundler runs x509 first.
 */
const loadX509 = async () => {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

/** Makes a certificate that its own key signs (RFC 5280). Both values are PEM, the key PKCS #8. */
export const selfSigned = async (
  request: CertificateRequest,
): Promise<{ certificate: string; privateKey: string }> => {
  const x509 = await loadX509()
  const { algorithm, now, names } = request
  const keys = request.keyPair ?? (await generateKeyPair(algorithm))
  const serial = randomBytes(16)
  // RFC 5280 §4.1.2.2: positive, and without a leading zero byte
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  // no key usage: one without keyCertSign hides from older OpenSSL that the certificate is its own issuer,
  // and RFC 5280 §4.2.1.9 forbids keyCertSign to what is not an authority
  const extensions: Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
  ]
  if (names.length > 0) {
    extensions.push(
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value })),
      ),
    )
  }
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    // RFC 5280 appendix A.1: a common name has at most 64 characters
    name: [{ CN: [request.commonName.slice(0, 64)] }],
    notBefore: new Date(now.getTime() - skew),
    notAfter: new Date(now.getTime() + request.days * day),
    keys,
    signingAlgorithm: webCrypto[algorithm].signature,
    extensions,
  })
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    certificate: `${certificate.toString('pem')}\n`,
    privateKey: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
  }
}
