/** Names that people tell apart by looking at them: of users, roles and applications. */

const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** Whether it has characters that nobody sees or that turn others around: another name would look the same. */
export const hasUnseen = (name: string): boolean => unseen.test(name)

/** Whether it is spelled with other forms of usual characters, such as those of full width: the same applies. */
export const hasDisguised = (name: string): boolean => name.normalize('NFKC') !== name.normalize('NFC')

/** Every character that is unseen, the first and the last of each range. Found out at run time it would take a while. */
const unseenRanges = [
  '00-1f 7f-9f ad-ad 34f-34f 600-605 61c-61c 6dd-6dd 70f-70f 890-891 8e2-8e2 115f-1160 17b4-17b5 180b-180f 200b-200f',
  '2028-202e 2060-206f 3164-3164 e000-f8ff fe00-fe0f feff-feff ffa0-ffa0 fff0-fffb 110bd-110bd 110cd-110cd',
  '13430-1343f 1bca0-1bca3 1d173-1d17a e0000-e0fff f0000-ffffd 100000-10fffd',
]

/** As every engine reads it: those have no escape in common that are beyond four digits. */
const escaped = (hex: string) =>
  hex.length > 4 ? String.fromCodePoint(Number.parseInt(hex, 16)) : `\\u${hex.padStart(4, '0')}`

const unseenClass = unseenRanges
  .join(' ')
  .replace(/[\da-f]+/g, escaped)
  .replaceAll(' ', '')

/** A pattern of texts without unseen characters, for the document: not every engine knows the names of their classes. */
export const seenPattern = `^[^${unseenClass}]*$`
