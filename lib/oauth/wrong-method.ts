/** What an endpoint of OAuth says to a method that it does not have (RFC 9110 §15.5.6): in its own words, with `Allow`. */
import { OAuthError } from './error.ts'

/** Where browsers come by themselves or with a form of ours. */
const forBrowsers = new Set([
  '/oauth2/authorize',
  '/oauth2/device',
  '/oidc/logout',
  '/oidc/checksession',
  '/commonauth',
])

const message = 'Http Method is not correct.'

/** Of a path of this door. */
export const wrongMethod = (
  request: Request,
  path: string,
  allowed: readonly string[],
  errorPage: (request: Request, problem: { code: string; message: string; status: number }) => Response,
): Response => {
  const answer = forBrowsers.has(path)
    ? errorPage(request, { code: 'invalid_request', message, status: 405 })
    : Response.json(new OAuthError('invalid_request', message), {
        status: 405,
        headers: { 'Cache-Control': 'no-store', Pragma: 'no-cache' },
      })
  answer.headers.set('Allow', allowed.join(', '))
  return answer
}
