/** Who the client is: HTTP Basic (form-decoded, RFC 6749 §2.3.1) or form post, never both; public clients by id alone. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { readRevision, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { fact } from '../directory/facts.ts'
import type { Vault } from '../keys/secrets.ts'
import type { Confirmation } from '../tokens/token.ts'
import { OAuthError } from './error.ts'

const digest = (value: string) => createHash('sha256').update(value).digest()

const failed = (cause: string) => new OAuthError('invalid_client', 'Client Authentication failed.', { cause })

/** RFC 6749, appendix A.1, and no longer than ours get. What else a name may hold, a database need not be able to hold: Postgres has no NUL. */
const isClientId = (value: string): boolean => /^[\x20-\x7e]{1,255}$/.test(value)

interface Presented {
  readonly clientId: string
  readonly secret: string | undefined
}

const fromBasic = (header: string): Presented => {
  const [, encoded = ''] = /^basic +([a-z0-9+/=_-]+)$/i.exec(header) ?? []
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 1) throw failed('malformed Basic credentials')
  try {
    const [clientId = '', secret = ''] = [decoded.slice(0, colon), decoded.slice(colon + 1)].map((part) =>
      decodeURIComponent(part.replaceAll('+', ' ')),
    )
    return { clientId, secret }
  } catch (cause) {
    throw new OAuthError('invalid_client', 'Client Authentication failed.', { cause })
  }
}

const presented = (authorization: string | null, form: ReadonlyMap<string, string>): Presented => {
  const clientId = form.get('client_id')
  const secret = form.get('client_secret')
  if (authorization === null) {
    if (clientId === undefined) throw failed('no client credentials')
    return { clientId, secret }
  }
  if (secret !== undefined) {
    throw new OAuthError('invalid_request', 'The client must use one authentication method only.')
  }
  const basic = fromBasic(authorization)
  if (clientId !== undefined && clientId !== basic.clientId) {
    throw new OAuthError('invalid_request', 'client_id differs from the authenticated client.')
  }
  return basic
}

/** Who the client is, and what proves it. */
export interface AuthenticatedClient {
  readonly client: Application
  /** The revision at which it was; what is answered to it is guarded by that. */
  readonly revision: number
  /** Its TLS certificate, where that authenticated it and its tokens are bound to it (RFC 8705). */
  readonly confirmation: Confirmation | null
  /** For the commit of what it is answered: the assertion it was authenticated by is used up. */
  readonly writes: readonly Write[]
}

/**
 * The authenticated client, and the revision at which it was; what is answered to it is guarded by that. Throws
 * `invalid_client` (401) or, for two methods at once, `invalid_request`.
 */
export const authenticateClient = async (
  { db, vault }: { readonly db: Db; readonly vault: Vault },
  request: Request,
  form: ReadonlyMap<string, string>,
): Promise<AuthenticatedClient> => {
  const authorization = request.headers.get('authorization')
  const { clientId, secret } = presented(authorization, form)
  if (!isClientId(clientId)) throw failed('malformed client id')
  const revision = await readRevision(db)
  const application = await findClient(db, revision, clientId)
  if (!application) throw failed('unknown client')
  if (!application.active) throw failed('the application is disabled or revoked')
  if (secret === undefined || (secret === '' && application.oidc.publicClient)) {
    if (!application.oidc.publicClient) throw failed('a confidential client without its secret')
    return { client: application, revision, confirmation: null, writes: [] }
  }
  // both are hashed, so that neither length nor content shows in the time it takes
  const expected = await fact(db, revision, `secret of ${application.id}`, async () =>
    digest(vault.openText(application.sealedSecret, application.id)),
  )
  if (!timingSafeEqual(digest(secret), expected)) throw failed('wrong secret')
  return { client: application, revision, confirmation: null, writes: [] }
}
