/**
 * What may be registered as a callback URL: an absolute URI without a fragment, https but for this machine, or
 * `regexp=(…)` in a form that names its hosts literally and cannot be made slow (design.md §7, invariant 16).
 */
import { isIPv4 } from 'node:net'
import type { Application } from './applications.ts'

const longest = 2_048
const mostAlternatives = 20
const dangerous = new Set(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:', 'about:', 'filesystem:'])

/** Whether a host is this machine, by name or address. */
export const isLoopback = (hostname: string) =>
  hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))

const plainProblem = (url: string): string | undefined => {
  if (/[^\x21-\x7e]|[\\"<>^`{|}]/.test(url)) return 'has characters that no URI has'
  if (!URL.canParse(url)) return 'is not an absolute URI'
  const { protocol, hostname, username, password } = new URL(url)
  if (url.includes('#')) return 'has a fragment'
  if (dangerous.has(protocol)) return `has the scheme ${protocol}, which runs or reads things in the browser`
  if (username !== '' || password !== '') return 'has a user name or password'
  if (protocol === 'http:' && !isLoopback(hostname))
    return 'is http: only localhost, 127.0.0.1 and [::1] may be, all others need https'
  if (protocol !== 'http:' && protocol !== 'https:') return undefined
  if (!/^https?:\/\/[^/?]/i.test(url)) return 'names no host'
  // it becomes part of a Content-Security-Policy, where `*` is more than a host
  if (!/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/.test(hostname))
    return 'has a host that is neither a name nor an address'
  return undefined
}

const accepted =
  'after regexp= write (A|B|…), each of which is scheme://host[:port] literally, then a path of literal characters, at most one group (a|b) of literals, at most one [^/]* and at most one .*'

// a dot stands for itself, as operators mean it when they write a host
const literal = String.raw`[\w\-~:/%@!&',;=]|\.(?!\*)|\\[.\-/?+$*()]`
const piece = new RegExp(
  `(?<literal>${literal})|(?<segment>\\[\\^/\\]\\*)|(?<rest>\\.\\*)|\\((?<group>(?:${literal}|\\|)+)\\)`,
  'y',
)

const unescaped = (text: string) => text.replace(/\\(.)/g, '$1')

/** One alternative: its literal beginning and an example of what it matches, or why it is not accepted. */
const readAlternative = (text: string): { readonly problem: string | undefined } => {
  const seen = { segment: 0, rest: 0, group: 0 }
  let beginning = ''
  let example = ''
  for (let at = 0; at < text.length; ) {
    piece.lastIndex = at
    const match = piece.exec(text)
    if (!match?.groups) return { problem: `has "${text.slice(at, at + 12)}" where it may not` }
    const found = match.groups
    const kind = (['segment', 'rest', 'group'] as const).find((name) => found[name] !== undefined)
    if (kind === undefined) example += unescaped(found.literal ?? '')
    else {
      // what may vary comes after the host has ended
      if (beginning === '') beginning = example
      seen[kind] += 1
      if (seen[kind] > 1) return { problem: `has more than one ${match[0]}` }
      example += kind === 'group' ? unescaped(found.group?.split('|')[0] ?? '') : ''
    }
    at += match[0].length
  }
  const fixed = beginning === '' ? example : beginning
  if (
    !/^https?:\/\/[^/?]+(?:\/|$)/i.test(fixed) ||
    (beginning !== '' && !/^https?:\/\/[^/?]+\//i.test(fixed))
  )
    return { problem: 'does not begin with a literal scheme://host/' }
  return { problem: plainProblem(example) }
}

/** Splits at the `|` that are in no group. */
const splitAlternatives = (text: string): readonly string[] => {
  const alternatives: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '(') depth += 1
    else if (text[at] === ')') depth -= 1
    else if (text[at] === '|' && depth === 0) {
      alternatives.push(text.slice(start, at))
      start = at + 1
    }
  }
  return [...alternatives, text.slice(start)]
}

/**
 * A registered `regexp=(…)` as an anchored expression in which a dot is a dot, but for `.*`; undefined for a plain URL.
 * Throws SyntaxError for one that a script wrote past the registration.
 */
export const callbackExpression = (registered: string): RegExp | undefined => {
  const pattern = /^regexp=(.*)$/s.exec(registered)?.[1]
  if (pattern === undefined) return undefined
  const literalDots = pattern.replace(/\\.|\.\*|\./gs, (part) => (part === '.' ? '\\.' : part))
  return new RegExp(`^(?:${literalDots})$`)
}

/** Why a callback URL may not be registered; undefined when it may. */
export const callbackProblem = (
  callback: string,
  { subjectToken, allowRegexp }: { readonly subjectToken: boolean; readonly allowRegexp: boolean },
): string | undefined => {
  if (callback.length > longest) return `is longer than ${longest} characters`
  if (!callback.startsWith('regexp=')) return plainProblem(callback)
  if (subjectToken && !allowRegexp)
    return 'is a regexp= form, which an application with subjectToken.enable may not have: register one exact URL, or set [impersonation] allow_regexp_callbacks'
  const pattern = /^regexp=\((.+)\)$/.exec(callback)?.[1]
  if (pattern === undefined) return `is not of the accepted form: ${accepted}`
  const alternatives = splitAlternatives(pattern)
  if (alternatives.length > mostAlternatives) return `has more than ${mostAlternatives} alternatives`
  for (const alternative of alternatives) {
    const { problem } = readAlternative(alternative)
    if (problem !== undefined) return `is not of the accepted form: it ${problem}; ${accepted}`
  }
  return undefined
}

/** Every redirect URI that an application has registered, in WSO2's setting and beside it. */
export const registeredRedirectUris = ({ oidc }: Application): readonly string[] => [
  ...new Set([...oidc.callbackURLs, ...oidc.mayact.redirectUris]),
]

/** The one redirect URI that a request need not name (RFC 6749 §3.1.2.3); undefined where there is a choice. */
export const onlyRedirectUriOf = (application: Application): string | undefined => {
  const [only, ...more] = registeredRedirectUris(application)
  return only === undefined || more.length > 0 || only.startsWith('regexp=') ? undefined : only
}
