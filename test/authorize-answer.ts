/** An answer of the authorization endpoint as a browser sees it: a page of ours, or parameters at a place. */

export interface Page {
  readonly place: 'page'
  readonly status: number
  readonly code: string
  readonly message: string
}

export interface Delivered {
  readonly place: 'fragment' | 'query' | 'form_post'
  readonly to: string
  /** In their order. */
  readonly parameters: Readonly<Record<string, string>>
}

export interface Paused {
  readonly place: 'login' | 'consent'
  /** The page's path and query. */
  readonly path: string
  readonly key: string
}

export type Answer = Page | Delivered | Paused

const unescapeHtml = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

const elementText = (html: string, id: string): string =>
  unescapeHtml(new RegExp(`id="${id}"[^>]*>([^<]*)<`).exec(html)?.[1] ?? '')

const ours: Readonly<Record<string, { readonly place: 'login' | 'consent'; readonly key: string }>> = {
  '/authenticationendpoint/login.do': { place: 'login', key: 'sessionDataKey' },
  '/authenticationendpoint/oauth2_authz.do': { place: 'consent', key: 'sessionDataKeyConsent' },
}

const fromPage = (status: number, html: string): Page | Delivered => {
  const action = /<form method="post" action="([^"]*)">/.exec(html)?.[1]
  if (status !== 200 || action === undefined) {
    return {
      place: 'page',
      status,
      code: elementText(html, 'error-code'),
      message: elementText(html, 'error-message'),
    }
  }
  const inputs = [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"\/>/g)]
  const parameters = inputs.map(([, name = '', value = '']) => [unescapeHtml(name), unescapeHtml(value)])
  return { place: 'form_post', to: unescapeHtml(action), parameters: Object.fromEntries(parameters) }
}

/** Reads an answer; a redirect that carries parameters in both its query and its fragment fails the test. */
export const readAnswer = async (response: Response): Promise<Answer> => {
  if (response.status !== 302) return fromPage(response.status, await response.text())
  const location = response.headers.get('location') ?? ''
  const url = new URL(location, 'https://localhost:9443')
  const known = location.startsWith('/') ? ours[url.pathname] : undefined
  if (known) {
    const key = url.searchParams.get(known.key) ?? ''
    return { place: known.place, path: `${url.pathname}${url.search}`, key }
  }
  const place = location.includes('#') ? 'fragment' : 'query'
  const [to = '', encoded = '', ...rest] = location.split(place === 'fragment' ? '#' : '?')
  if (rest.length > 0) throw new Error(`parameters twice: ${location}`)
  return { place, to, parameters: Object.fromEntries(new URLSearchParams(encoded)) }
}
