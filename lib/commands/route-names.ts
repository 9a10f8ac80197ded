/** Names a path by the pattern of its route, from a closed list: an unknown path is `other`, however it is spelled. */
import { insideOf } from '../published-path.ts'

const doors: Readonly<Record<string, string>> = {
  oauth2: 'oauth',
  oidc: 'oauth',
  commonauth: 'oauth',
  '.well-known': 'oauth',
  scim2: 'scim',
  api: 'api',
  authenticationendpoint: 'pages',
  health: 'health',
}

const placeholder = ':id'
const unknown = { door: 'other', route: 'other' }

export interface RouteName {
  readonly door: string
  readonly route: string
}

const isVariable = (segment: string) => segment.startsWith(':') || segment === '*'

/** Makes the function that names; `paths` are patterns as hono writes them, `prefix` what we are published under. */
export const routeNames = (paths: readonly string[], prefix = ''): ((pathname: string) => RouteName) => {
  const patterns = paths.filter((path) => !path.endsWith('*')).map((path) => path.split('/'))
  const fixed = new Set(patterns.flat().filter((segment) => !isVariable(segment)))
  const known = new Map<string, RouteName>()
  for (const pattern of patterns) {
    const route = pattern.map((segment) => (isVariable(segment) ? placeholder : segment)).join('/')
    known.set(route, { door: doors[pattern[1] ?? ''] ?? 'other', route })
  }
  return (pathname) => {
    const path = insideOf(prefix, pathname).replace(/^\/t\/[^/]+(?=\/)/, '')
    const direct = known.get(path)
    if (direct) return direct
    const route = path
      .split('/')
      .map((segment) => (fixed.has(segment) ? segment : placeholder))
      .join('/')
    return known.get(route) ?? unknown
  }
}
