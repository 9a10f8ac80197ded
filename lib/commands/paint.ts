/** Colours of a terminal, for the commands that people read. */
import type { Environment } from '../config.ts'

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const

export type Colour = keyof typeof codes

/** Puts a text in a colour, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string

/** Colours on a terminal, unless NO_COLOR (https://no-color.org) or TERM=dumb says otherwise. */
export const paintFor = ({ variables }: Environment, stream: { readonly isTTY?: boolean }): Paint => {
  const plain = !stream.isTTY || Boolean(variables.NO_COLOR) || variables.TERM === 'dumb'
  return plain ? (_, text) => text : (colour, text) => `\x1b[${codes[colour]}m${text}\x1b[0m`
}

/** What others wrote, without what a terminal would obey. */
export const harmless = (text: string): string =>
  Bun.stripANSI(text).replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) =>
    character === '\n' ? character : ' ',
  )
