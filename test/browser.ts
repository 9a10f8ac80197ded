/** A browser without JavaScript: keeps cookies, posts forms, follows nothing by itself. */

export interface Server {
  request(path: string, init?: RequestInit): Promise<Response>
}

export const newBrowser = (server: Server) => {
  const cookies = new Map<string, string>()
  let at = '/'
  const keep = (response: Response) => {
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      const [name = '', ...value] = pair.split('=')
      cookies.set(name, value.join('='))
    }
  }
  const get = async (path: string, init: RequestInit = {}): Promise<Response> => {
    at = path
    const headers = new Headers(init.headers)
    if (cookies.size > 0) headers.set('Cookie', [...cookies].map((pair) => pair.join('=')).join('; '))
    const response = await server.request(path, { ...init, headers })
    keep(response)
    return response
  }
  const post = (path: string, form: Readonly<Record<string, string>>) =>
    get(path, { method: 'POST', body: new URLSearchParams(form) })
  /** Where a link or a form of the page that came last leads. */
  const resolve = (link: string): URL => new URL(link, new URL(at, 'https://localhost:9443'))
  return { cookies, get, post, resolve }
}

export type Browser = ReturnType<typeof newBrowser>

/** Where a redirect leads. */
export const locationOf = (response: Response): URL =>
  new URL(response.headers.get('location') ?? '', 'https://localhost:9443')

/** The parameters of an answer, in their order. */
export const fragmentOf = (response: Response): URLSearchParams =>
  new URLSearchParams(locationOf(response).hash.slice(1))
