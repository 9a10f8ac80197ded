/** The code that a device shows and its user types (RFC 8628 §6.1). */

/** The code that this browser's user entered, which the page shows again before it asks. */
export const userCodeCookie = '__Host-mayact-user-code'

/** RFC 8628 §6.1: no vowels, so no words, and none that looks like another or like a digit. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'
const codeLength = 8

/** As it is shown: `XXXX-XXXX`. */
const shown = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`

/** Eight of twenty letters: 25,600,000,000 codes. */
export const randomUserCode = (): string => {
  let code = ''
  while (code.length < codeLength) {
    // 240 is the last multiple of twenty in a byte: no letter is likelier than another
    for (const byte of crypto.getRandomValues(new Uint8Array(codeLength * 2))) {
      if (byte < 240 && code.length < codeLength) code += letters[byte % letters.length]
    }
  }
  return shown(code)
}

/** What somebody typed as it is shown, case and dashes ignored; undefined for what no code can be. */
export const readUserCode = (typed: string): string | undefined => {
  const code = typed.toUpperCase().replace(/[\s\p{Pd}]/gu, '')
  return code.length === codeLength && [...code].every((letter) => letters.includes(letter))
    ? shown(code)
    : undefined
}
