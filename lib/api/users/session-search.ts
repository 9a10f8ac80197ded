/** The query of `GET /sessions`: what is asked for is read whole or refused with `USM-10011`. */
import {
  type SessionFilter,
  type SessionPage,
  sessionTexts,
  sessionTimes,
} from '../../sign-in/session-list.ts'
import { isStorable } from '../body.ts'
import { parseFilter } from '../filter.ts'
import { limitForm } from '../page.ts'
import { Problem } from '../problem.ts'

const usualLimit = 20
const largestLimit = 100
/** The end of the year 9999: instants are compared as texts of one length. */
const latest = 253_402_300_799_999

const invalid = (what: string) =>
  new Problem({
    status: 400,
    code: 'USM-10011',
    message: 'Invalid data',
    description: `Data validation has failed, ${what}.`,
  })

const readInstant = (name: string, text: string): Date => {
  const at = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(at <= latest)) throw invalid(`${name}'s value is not a valid number`)
  return new Date(at)
}

const textOperators = ['eq', 'sw', 'ew', 'co']

const readFilter = (text: string): SessionFilter => {
  if (text === '') return []
  const parsed = parseFilter(text, [...sessionTexts, ...sessionTimes], { withOr: false, withOrder: true })
  if (!parsed.filter) {
    throw invalid(
      parsed.refused === 'format'
        ? 'check filter parameter syntax'
        : 'that is not a valid filter attribute name',
    )
  }
  return (parsed.filter[0] ?? []).map(({ attribute, operator, value }) => {
    const unsupported = invalid(`${operator} is not a supported operation for ${attribute}`)
    if (attribute === 'loginTime' || attribute === 'lastAccessTime') {
      if (operator !== 'le' && operator !== 'ge') throw unsupported
      return { attribute, operator, value: readInstant(attribute, value) }
    }
    const operators = attribute === 'ipAddress' ? ['eq'] : textOperators
    if (!operators.includes(operator)) throw unsupported
    return { attribute, operator, value }
  })
}

const readLimit = (asked: string | null): number => {
  if (asked === null) return usualLimit
  const limit = limitForm.test(asked) ? Number(asked) : 0
  if (limit < 1) throw invalid('the limit is not a positive whole number')
  return Math.min(limit, largestLimit)
}

/** What a query asks for; `text` is its filter as it came. Of `since` and `until` the former counts. */
export const readSearch = (
  query: URLSearchParams,
): { readonly filter: SessionFilter; readonly text: string; readonly page: SessionPage } => {
  const text = (query.get('filter') ?? '').trim()
  const limit = readLimit(query.get('limit'))
  const [since, until, id] = [query.get('since'), query.get('until'), query.get('sessionId')]
  if (id !== null && !isStorable(id)) throw invalid('sessionId is not one')
  const behind = id === null ? {} : { id }
  const instants = {
    since: since === null ? undefined : readInstant('since', since),
    until: until === null ? undefined : readInstant('until', until),
  }
  const from = instants.since
    ? ({ side: 'since', at: instants.since, ...behind } as const)
    : instants.until && ({ side: 'until', at: instants.until, ...behind } as const)
  return { filter: readFilter(text), text, page: { limit, from } }
}
