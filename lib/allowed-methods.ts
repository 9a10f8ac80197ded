/**
 * Which methods a path has, as `Allow` lists them with a 405 (RFC 9110 §15.5.6). HEAD is not among them: whoever reads
 * may ask by it, except where reading has consequences. For every door: what closes it asks here before it says 404.
 */

interface Route {
  readonly method: string
  /** As the router has it: with `:name` for a segment. */
  readonly path: string
}

const isVariable = (segment: string) => segment.startsWith(':')

const matches = (pattern: readonly string[], path: readonly string[]): boolean =>
  pattern.length === path.length &&
  pattern.every((segment, at) => segment === path[at] || (isVariable(segment) && path[at] !== ''))

/** Where its variables are: of two patterns of one path the one that is literal for longer comes first. */
const vagueness = (pattern: readonly string[]) =>
  pattern.map((segment) => Number(isVariable(segment))).join('')

/**
 * Those of the pattern that says most of the path: `/things/search` has its own, not those of `/things/:id`. Routes for
 * all methods or all paths are no resource of theirs, and do not count. The routes are read at the first call.
 */
export const allowedMethods = (routesOf: () => readonly Route[]): ((path: string) => readonly string[]) => {
  let known: readonly { readonly method: string; readonly segments: readonly string[] }[] | undefined
  return (path) => {
    known ??= routesOf()
      .filter((route) => route.method !== 'ALL' && !route.path.includes('*'))
      .map((route) => ({ method: route.method, segments: route.path.split('/') }))
    const asked = path.split('/')
    const found = known
      .filter(({ segments }) => matches(segments, asked))
      .map(({ method, segments }) => ({ method, vague: vagueness(segments) }))
    const [least] = found.map(({ vague }) => vague).sort()
    return [...new Set(found.filter(({ vague }) => vague === least).map(({ method }) => method))]
  }
}
