/** Filters of RFC 7644 §3.4.2.2, as far as WSO2 has them: comparisons joined by `and`; a value may go unquoted. */
import { ScimError, type ScimType } from './error.ts'
import { isStorable } from './media.ts'

const operators = ['eq', 'ne', 'co', 'sw', 'ew', 'ge', 'le', 'gt', 'lt'] as const

export type Operator = (typeof operators)[number]

export interface Condition {
  readonly attribute: string
  readonly operator: Operator
  /** A boolean or number is its text. */
  readonly value: string
}

const longest = 2_048
const mostComparisons = 20
const comparison = /\s*([A-Za-z$][\w$:.-]*)\s+([A-Za-z]+)\s+("(?:[^"\\]|\\.)*"|[^\s"]+)\s*/y
const conjunction = /(and|or)\s+/iy

const unquote = (text: string): string | undefined => {
  if (!text.startsWith('"')) return text
  try {
    return String(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Reads a filter; what it cannot read is a 400 of the given type. */
export const parseFilter = (text: string, scimType: ScimType = 'invalidFilter'): readonly Condition[] => {
  const no = (detail: string) => new ScimError(400, detail, scimType)
  if (text.length > longest) throw no(`A filter may have ${longest} characters.`)
  const conditions: Condition[] = []
  for (let at = 0; ; ) {
    comparison.lastIndex = at
    const [whole = '', attribute = '', word = '', raw = ''] = comparison.exec(text) ?? []
    if (whole === '') throw no(`The filter cannot be read from character ${at + 1} on.`)
    const operator = operators.find((one) => one === word.toLowerCase())
    if (!operator) throw no(`The filter's operator ${word} is not supported.`)
    const value = unquote(raw)
    if (!value || !isStorable(value))
      throw no("The filter's value has to be a JSON string that is not empty.")
    conditions.push({ attribute, operator, value })
    if (conditions.length > mostComparisons) throw no(`A filter may have ${mostComparisons} comparisons.`)
    at += whole.length
    if (at === text.length) return conditions
    conjunction.lastIndex = at
    const [joined = '', by = ''] = conjunction.exec(text) ?? []
    if (by.toLowerCase() !== 'and') throw no('Comparisons of a filter can be joined by and only.')
    at += joined.length
  }
}
