/**
 * Placeholders of e-mail templates, `{{user-name}}`: replaced in one pass, so that no value is looked at for placeholders
 * of its own, and escaped for the place where they stand. One that has no value becomes nothing.
 */
import { escapeHtml } from './html.ts'

/** What placeholders stand for; a list is a list in the mail too. */
export type Values = Readonly<Record<string, string | readonly string[]>>

/** Where a text is used: what can do harm differs. */
export type Place = 'html' | 'text' | 'subject'

export interface Filled {
  readonly text: string
  /** Placeholders that have no value, each once, in the order of the text. */
  readonly unknown: readonly string[]
}

/** No name of a placeholder is longer, and none has other characters. */
const placeholder = /\{\{[ \t]{0,8}([\w.:-]{1,100})[ \t]{0,8}\}\}/g

/** A value on one line that reads in one direction: names are chosen by those whom the mail tells of. */
export const oneLine = (value: string): string =>
  value
    .toWellFormed()
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .replace(/\p{Bidi_Control}/gu, '')
    .trim()

const lists: Readonly<Record<Place, (items: readonly string[]) => string>> = {
  html: (items) => `<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`,
  text: (items) => items.map((item) => `  - ${item}`).join('\n'),
  subject: (items) => items.join(', '),
}

const written = (value: string | readonly string[], place: Place): string => {
  if (typeof value !== 'string') return lists[place](value.map(oneLine))
  return place === 'html' ? escapeHtml(oneLine(value)) : oneLine(value)
}

/** Characters of values in one text; what does not fit any more becomes nothing. No mail that is read is so long. */
const mostFilled = 500_000

/** Fills the placeholders of a text that stands at `place`. */
export const fill = (text: string, values: Values, place: Place): Filled => {
  const unknown = new Set<string>()
  const known = new Map<string, string>()
  let room = mostFilled
  const filled = text.replace(placeholder, (_, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value === undefined) unknown.add(name)
    if (value === undefined || room === 0) return ''
    const text = known.get(name) ?? written(value, place)
    known.set(name, text)
    room = text.length > room ? 0 : room - text.length
    return room === 0 ? '' : text
  })
  return { text: place === 'subject' ? oneLine(filled) : filled, unknown: [...unknown] }
}
