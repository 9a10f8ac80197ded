/** Names that people tell apart by looking at them: of users, roles and applications. */

const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** Whether it has characters that nobody sees or that turn others around: another name would look the same. */
export const hasUnseen = (name: string): boolean => unseen.test(name)

/** Whether it is spelled with other forms of usual characters, such as those of full width: the same applies. */
export const hasDisguised = (name: string): boolean => name.normalize('NFKC') !== name.normalize('NFC')

let seen: string | undefined

/** As every engine reads it: those have no escape in common that are beyond four digits. */
const escaped = (point: number) =>
  point > 0xff_ff ? String.fromCodePoint(point) : `\\u${point.toString(16).padStart(4, '0')}`

/** Every character that is unseen, as the ranges of a class in a pattern. */
const unseenRanges = (): string => {
  const ranges: string[] = []
  let first: number | undefined
  for (let point = 0; point <= 0x11_0000; point += 1) {
    const isSurrogate = point >= 0xd8_00 && point <= 0xdf_ff
    const isUnseen = point < 0x11_0000 && !isSurrogate && unseen.test(String.fromCodePoint(point))
    if (isUnseen) first ??= point
    else if (first !== undefined) {
      ranges.push(`${escaped(first)}-${escaped(point - 1)}`)
      first = undefined
    }
  }
  return ranges.join('')
}

/** A pattern of texts without unseen characters, for the document: not every engine knows the names of their classes. */
export const seenPattern = (): string => {
  seen ??= `^[^${unseenRanges()}]*$`
  return seen
}
