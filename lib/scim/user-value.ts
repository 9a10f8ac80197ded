/** Brings what a client wrote for an attribute into the one form it is stored in. */
import { type Attribute, emailsAttribute, isObject } from '../directory/attributes.ts'
import { bad } from './error.ts'

type Entry = Readonly<Record<string, unknown>>

/** As WSO2 has it; and what cannot be shorter. */
const longestText = 1_024
const longer: ReadonlyMap<string, number> = new Map([
  ['x509Certificates.value', 16_384],
  ['photos.value', 2_048],
  ['profileUrl', 2_048],
])
/** How many values an attribute may have. */
export const mostEntries = 100

/** How many characters a text may have, by the full name of the attribute or of its part. */
export const longestOf = (name: string): number => longer.get(name) ?? longestText

/** An e-mail address as far as it is looked at: what goes into the head of a mail is one line. */
export const addressForm = /^[^\s@]+@[^\s@]+$/

const text = (name: string, value: unknown): string => {
  if (typeof value !== 'string') throw bad('invalidValue', `${name} has to be a string.`)
  const longest = longestOf(name)
  if (value.length > longest) throw bad('invalidValue', `${name} may have ${longest} characters.`)
  return value
}

/** Clients of WSO2 write booleans as strings, too. */
const truth = (name: string, value: unknown): boolean => {
  const word = typeof value === 'string' ? value.toLowerCase() : value
  if (word === true || word === 'true') return true
  if (word === false || word === 'false') return false
  throw bad('invalidValue', `${name} has to be true or false.`)
}

/** One sub-attribute's value. */
export const subValue = (attribute: Attribute, sub: string, value: unknown): unknown => {
  const name = `${attribute.name}.${sub}`
  if (sub === 'primary') return truth(name, value)
  const written = text(name, value)
  if (attribute === emailsAttribute && sub === 'value' && !addressForm.test(written)) {
    throw bad('invalidValue', `${name} has to be an e-mail address.`)
  }
  return written
}

/** A complex value, or the parts of one; a part that is null is taken away. */
export const complexValue = (attribute: Attribute, value: unknown): Entry => {
  // Entra ID writes the one manager as a list
  if (attribute.kind === 'complex' && Array.isArray(value) && value.length === 1) {
    return complexValue({ ...attribute, kind: 'multi' }, value[0])
  }
  if (!isObject(value)) {
    if (attribute.subs.has('value')) return { value: subValue(attribute, 'value', value) }
    throw bad('invalidValue', `${attribute.name} has to be an object.`)
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => {
      const sub = attribute.subs.get(key.toLowerCase())
      if (sub === undefined) throw bad('invalidSyntax', `${attribute.name} has no ${JSON.stringify(key)}.`)
      return [sub, part === null ? undefined : subValue(attribute, sub, part)]
    }),
  )
}

/** The parts that are there. */
export const withoutEmpty = (entry: Entry): Entry =>
  Object.fromEntries(Object.entries(entry).filter(([, part]) => part !== undefined))

const list = (attribute: Attribute, value: unknown): readonly unknown[] => {
  const items = Array.isArray(value) ? value : [value]
  if (items.length > mostEntries) {
    throw bad('invalidValue', `${attribute.name} may have ${mostEntries} values.`)
  }
  return items
}

/** The value as it is stored; undefined for one that is unassigned (RFC 7643 §2.5). */
export const storedValue = (attribute: Attribute, value: unknown): unknown => {
  if (value === null) return undefined
  const { kind, name } = attribute
  if (kind === 'boolean') return truth(name, value)
  if (kind === 'string') return text(name, value)
  if (kind === 'complex') {
    const entry = withoutEmpty(complexValue(attribute, value))
    return Object.keys(entry).length === 0 ? undefined : entry
  }
  const items = list(attribute, value)
  if (items.length === 0) return undefined
  if (kind === 'strings') return items.map((item) => text(name, item))
  const entries = items.map((item) => withoutEmpty(complexValue(attribute, item)))
  if (entries.filter(({ primary }) => primary === true).length > 1) {
    throw bad('invalidValue', `Only one of ${name} can be primary.`)
  }
  return entries
}
