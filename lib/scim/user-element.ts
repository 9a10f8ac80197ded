/** Which of an attribute's several values a filter means (RFC 7644 §3.5.2: the filter of a value path). */
import type { Attribute } from '../directory/attributes.ts'
import type { Comparison, Filter } from '../directory/search.ts'
import { isCaseExact, valuePath } from '../directory/user-values.ts'
import { bad } from './error.ts'

export type Entry = Readonly<Record<string, unknown>>

const subOf = (attribute: Attribute, name: string): string => {
  const sub = attribute.subs.get(name.toLowerCase())
  if (sub === undefined) throw bad('invalidFilter', `${attribute.name} has no ${JSON.stringify(name)}.`)
  return sub
}

const compareTexts = ({ operator }: Comparison, left: string, right: string): boolean => {
  switch (operator) {
    case 'eq':
      return left === right
    case 'ne':
      return left !== right
    case 'co':
      return left.includes(right)
    case 'sw':
      return left.startsWith(right)
    case 'ew':
      return left.endsWith(right)
    case 'gt':
      return left > right
    case 'ge':
      return left >= right
    case 'lt':
      return left < right
    case 'le':
      return left <= right
  }
}

const compare = (comparison: Comparison, entry: Entry, attribute: Attribute): boolean => {
  const sub = subOf(attribute, comparison.path)
  const { operator, value } = comparison
  if (value === null && (operator === 'eq' || operator === 'ne')) {
    return (entry[sub] === undefined) === (operator === 'eq')
  }
  if (sub === 'primary') {
    const word = comparison.text.toLowerCase()
    if ((operator !== 'eq' && operator !== 'ne') || (word !== 'true' && word !== 'false')) {
      throw bad('invalidFilter', 'primary can be compared with true and false only.')
    }
    // who does not say so is not primary
    return ((entry.primary === true) === (word === 'true')) === (operator === 'eq')
  }
  const stored = entry[sub]
  if (stored === undefined) return operator === 'ne'
  const key = (text: string) =>
    isCaseExact(valuePath(attribute, sub)) ? text : text.normalize('NFC').toLowerCase()
  return compareTexts(comparison, key(String(stored)), key(comparison.text))
}

/** Whether the filter applies to one value of the attribute. */
export const isMeant = (filter: Filter, entry: Entry, attribute: Attribute): boolean => {
  switch (filter.kind) {
    case 'and':
      // every name in it is looked at, whatever the values say
      return filter.terms.map((term) => isMeant(term, entry, attribute)).every(Boolean)
    case 'or':
      return filter.terms.map((term) => isMeant(term, entry, attribute)).some(Boolean)
    case 'not':
      return !isMeant(filter.term, entry, attribute)
    case 'present':
      return entry[subOf(attribute, filter.path)] !== undefined
    case 'comparison':
      return compare(filter, entry, attribute)
    case 'element':
      throw bad('invalidFilter', 'A value path cannot stand in another.')
  }
}

/** The value that the filter describes, when all of it is equalities: what an `add` that meets nothing makes. */
export const described = (filter: Filter): Entry => {
  if (filter.kind === 'and') return Object.assign({}, ...filter.terms.map(described))
  return filter.kind === 'comparison' && filter.operator === 'eq' && filter.value !== null
    ? { [filter.path]: filter.path.toLowerCase() === 'primary' ? filter.value : filter.text }
    : {}
}
