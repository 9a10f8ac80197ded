import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Draft } from './draft.ts'

const understood = <Value>(make: () => Value): Value | undefined => {
  try {
    return make()
  } catch {
    return undefined // the reason may quote the file; the caller says what was wanted
  }
}

/**
 * The certificate and key of `[server.tls]` as absolute paths, or nothing when neither is given.
 * Refuses one without the other, files that cannot be read or are not PEM, and a key of another certificate.
 */
export const certificate = (draft: Draft): { certificate?: string; key?: string } => {
  const { settings, touched, locate, refuse } = draft
  const { certificate: chain, key } = settings.server.tls
  // The key itself instead of its path is an easy slip, so what came from outside the file is not repeated.
  const called = (name: string, path: string) =>
    touched.has(name) || path.includes('-----BEGIN') ? 'the file it names' : `the file ${path}`
  const read = (name: string, path: string): string | undefined => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`
      refuse(name, `${called(name, path)} ${reason}; give the path of a PEM file`)
      return undefined
    }
  }

  if (chain === undefined && key === undefined) return {}
  if (chain === undefined) {
    refuse('server.tls.certificate', 'is missing beside server.tls.key; give both or neither', [
      'server.tls.key',
    ])
    return {}
  }
  if (key === undefined) {
    refuse('server.tls.key', 'is missing beside server.tls.certificate; give both or neither')
    return {}
  }

  const paths = { certificate: locate(chain), key: locate(key) }
  const chainText = read('server.tls.certificate', paths.certificate)
  const keyText = read('server.tls.key', paths.key)
  const leaf = chainText?.includes('-----BEGIN CERTIFICATE-----')
    ? understood(() => new X509Certificate(chainText))
    : undefined
  const privateKey = keyText?.includes('PRIVATE KEY-----')
    ? understood(() => createPrivateKey(keyText))
    : undefined
  const refuseContent = (name: string, path: string, holds: string) =>
    refuse(name, `${called(name, path)} holds ${holds}`)
  if (chainText !== undefined && !leaf)
    refuseContent('server.tls.certificate', paths.certificate, 'no certificate in PEM form')
  if (keyText !== undefined && !privateKey)
    refuseContent('server.tls.key', paths.key, 'no private key in PEM form without a passphrase')
  if (leaf && privateKey && !understood(() => leaf.checkPrivateKey(privateKey)))
    refuseContent('server.tls.key', paths.key, 'the key of another certificate')
  return paths
}
