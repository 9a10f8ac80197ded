/**
 * `[impersonation] ticket_pattern`: a regular expression for the whole of a ticket that cannot be made slow. An engine that
 * tries one way after the other tries no more of them than a pattern offers, so these are counted when the server starts.
 */

/** Characters of a ticket; nothing longer is matched. */
export const longestTicket = 128

const longestPattern = 256

/** As many are tried in a few milliseconds. */
const mostWays = 65_536

class Unreadable extends Error {}

const escapes = String.raw`\\[dDwWsS\-./#:,;=_~!@&%"'<>+*?()[\]{}|^$\\]`
const token = new RegExp(
  String.raw`(?<group>\((?:\?:)?)|(?<atom>[^\\^$.*+?()[\]{}|]|${escapes}|\.|\[(?:[^\]\\]|\\.)+\])`,
  'y',
)
const quantifier = /(?<repeat>[*+])|(?<optional>\?)|\{(?<least>\d{1,3})(?<comma>,?)(?<most>\d{0,3})\}/y

const matchAt = (expression: RegExp, text: string, at: number) => {
  expression.lastIndex = at
  return expression.exec(text)
}

/** How many ways a quantifier offers. */
const waysOf = (found: Readonly<Record<string, string | undefined>>): number => {
  if (found.repeat !== undefined) return longestTicket
  if (found.optional !== undefined) return 2
  if (found.comma === '') return 1
  const most = found.most === '' ? longestTicket : Number(found.most)
  return Math.max(1, most - Number(found.least) + 1)
}

/** The ways through the alternatives that begin at `at`, and where they end. Throws Unreadable. */
const readAlternatives = (text: string, at: number): { readonly ways: number; readonly end: number } => {
  let total = 0
  let ways = 1
  let end = at
  while (end < text.length && text[end] !== ')') {
    if (text[end] === '|') {
      total += ways
      ways = 1
      end += 1
      continue
    }
    const found = matchAt(token, text, end)
    if (!found) throw new Unreadable(`has "${text.slice(end, end + 12)}" where it may not`)
    end += found[0].length
    const isGroup = found.groups?.group !== undefined
    if (isGroup) {
      const inside = readAlternatives(text, end)
      if (text[inside.end] !== ')') throw new Unreadable('has a group that does not end')
      ways *= inside.ways
      end = inside.end + 1
    }
    const quantified = matchAt(quantifier, text, end)
    if (!quantified?.groups) continue
    if (isGroup && quantified.groups.optional === undefined)
      throw new Unreadable('repeats a group; of a group only ? may be said')
    ways *= waysOf(quantified.groups)
    end += quantified[0].length
    if (/[?*+{]/.test(text[end] ?? '')) throw new Unreadable('has two quantifiers in a row')
  }
  return { ways: total + ways, end }
}

/** The pattern between its anchors, which are there whether or not they are written. */
const bodyOf = (pattern: string) => pattern.replace(/^\^/, '').replace(/(?<!\\)\$$/, '')

/** The expression that a whole ticket has to match; the pattern has no problem. */
export const ticketExpression = (pattern: string): RegExp => new RegExp(`^(?:${bodyOf(pattern)})$`)

/** Why a pattern cannot be used; undefined when it can. */
export const ticketPatternProblem = (pattern: string): string | undefined => {
  if (pattern.length > longestPattern) return `is longer than ${longestPattern} characters`
  const body = bodyOf(pattern)
  try {
    ticketExpression(pattern)
    const { ways, end } = readAlternatives(body, 0)
    if (end < body.length) return 'closes a group that it does not open'
    if (ways > mostWays)
      return 'offers too many ways to read one ticket: use fewer of * and +, or say {2,10}, as in [A-Z]{2,10}-[0-9]{1,7}'
    return undefined
  } catch (error) {
    if (error instanceof Unreadable || error instanceof SyntaxError)
      return `is no regular expression of the accepted form: it ${error instanceof Unreadable ? error.message : 'cannot be read'}; write characters, [classes], \\d, (a|b), and behind them ?, *, + or {2,10}`
    throw error
  }
}
