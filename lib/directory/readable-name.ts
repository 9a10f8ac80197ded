/** Names that people tell apart by looking at them: of users, roles and applications. */

const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** Whether it has characters that nobody sees or that turn others around: another name would look the same. */
export const hasUnseen = (name: string): boolean => unseen.test(name)

/** Whether it is spelled with other forms of usual characters, such as those of full width: the same applies. */
export const hasDisguised = (name: string): boolean => name.normalize('NFKC') !== name.normalize('NFC')
