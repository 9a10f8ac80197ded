import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { dotted, type Path, type Problem } from './problems.ts'

type Table = Readonly<Record<string, unknown>>

interface Source {
  /** The whole file, ignored tables too: `$ref{…}` may point anywhere. */
  readonly document: Table
  readonly directory: string
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The values of keys that the file leaves out. */
  defaults(): Table
}

export interface Substituted {
  readonly tree: Readonly<Record<string, unknown>>
  /** Keys with a substitution in their value: the value is not the operator's text and is never shown. */
  readonly touched: ReadonlySet<string>
  /** Keys whose whole value was one substitution: they may stand for a number or a boolean. */
  readonly whole: ReadonlySet<string>
  readonly problems: readonly Problem[]
}

const pattern = /\$(env|file|ref|secret|sys|)\{([^{}]*)\}/g
const only = /^\$(env|file|ref|secret|sys|)\{[^{}]*\}$/
const unclosed = /\$(env|file|ref|secret|sys)\{/

const at = (document: Table, key: string): unknown => {
  let value: unknown = document
  for (const name of key.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Table)[name]
  }
  return value
}

const reader = ({ document, directory, variables, defaults }: Source) => {
  const variable = (name: string, problems: string[]): string => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    if (value === undefined)
      problems.push(`the environment variable ${name} of $env{${name}} is not set; set it`)
    return value ?? ''
  }

  const content = (path: string, problems: string[]): string => {
    try {
      return readFileSync(resolve(directory, path), 'utf8').replace(/[\r\n]+$/, '')
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`
      problems.push(`the file ${resolve(directory, path)} of $file{${path}} ${reason}`)
      return ''
    }
  }

  const reference = (key: string, trail: readonly string[], problems: string[]): string => {
    if (trail.includes(key)) {
      problems.push(`$ref{${key}} goes round in a circle: ${[...trail, key].join(' → ')}`)
      return ''
    }
    const value = at(document, key) ?? (key === 'server.base_path' ? basePath(trail) : at(defaults(), key))
    if (typeof value === 'string') return expand(value, [...trail, key], problems)
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
    const reason = value === undefined ? 'a key with neither a value nor a default' : 'a table, list or date'
    problems.push(`$ref{${key}} names ${reason}; name a key with a text, number or boolean`)
    return ''
  }

  const basePath = (trail: readonly string[]): string => {
    const scheme = reference('server.tls.enabled', trail, []) === 'false' ? 'http' : 'https'
    return `${scheme}://$ref{server.hostname}:\${carbon.management.port}`
  }

  const effectivePort = (trail: readonly string[], problems: string[]): string => {
    const before = problems.length
    const [port, offset] = ['server.port', 'server.offset'].map((key) =>
      Number(reference(key, trail, problems)),
    )
    const sum = (port ?? Number.NaN) + (offset ?? Number.NaN)
    if (!Number.isInteger(sum) && problems.length === before)
      problems.push(`\${carbon.management.port} needs whole numbers as server.port and server.offset`)
    return String(sum)
  }

  // Values that come in are not looked at again: a password from the environment may contain `${`.
  // `foreign` is for the tables of plugins, whose own `${…}` are none of our business.
  const expand = (text: string, trail: readonly string[], problems: string[], foreign = false): string => {
    if (unclosed.test(text.replace(pattern, ' '))) problems.push('a substitution has no closing brace')
    return text.replace(pattern, (found: string, kind: string, name: string) => {
      if (kind === 'env') return variable(name, problems)
      if (kind === 'file') return content(name, problems)
      if (kind === 'ref') return reference(name, trail, problems)
      if (name === 'carbon.management.port' && kind === '') return effectivePort(trail, problems)
      if (kind === '' && foreign) return found
      const instead = 'write $env{NAME}, $file{path} or $ref{section.key} instead'
      problems.push(`$${kind}{…} is not available here; ${instead}`)
      return ''
    })
  }

  return expand
}

/**
 * Replaces `$env{NAME}`, `$file{path}`, `$ref{section.key}` and `${carbon.management.port}` in every string
 * of `kept`. A key that cannot be substituted becomes undefined and has a problem, which names variables and
 * files but no value.
 */
export const substitute = (kept: Table, source: Source): Substituted => {
  const expand = reader(source)
  const touched = new Set<string>()
  const whole = new Set<string>()
  const problems: Problem[] = []

  const walk = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') {
      if (!value.includes('{')) return value
      const key = dotted(path)
      const found: string[] = []
      const text = expand(value, [key], found, path[0] === 'plugins' && path.length > 2)
      if (text !== value) touched.add(key)
      if (only.test(value)) whole.add(key)
      problems.push(...found.map((message) => ({ key, message })))
      return found.length > 0 ? undefined : text
    }
    if (Array.isArray(value)) return value.map((element, index) => walk(element, [...path, index]))
    if (typeof value !== 'object' || value === null || value instanceof Date) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, walk(member, [...path, name])]),
    )
  }

  return { tree: walk(kept, []) as Table, touched, whole, problems }
}
