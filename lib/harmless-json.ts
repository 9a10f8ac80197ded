/** JSON of strangers, harmless before a schema looks at it: bounded in depth and number, and of text that can be stored. */

const deepest = 32
const mostValues = 100_000

/** Text that both databases store unchanged. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

/** Whether brackets nest deeper than anything we store; such a value could not be written out again. */
const isTooDeep = (text: string): boolean => {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (quoted && character === '\\') at += 1
    else if (character === '"') quoted = !quoted
    else if (!quoted && (character === '{' || character === '[')) {
      depth += 1
      if (depth > deepest) return true
    } else if (!quoted && (character === '}' || character === ']')) depth -= 1
  }
  return false
}

const isHarmless = (value: unknown): boolean =>
  typeof value === 'string' ? isStorable(value) : typeof value !== 'number' || Number.isFinite(value)

/** What the bytes say in UTF-8. Throws what is wrong with them. */
export const parseHarmless = (bytes: Uint8Array): unknown => {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  if (isTooDeep(text)) throw new Error('nested too deeply')
  let values = 0
  return JSON.parse(text, (key, value: unknown) => {
    values += 1
    if (values > mostValues) throw new Error('has more values than anything we store')
    // it would become a prototype on the first careless copy
    if (key === '__proto__') throw new Error('has a member __proto__')
    if (!isStorable(key) || !isHarmless(value))
      throw new Error('contains NUL, a broken surrogate or a number without end')
    return value
  })
}
