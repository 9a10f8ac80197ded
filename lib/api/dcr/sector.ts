/** Whose pairwise subjects a client shares (OpenID Connect Registration §5): the document is read and must list all its redirect URIs. */
import * as z from 'zod'
import { type OutboundRules, readDocument } from '../../outbound.ts'
import { invalidMetadata } from './error.ts'
import type { ClientMetadata } from './metadata.ts'

const list = z.array(z.string()).max(1_000)

/** Throws RegistrationError `invalid_client_metadata`. */
export const checkSector = async (metadata: ClientMetadata, rules: OutboundRules): Promise<void> => {
  const { sector_identifier_uri: uri, subject_type, redirect_uris } = metadata
  if (uri === undefined) {
    const hosts = new Set(redirect_uris.map((redirect) => new URL(redirect).host))
    if (subject_type === 'pairwise' && hosts.size > 1)
      throw invalidMetadata(
        'Redirect URIs of several hosts need a sector_identifier_uri for pairwise subjects.',
      )
    return
  }
  const document = await readDocument(uri, rules)
  if ('problem' in document) throw invalidMetadata(`sector_identifier_uri ${document.problem}.`)
  const listed = list.safeParse(document.json)
  if (!listed.success) throw invalidMetadata('sector_identifier_uri is not a JSON array of URIs.')
  if (!redirect_uris.every((redirect) => listed.data.includes(redirect)))
    throw invalidMetadata('sector_identifier_uri does not list every one of the redirect_uris.')
}
