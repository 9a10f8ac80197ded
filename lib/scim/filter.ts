/**
 * Filters of RFC 7644 §3.4.2.2, whole: `and`, `or`, `not (…)`, grouping, value paths and typed values; a value may go
 * unquoted, as WSO2's clients write it. Whether there is such an attribute is not looked at here.
 */
import type { Comparator, Comparison, Filter } from '../directory/search.ts'
import { ScimError, type ScimType } from './error.ts'
import { isStorable } from './media.ts'

const comparators = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const

const longest = 2_048
const deepest = 20
const mostComparisons = 50

/** A name with its URN in front and its sub-attribute behind. */
const name = /[A-Za-z$][\w$.:-]*/y
const subName = /\.([A-Za-z$][\w$-]*)/y
const word = /[A-Za-z]+/y
const quoted = /"(?:[^"\\]|\\.)*"/y
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i
const space = /\s*/y
const negation = /not\s*(?=\()/iy
/** What ends a value without quotes: what it stands in. */
const bare = { open: /[^\s"]+/y, group: /[^\s"()]+/y, element: /[^\s"[\]]+/y, both: /[^\s"()[\]]+/y } as const

type Value = Pick<Comparison, 'value' | 'text'>

const typed = (text: string): Value => {
  const lower = text.toLowerCase()
  if (lower === 'true' || lower === 'false') return { value: lower === 'true', text }
  if (lower === 'null') return { value: null, text }
  return { value: number.test(text) ? Number(text) : text, text }
}

const unquote = (text: string): string | undefined => {
  try {
    return String(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** What the terms of `kind` are together; one alone is itself. */
const joined = (kind: 'and' | 'or', terms: readonly [Filter, ...Filter[]]): Filter =>
  terms.length === 1 ? terms[0] : { kind, terms }

/** The parser of one text, which reads from its start. */
const parser = (text: string, scimType: ScimType) => {
  let at = 0
  let comparisons = 0
  let depth = 0
  let groups = 0
  let element = false

  const no = (detail: string) => new ScimError(400, detail, scimType)
  const unreadable = () => no(`The filter cannot be read from character ${at + 1} on.`)
  if (text.length > longest) throw no(`A filter may have ${longest} characters.`)
  if (!isStorable(text)) throw no('A filter may contain neither NUL nor half a character.')

  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(text) ?? undefined
    if (match) at += match[0].length
    return match
  }
  const skip = () => take(space)
  const require = (character: string) => {
    skip()
    if (text[at] !== character) throw unreadable()
    at += 1
  }
  const within = <T>(read: () => T): T => {
    depth += 1
    if (depth > deepest) throw no(`A filter may be ${deepest} levels deep.`)
    const result = read()
    depth -= 1
    return result
  }
  const one = <T>(term: T): T => {
    comparisons += 1
    if (comparisons > mostComparisons) throw no(`A filter may have ${mostComparisons} comparisons.`)
    return term
  }

  const readValue = (): Value => {
    if (text[at] === '"') {
      const value = unquote(take(quoted)?.[0] ?? '')
      if (!value || !isStorable(value)) {
        throw no("The filter's value has to be a JSON string that is not empty.")
      }
      return { value, text: value }
    }
    const written = take(bare[element ? (groups > 0 ? 'both' : 'element') : groups > 0 ? 'group' : 'open'])
    if (!written) throw no("The filter's value is missing.")
    return typed(written[0])
  }

  const readComparison = (path: string): Filter => {
    const before = at
    skip()
    const [written = ''] = (at > before && take(word)) || []
    if (written === '') throw unreadable()
    if (written.toLowerCase() === 'pr') return one({ kind: 'present', path })
    const operator: Comparator | undefined = comparators.find((name) => name === written.toLowerCase())
    if (!operator) throw no(`The filter's operator ${written} is not supported.`)
    if (!/\s/.test(text[at] ?? ' ')) throw unreadable()
    skip()
    return one({ kind: 'comparison', path, operator, ...readValue() })
  }

  /** What stands in brackets behind `path`, of one value among several. */
  const readBrackets = (): Filter => {
    if (element) throw no('A value path cannot stand in another.')
    require('[')
    element = true
    const outside = groups
    groups = 0
    const filter = within(readAlternatives)
    groups = outside
    element = false
    require(']')
    return filter
  }

  const readGroup = (): Filter => {
    require('(')
    groups += 1
    const filter = within(readAlternatives)
    groups -= 1
    require(')')
    return filter
  }

  const readTerm = (): Filter => {
    skip()
    if (take(negation)) return { kind: 'not', term: readGroup() }
    if (text[at] === '(') return readGroup()
    const path = take(name)?.[0]
    if (path === undefined) throw unreadable()
    if (text[at] !== '[') return readComparison(path)
    const filter = readBrackets()
    const sub = take(subName)?.[1]
    // emails[type eq "work"].value sw "a": the same value is meant by both
    const all: Filter = sub === undefined ? filter : { kind: 'and', terms: [filter, readComparison(sub)] }
    return { kind: 'element', path, filter: all }
  }

  const readJoined = (kind: 'and' | 'or', conjunction: RegExp, read: () => Filter): Filter => {
    const terms: [Filter, ...Filter[]] = [read()]
    while (take(conjunction)) terms.push(read())
    return joined(kind, terms)
  }
  const readAll = () => readJoined('and', /\s*\band(?=[\s(])/iy, readTerm)
  const readAlternatives = (): Filter => readJoined('or', /\s*\bor(?=[\s(])/iy, readAll)

  const end = <T>(result: T): T => {
    skip()
    if (at < text.length) throw unreadable()
    return result
  }
  return {
    filter: () => end(readAlternatives()),
    path() {
      skip()
      const path = take(name)?.[0]
      if (path === undefined) throw unreadable()
      if (text[at] !== '[') return end({ path, filter: undefined, sub: undefined })
      const filter = readBrackets()
      return end({ path, filter, sub: take(subName)?.[1] })
    },
  }
}

/** Reads a filter; what it cannot read is a 400 of the given type. */
export const parseFilter = (text: string, scimType: ScimType = 'invalidFilter'): Filter =>
  parser(text, scimType).filter()

/** The path of a PATCH (RFC 7644 §3.5.2, figure 1); `sub` only behind a filter, else it is the end of `path`. */
export interface PatchPath {
  readonly path: string
  readonly filter: Filter | undefined
  readonly sub: string | undefined
}

export const parsePatchPath = (text: string, scimType: ScimType = 'invalidPath'): PatchPath =>
  parser(text, scimType).path()

/** The comparisons of a filter that has nothing but `and` between them, for lists that know no more. */
export const comparisonsOf = (
  filter: Filter,
  scimType: ScimType = 'invalidFilter',
): readonly Comparison[] => {
  if (filter.kind === 'comparison') return [filter]
  if (filter.kind !== 'and') throw new ScimError(400, 'Comparisons can be joined by and only.', scimType)
  return filter.terms.flatMap((term) => comparisonsOf(term, scimType))
}
