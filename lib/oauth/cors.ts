/**
 * Which scripts of other origins may read an answer (Fetch Standard, CORS): documents that are public from everywhere; the
 * endpoints that single-page applications call, and our own APIs, from the `allowedOrigins` of an active application.
 * Never with credentials: no cookie counts here. Anything else has no header, and the browser keeps it from the script.
 */
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { isAllowedOrigin } from '../directory/allowed-origins.ts'

const isPublic = (path: string): boolean => /\/\.well-known\//.test(path) || path === '/oauth2/jwks'

const endpoints = new Set(['/oauth2/token', '/oauth2/userinfo', '/oauth2/revoke', '/oauth2/par'])

/** Registration is not among them: it is for servers and administrators. What is spelled in another way is nothing. */
const apis = ['/scim2/', '/api/server/', '/api/identity/config-mgt/']

const isForApplications = (path: string): boolean =>
  endpoints.has(path) || apis.some((api) => path.startsWith(api))

const allowOrigin = 'Access-Control-Allow-Origin'
const methods = 'GET, POST, PUT, PATCH, DELETE'
const requestHeaders = 'Authorization, Content-Type, Accept, DPoP, activityid'
const responseHeaders = 'WWW-Authenticate, DPoP-Nonce, Location, Retry-After, activityid'

const mayRead = async (db: Db, origin: string): Promise<boolean> =>
  isAllowedOrigin(db, await readRevision(db), origin)

/** The headers that let a script of `origin` read what `path` answers; undefined when CORS has no place there. */
const headersFor = async (
  db: Db,
  path: string,
  origin: string | null,
): Promise<Readonly<Record<string, string>> | undefined> => {
  if (isPublic(path)) return { [allowOrigin]: '*' }
  if (!isForApplications(path)) return undefined
  // what one origin may read is no answer for another's cache
  if (origin === null || origin === 'null') return { Vary: 'Origin' }
  // where the database does not answer nobody is allowed, and the endpoint itself says what is wrong
  const allowed = await mayRead(db, origin).catch(() => false)
  return allowed
    ? { Vary: 'Origin', [allowOrigin]: origin, 'Access-Control-Expose-Headers': responseHeaders }
    : { Vary: 'Origin' }
}

/** Browsers send no credentials with one; any other OPTIONS is a request like the rest. */
const isPreflight = ({ method, headers }: Request): boolean =>
  method === 'OPTIONS' &&
  headers.has('origin') &&
  headers.has('access-control-request-method') &&
  !headers.has('authorization')

/** Answers a preflight itself, and puts the headers on what `answer` gives. `path` is without a tenant. */
export const withCors = async (
  db: Db,
  request: Request,
  path: string,
  answer: () => Promise<Response>,
): Promise<Response> => {
  const headers = await headersFor(db, path, request.headers.get('origin'))
  if (!headers) return answer()
  if (isPreflight(request)) {
    const allowed = {
      'Access-Control-Allow-Methods': isPublic(path) ? 'GET' : methods,
      'Access-Control-Allow-Headers': requestHeaders,
      'Access-Control-Max-Age': '600',
    }
    return new Response(null, {
      status: 204,
      headers: allowOrigin in headers ? { ...headers, ...allowed } : headers,
    })
  }
  const response = await answer()
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'Vary') response.headers.append(name, value)
    else response.headers.set(name, value)
  }
  return response
}
