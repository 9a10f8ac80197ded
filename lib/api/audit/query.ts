/** The query of `GET /audit`: read whole, or refused; a condition that is misspelt would show everything. */
import { type Place, type Search, type SearchName, searchColumns } from '../../audit/search.ts'
import { isStorable } from '../body.ts'
import { limitForm } from '../page.ts'
import { Problem } from '../problem.ts'

const usualLimit = 20
const largestLimit = 100
export const longestValue = 1_000

export const names = Object.keys(searchColumns) as readonly SearchName[]
const others = ['from', 'to', 'limit', 'after']

export const invalid = (description: string) =>
  new Problem({ status: 400, code: 'AUD-60001', message: 'Invalid request.', description })

/** Every parameter is one of these, once. Throws `Problem`. */
export const requireKnown = (query: URLSearchParams, known: readonly string[]) => {
  for (const name of query.keys()) {
    if (!known.includes(name)) throw invalid(`Unknown parameter; there are ${known.join(', ')}.`)
    if (query.getAll(name).length > 1) throw invalid(`${name} is given more than once.`)
  }
}

export const readLimit = (asked: string | null): number => {
  if (asked === null) return usualLimit
  const limit = limitForm.test(asked) ? Number(asked) : 0
  if (limit < 1) throw invalid('limit must be a positive whole number.')
  return Math.min(limit, largestLimit)
}

/** The form of an instant. */
export const instant = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/

const readInstant = (name: string, text: string | null): Date | undefined => {
  if (text === null) return undefined
  const read = instant.test(text) ? new Date(text) : undefined
  // years of four digits: instants are compared as texts of one length
  if (!read || Number.isNaN(read.getTime()) || !/^\d{4}-/.test(read.toISOString()))
    throw invalid(`${name} must be an instant such as 2026-01-31T08:00:00Z.`)
  return read
}

/** A place as it stands in `after`. */
export const cursorOf = ({ at, id }: Place): string => Buffer.from(`${at} ${id}`).toString('base64url')

const readCursor = (text: string | null): Place | undefined => {
  if (text === null || text === '') return undefined
  const [, at, id] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([\w-]{1,64})$/.exec(
      Buffer.from(text, 'base64url').toString('utf8'),
    ) ?? []
  if (at === undefined || id === undefined) throw invalid('after is not what a page said.')
  return { at, id }
}

/** What a query asks for. Throws `Problem`. */
export const readSearch = (query: URLSearchParams): Search => {
  requireKnown(query, [...names, ...others])
  const equal = Object.fromEntries(
    names.flatMap((name) => {
      const value = query.get(name)
      if (value === null) return []
      if (value === '' || value.length > longestValue || !isStorable(value))
        throw invalid(`${name} cannot be looked for.`)
      return [[name, value]]
    }),
  )
  const [from, to] = [readInstant('from', query.get('from')), readInstant('to', query.get('to'))]
  if (from && to && from >= to) throw invalid('from must be before to.')
  return { equal, from, to, limit: readLimit(query.get('limit')), after: readCursor(query.get('after')) }
}
