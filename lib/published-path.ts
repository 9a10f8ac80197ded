/**
 * A server that a proxy publishes under a path of its own (`[server] base_path = "https://example.com/auth"`). Inside, no
 * address has that path: it is taken off what comes with it and put before where a redirect of ours leads. A proxy may
 * take it off as well as hand it on. Our pages' forms need nothing of it, for their addresses are relative.
 */

type Fetch = (request: Request, address: string) => Promise<Response>

/** A `Location` of our own, which has neither scheme nor host. */
const ownLocation = /^\/(?!\/)/

/** The path of an absolute URL without a slash at its end: of a host's root it is empty. */
export const pathOf = (url: string): string => new URL(url).pathname.replace(/\/+$/, '')

/** A path as it is inside, whether a proxy took `path` off or handed it on. */
export const insideOf = (path: string, pathname: string): string =>
  pathname === path || pathname.startsWith(`${path}/`) ? pathname.slice(path.length) || '/' : pathname

/** The same server, as it is published under `path`; under none it is left as it is. */
export const publishedUnder = (path: string, fetch: Fetch): Fetch => {
  if (path === '') return fetch
  return async (incoming, address) => {
    const url = new URL(incoming.url)
    const pathname = insideOf(path, url.pathname)
    const isUnder = pathname !== url.pathname
    if (isUnder) url.pathname = pathname
    const response = await fetch(isUnder ? new Request(url.href, incoming) : incoming, address)
    const location = response.headers.get('location')
    if (location !== null && ownLocation.test(location))
      response.headers.set('location', `${path}${location}`)
    return response
  }
}
