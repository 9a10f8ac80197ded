/**
 * A filter on users (RFC 7644 §3.4.2.2) in the form in which indexes are found: `not` stands before single terms alone,
 * and what holds for every user or for none is said so. An attribute that is absent makes a comparison false and its
 * contrary true, so everybody is either among those whom a filter means or among those whom its contrary means.
 */
import type { Comparison, Filter } from './search.ts'
import { columnOf } from './user-fields.ts'
import { lacksUsual } from './user-indexes.ts'

/** True for everybody, false for nobody. */
export type Plain = Filter | boolean

/** What a term says of everybody alike; undefined when it depends on the user. */
const settled = (term: Filter): boolean | undefined => {
  if (term.kind !== 'comparison' && term.kind !== 'present') return undefined
  const column = columnOf(term.path)
  if (column === undefined) return undefined
  if (term.kind === 'present') return true
  const { operator } = term
  if (operator !== 'eq' && operator !== 'ne') return undefined
  if (term.value === null) return operator === 'ne'
  if (column !== 'meta.resourcetype') return undefined
  return (term.text.toLowerCase() === 'user') === (operator === 'eq')
}

const contrary = (term: Filter): Filter => {
  if (term.kind === 'present' && lacksUsual(term.path)) {
    return { kind: 'comparison', path: term.path, operator: 'eq', value: null, text: 'null' }
  }
  if (term.kind !== 'comparison') return { kind: 'not', term }
  // of several values none is equal: `ne` is the contrary of `eq` everywhere
  const operator = ({ eq: 'ne', ne: 'eq' } as const)[term.operator as string]
  return operator ? ({ ...term, operator } satisfies Comparison) : { kind: 'not', term }
}

const joined = (kind: 'and' | 'or', terms: readonly Plain[]): Plain => {
  const end = kind === 'or'
  if (terms.includes(end)) return end
  const rest = terms.filter((term) => typeof term !== 'boolean')
  if (rest.length === 0) return !end
  return rest.length === 1 && rest[0] ? rest[0] : { kind, terms: rest }
}

/** The same filter in that form, or with `negated` its contrary. All of its paths are known to be searchable. */
export const plain = (filter: Filter, negated = false): Plain => {
  switch (filter.kind) {
    case 'not':
      return plain(filter.term, !negated)
    case 'and':
    case 'or': {
      const kind = (filter.kind === 'and') === negated ? 'or' : 'and'
      return joined(
        kind,
        filter.terms.map((term) => plain(term, negated)),
      )
    }
    default: {
      const known = settled(filter)
      if (known !== undefined) return known !== negated
      return negated ? contrary(filter) : filter
    }
  }
}
