/** What a request presents as its client (RFC 6749 §2.3, RFC 7521 §4.2): one method of authentication, never two. */
import { decodeJwt } from 'jose'
import { OAuthError } from './error.ts'
import { decodePart } from './form.ts'

export type PresentedClient =
  | {
      readonly method: 'client_secret_basic' | 'client_secret_post'
      readonly clientId: string
      readonly secret: string
    }
  | { readonly method: 'private_key_jwt'; readonly clientId: string; readonly assertion: string }
  /** By its id alone: a public client, or one whose certificate the connection has. */
  | { readonly method: 'none'; readonly clientId: string }

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** One answer for every reason; the reason is its cause. */
export const failed = (cause: unknown) =>
  new OAuthError('invalid_client', 'Client Authentication failed.', { cause })

const invalid = (description: string) => new OAuthError('invalid_request', description)

/** RFC 6749, appendix A.1, and no longer than ours get. What else a name may hold, a database need not be able to hold: Postgres has no NUL. */
const isClientId = (value: string): boolean => /^[\x20-\x7e]{1,255}$/.test(value)

const fromBasic = (header: string): PresentedClient => {
  const [, encoded = ''] = /^basic +([a-z0-9+/=_-]+)$/i.exec(header) ?? []
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 1) throw failed('malformed Basic credentials')
  try {
    const [clientId, secret] = [decodePart(decoded.slice(0, colon)), decodePart(decoded.slice(colon + 1))]
    return secret === '' ? { method: 'none', clientId } : { method: 'client_secret_basic', clientId, secret }
  } catch (cause) {
    throw failed(cause)
  }
}

/** Whom the assertion says it is from; nothing is believed of it before it is verified with that client's keys. */
const fromAssertion = (assertion: string | undefined, type: string | undefined): PresentedClient => {
  if (assertion === undefined || type === undefined) {
    throw invalid('client_assertion and client_assertion_type come together.')
  }
  if (type !== assertionType) throw invalid('Unsupported client_assertion_type.')
  let clientId: unknown
  try {
    clientId = decodeJwt(assertion).sub
  } catch (cause) {
    throw failed(cause)
  }
  if (typeof clientId !== 'string') throw failed('a client assertion without sub')
  return { method: 'private_key_jwt', clientId, assertion }
}

/** Reads it. Throws OAuthError: `invalid_request` for two methods at once, `invalid_client` for none or a malformed one. */
export const presentedClient = (request: Request, form: ReadonlyMap<string, string>): PresentedClient => {
  const authorization = request.headers.get('authorization')
  const clientId = form.get('client_id')
  const secret = form.get('client_secret')
  const [assertion, type] = [form.get('client_assertion'), form.get('client_assertion_type')]
  const hasAssertion = assertion !== undefined || type !== undefined
  const methods = [authorization !== null, secret !== undefined, hasAssertion]
  if (methods.filter(Boolean).length > 1) throw invalid('The client must use one authentication method only.')
  const presented = ((): PresentedClient => {
    if (authorization !== null) return fromBasic(authorization)
    if (hasAssertion) return fromAssertion(assertion, type)
    if (clientId === undefined) throw failed('no client credentials')
    return secret === undefined
      ? { method: 'none', clientId }
      : { method: 'client_secret_post', clientId, secret }
  })()
  if (clientId !== undefined && clientId !== presented.clientId) {
    throw invalid('client_id differs from the authenticated client.')
  }
  if (!isClientId(presented.clientId)) throw failed('malformed client id')
  return presented
}
