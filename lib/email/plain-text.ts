/** The plain text of an HTML mail, for readers without HTML: its words in their order, not its look. */

const named: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  copy: '©',
  ndash: '–',
  mdash: '—',
  hellip: '…',
}

const decode = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named[String(name).toLowerCase()] ?? whole
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex, 16)
    const isText = code >= 32 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
    return isText ? String.fromCodePoint(code) : ''
  })

/** Elements that begin a line of their own. */
const block = /^\/?(?:p|div|tr|table|h[1-6]|ul|ol|blockquote|header|footer|section|article|hr)$/
/** Elements whose content is not read. */
const unread = /^(?:head|style|script|title|template)$/

/** Where the tag that opens at `at` ends; an attribute's value may have a `>`. Undefined when it never does. */
const endOfTag = (html: string, at: number): number | undefined => {
  let quote = ''
  for (let index = at; index < html.length; index += 1) {
    const character = html[index] ?? ''
    if (quote) quote = character === quote ? '' : quote
    else if (character === '"' || character === "'") quote = character
    else if (character === '>') return index
  }
  return undefined
}

/** What a tag is in text. */
const lineOf = (tag: string): string => {
  if (tag === 'br') return '\n'
  if (tag === 'li') return '\n- '
  if (tag === 'td' || tag === 'th') return ' '
  return block.test(tag) ? '\n\n' : ''
}

const tidy = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()

/** Reads the words of a page. It takes time in proportion to its length, whatever is in it. */
export const plainText = (html: string): string => {
  const parts: string[] = []
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    const words = html.slice(at, open < 0 ? html.length : open)
    parts.push(decode(words.replace(/\s+/g, ' ')))
    if (open < 0) break
    if (html.startsWith('<!--', open)) {
      const end = html.indexOf('-->', open + 4)
      if (end < 0) break
      at = end + 3
      continue
    }
    const name = /^\/?[a-z][a-z\d]{0,15}/.exec(html.slice(open + 1, open + 18).toLowerCase())?.[0]
    if (name === undefined && html[open + 1] !== '!') {
      parts.push('<')
      at = open + 1
      continue
    }
    const end = endOfTag(html, open)
    if (end === undefined) break
    at = end + 1
    if (name === undefined) continue
    parts.push(lineOf(name))
    if (!unread.test(name)) continue
    const closing = new RegExp(`</${name}\\s*>`, 'gi')
    closing.lastIndex = at
    const close = closing.exec(html)
    if (!close) break
    at = close.index + close[0].length
  }
  return `${tidy(parts.join(''))}\n`
}
