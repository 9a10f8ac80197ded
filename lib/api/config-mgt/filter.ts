/**
 * The search grammar of the configuration management API, a part of OData's:
 *
 *     expression = conjunction *( "or" conjunction )
 *     conjunction = term *( "and" term )
 *     term = "(" expression ")" / property operator value
 *     value = "'" *( any character but "'" / "''" ) "'" / integer
 */
import {
  type SearchComparison,
  type SearchExpression,
  type SearchOperator,
  type SearchProperty,
  searchOperators,
  searchProperties,
} from '../../directory/config-store-search.ts'
import { isStorable } from '../body.ts'
import { configurationProblem } from './problem.ts'

const longest = 4_000
const mostConditions = 50
const deepest = 20
const largestInteger = 2_147_483_647

type Token = { readonly kind: '(' | ')' | 'word' | 'string' | 'number' | 'end'; readonly text: string }

const lexeme = /\s*(?:([()])|('(?:[^']|'')*')|([A-Za-z_][\w.]*)|(-?\d+(?:\.\d+)?)(?![\w.]))/y

const tokens = (text: string): readonly Token[] => {
  const found: Token[] = []
  const end = text.trimEnd().length
  let at = 0
  while (at < end) {
    lexeme.lastIndex = at
    const match = lexeme.exec(text)
    if (!match) throw configurationProblem('CONFIGM_00023')
    at = lexeme.lastIndex
    const [, bracket, string, word, number = ''] = match
    if (bracket === '(' || bracket === ')') found.push({ kind: bracket, text: bracket })
    else if (string !== undefined) found.push({ kind: 'string', text: string })
    else if (word !== undefined) found.push({ kind: 'word', text: word })
    else found.push({ kind: 'number', text: number })
  }
  return found
}

interface Raw {
  readonly property: string
  readonly operator: SearchOperator
  readonly value: Token
}

const isProperty = (name: string): name is SearchProperty => searchProperties.some((known) => known === name)
const isOperator = (word: string): word is SearchOperator => searchOperators.includes(word)

/** The comparison that was written, if the property is one and the value of its type. Throws `Problem`. */
const comparison = ({ property, operator, value }: Raw): SearchComparison => {
  if (!isProperty(property)) throw configurationProblem('CONFIGM_00021', property)
  const refused = () => configurationProblem('CONFIGM_00022', `${property} ${operator} ${value.text}`)
  if (property === 'tenantId') {
    const number = Number(value.text)
    if (value.kind !== 'number' || !Number.isInteger(number) || value.text.includes('.')) throw refused()
    if (Math.abs(number) > largestInteger) throw refused()
    return { property, operator, value: number }
  }
  if (value.kind !== 'string') throw refused()
  return { property, operator, value: value.text.slice(1, -1).replaceAll("''", "'") }
}

/** Reads a filter. Throws the `Problem` that says what is wrong with it. */
export const parseSearch = (text: string): SearchExpression => {
  if (text.length > longest) throw configurationProblem('CONFIGM_00015')
  if (!isStorable(text)) throw configurationProblem('CONFIGM_00018')
  const all = tokens(text)
  const raws: Raw[] = []
  let at = 0
  const peek = (): Token => all[at] ?? { kind: 'end', text: '' }
  const next = (): Token => {
    const token = peek()
    at += 1
    return token
  }
  const skip = (word: string): boolean => {
    if (peek().kind !== 'word' || peek().text !== word) return false
    at += 1
    return true
  }

  // first the whole grammar, then what the words mean: a filter that cannot be read has no properties yet
  type Tree = { readonly and: readonly Tree[] } | { readonly or: readonly Tree[] } | Raw
  const term = (depth: number): Tree => {
    const first = next()
    if (first.kind === '(') {
      if (depth >= deepest) throw configurationProblem('CONFIGM_00018')
      const inner = alternatives(depth + 1)
      if (next().kind !== ')') throw configurationProblem('CONFIGM_00023')
      return inner
    }
    const [operator, value] = [next(), next()]
    if (first.kind !== 'word' || operator.kind !== 'word' || !isOperator(operator.text))
      throw configurationProblem('CONFIGM_00023')
    if (value.kind === 'end' || value.kind === '(' || value.kind === ')')
      throw configurationProblem('CONFIGM_00023')
    const raw = { property: first.text, operator: operator.text, value }
    raws.push(raw)
    if (raws.length > mostConditions) throw configurationProblem('CONFIGM_00015')
    return raw
  }
  const conjunction = (depth: number): Tree => {
    const first = term(depth)
    const and = [first]
    while (skip('and')) and.push(term(depth))
    return and.length === 1 ? first : { and }
  }
  const alternatives = (depth: number): Tree => {
    const first = conjunction(depth)
    const or = [first]
    while (skip('or')) or.push(conjunction(depth))
    return or.length === 1 ? first : { or }
  }
  const meaning = (tree: Tree): SearchExpression => {
    if ('and' in tree) return { and: tree.and.map(meaning) }
    if ('or' in tree) return { or: tree.or.map(meaning) }
    return comparison(tree)
  }

  const tree = alternatives(0)
  if (peek().kind !== 'end') throw configurationProblem('CONFIGM_00023')
  return meaning(tree)
}
