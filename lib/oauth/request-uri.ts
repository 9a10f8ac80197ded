/**
 * Request objects by reference (OpenID Connect Core §6.2, RFC 9101 §5.2): the `request_uri` of a request is read only
 * when the client registered exactly that one. Nothing is kept of it: each request reads it anew.
 */
import { createHash } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import type { Application } from '../directory/applications.ts'
import { type OutboundRules, readText } from '../outbound.ts'
import { OAuthError } from './error.ts'
import type { ReadingLimit } from './reading-limit.ts'

/** The request object, a JWT whose signature nobody looked at. `address` is where the request came from. Throws OAuthError. */
export type RequestUriReader = (client: Application, requestUri: string, address: string) => Promise<string>

const unusable = (description: string) => new OAuthError('invalid_request_uri', description)

const jwt = /^[\w-]+\.[\w-]+\.[\w-]*$/

/** A SHA-256 in base64url. */
const hash = /^[\w-]{43}$/

const isUnsigned = (object: string): boolean => {
  try {
    return decodeProtectedHeader(object).alg === 'none'
  } catch {
    // no JWT; whoever opens it says so
    return false
  }
}

/**
 * Whether the content is the one whose hash the fragment is. It is what an unsigned object is known by. A signed one is
 * known by its signature; Core §6.2 has its fragment say that a kept copy is old, and clients put there what they like.
 */
const isNamedBy = (fragment: string, content: string): boolean => {
  if (!hash.test(fragment) || !isUnsigned(content.trim())) return true
  return createHash('sha256').update(content).digest('base64url') === fragment
}

export const requestUriReader =
  (rules: OutboundRules, limit: ReadingLimit): RequestUriReader =>
  async (client, requestUri, address) => {
    const registered = client.oidc.mayact.requestUris
    if (registered.length === 0) {
      throw new OAuthError('request_uri_not_supported', 'The request_uri parameter is not supported.')
    }
    if (!registered.includes(requestUri)) {
      throw unusable('The request_uri is not one that is registered for the application.')
    }
    const url = new URL(requestUri)
    const fragment = url.hash.slice(1)
    url.hash = ''
    const reading = { host: url.host, clientId: client.clientId, address }
    const read = await limit(reading, () =>
      readText(url.href, rules, 'application/oauth-authz-req+jwt, application/jwt'),
    )
    if (!read) throw new OAuthError('temporarily_unavailable', 'Too many requests by request_uri; try again.')
    // the same for all: where the document of a client is, others hear nothing of it
    if ('problem' in read || !jwt.test(read.text.trim())) {
      throw unusable('There is no request object at the request_uri.')
    }
    if (!isNamedBy(fragment, read.text)) {
      throw unusable('The request object at the request_uri is not the one of its fragment.')
    }
    return read.text.trim()
  }
