/** The filter grammar of the management APIs: `attribute op value`, values unquoted, joined by `and` and `or`. */
import { type Condition, type Filter, type Operator, operators, orders } from '../directory/condition.ts'
import { isStorable } from './body.ts'

const longest = 1_000

// a word is a joint only when a condition follows it, since values have spaces and no quotes
const joint = (word: string) => new RegExp(` ${word} (?=[\\w.]+ [a-z]{2} )`, 'i')
const and = joint('and')
const or = joint('or')

const isOperator = (word: string, withOrder: boolean): word is Operator =>
  operators.some((operator) => operator === word) || (withOrder && orders.some((order) => order === word))

export type ParsedFilter<Attribute extends string> =
  | { readonly filter: Filter<Attribute> }
  | { readonly filter: undefined; readonly refused: 'format' | 'attribute' }

/** Reads a filter on the given attributes; `or`, and `ge le gt lt`, only where the API has them. */
export const parseFilter = <Attribute extends string>(
  text: string,
  attributes: readonly Attribute[],
  { withOr, withOrder = false }: { readonly withOr: boolean; readonly withOrder?: boolean },
): ParsedFilter<Attribute> => {
  if (text.length > longest || !isStorable(text)) return { filter: undefined, refused: 'format' }
  const alternatives = withOr ? text.trim().split(or) : [text.trim()]
  const filter: Condition<Attribute>[][] = []
  for (const alternative of alternatives) {
    const conditions: Condition<Attribute>[] = []
    for (const condition of alternative.split(and)) {
      const match = /^([\w.]+) +([a-z]{2}) +(\S.*)$/i.exec(condition.trim())
      const [, name = '', word = '', value = ''] = match ?? []
      const operator = word.toLowerCase()
      if (!isOperator(operator, withOrder)) return { filter: undefined, refused: 'format' }
      const attribute = attributes.find((known) => known === name)
      if (attribute === undefined) return { filter: undefined, refused: 'attribute' }
      conditions.push({ attribute, operator, value })
    }
    filter.push(conditions)
  }
  return { filter }
}
