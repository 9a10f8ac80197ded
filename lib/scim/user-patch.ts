/** Applies the steps of a POST or PATCH to a user's attributes (RFC 7644 §3.5.2.1 to §3.5.2.3). */
import { type Attribute, customSchema, isObject } from '../directory/attributes.ts'
import { bad } from './error.ts'
import { described, type Entry, isMeant } from './user-element.ts'
import type { Step } from './user-path.ts'
import { complexValue, mostEntries, storedValue, subValue, withoutEmpty } from './user-value.ts'

/** From an attribute's full name to its value; status, user name and password are among them. */
export type Draft = Map<string, unknown>

/** Of each draft the names in it, by their small letters. */
const spellings = new WeakMap<Draft, Map<string, string>>()

/** The name by which the draft has the attribute: a custom one is spelled as it came first (RFC 7643 §2.1). */
const nameIn = (draft: Draft, { name, place }: Attribute): string => {
  if (place[0] !== customSchema) return name
  const spelled = spellings.get(draft) ?? new Map(draft.keys().map((one) => [one.toLowerCase(), one]))
  spellings.set(draft, spelled)
  const lower = name.toLowerCase()
  const first = spelled.get(lower) ?? name
  spelled.set(lower, first)
  return first
}

const put = (draft: Draft, attribute: Attribute, value: unknown) => {
  const name = nameIn(draft, attribute)
  const empty = value === undefined || (Array.isArray(value) && value.length === 0)
  if (empty) draft.delete(name)
  else draft.set(name, value)
}

/** Equal for values that say the same, in whatever order; which of them is primary is said of them, not by them. */
const keyOf = (item: unknown): string =>
  JSON.stringify(
    isObject(item)
      ? Object.entries(item)
          .filter(([sub]) => sub !== 'primary')
          .sort(([one], [other]) => (one < other ? -1 : 1))
      : item,
  )

/** `added` behind `entries`, without repeats; a new primary one takes the place of the old. */
const append = (
  { name }: Attribute,
  entries: readonly unknown[],
  added: readonly unknown[],
): readonly unknown[] => {
  const primary = added.some((item) => isObject(item) && item.primary === true)
  const fresh = new Map(added.map((item) => [keyOf(item), item]))
  const kept = entries.map((item) => {
    const key = keyOf(item)
    const again = fresh.get(key)
    fresh.delete(key)
    if (isObject(again) && again.primary !== undefined) return again
    return primary && isObject(item) ? withoutEmpty({ ...item, primary: undefined }) : item
  })
  const result = [...kept, ...fresh.values()]
  // looked at after every step: operations could let it grow until nothing else is served
  if (result.length > mostEntries) throw bad('invalidValue', `${name} may have ${mostEntries} values.`)
  return result
}

/** What the chosen entry becomes; undefined when it is removed. */
const rewrite = ({ op, target: { attribute, sub }, value }: Step, entry: Entry): Entry | undefined => {
  if (sub !== undefined) {
    const part = op === 'remove' || value === null ? undefined : subValue(attribute, sub, value)
    const left = withoutEmpty({ ...entry, [sub]: part })
    return Object.keys(left).length === 0 ? undefined : left
  }
  if (op === 'remove' || value === null) return undefined
  const written = complexValue(attribute, value)
  return withoutEmpty(op === 'add' ? { ...entry, ...written } : written)
}

/** A step on some of several values. */
const applyToSome = (draft: Draft, step: Step) => {
  const { attribute, filter } = step.target
  // names that it gets wrong are told even when there is no value to look at
  if (filter) isMeant(filter, {}, attribute)
  const stored = draft.get(attribute.name)
  const entries: readonly Entry[] = Array.isArray(stored) ? stored.filter(isObject) : []
  const chosen = entries.filter((entry) => !filter || isMeant(filter, entry, attribute))
  if (chosen.length === 0) {
    if (step.op !== 'add') throw bad('noTarget', `None of ${attribute.name} is meant by the path.`)
    // an add that meets nothing makes the value that its filter describes
    const entry = rewrite(step, complexValue(attribute, filter ? described(filter) : {}))
    put(draft, attribute, append(attribute, entries, entry ? [entry] : []))
    return
  }
  const rewritten = new Map(chosen.map((entry) => [entry, rewrite(step, entry)]))
  const primaries = [...rewritten.values()].filter((entry) => entry?.primary === true)
  if (primaries.length > 1) throw bad('invalidValue', `Only one of ${attribute.name} can be primary.`)
  const result = entries.flatMap((entry) => {
    if (rewritten.has(entry)) return rewritten.get(entry) ?? []
    return primaries.length > 0 ? withoutEmpty({ ...entry, primary: undefined }) : entry
  })
  put(draft, attribute, result)
}

const applyToComplex = (draft: Draft, { op, target: { attribute, sub }, value }: Step) => {
  const stored = draft.get(attribute.name)
  const before: Entry = isObject(stored) ? stored : {}
  const removes = op === 'remove' || value === null
  if (sub === undefined && removes) {
    put(draft, attribute, undefined)
    return
  }
  const parts =
    sub === undefined
      ? complexValue(attribute, value)
      : { [sub]: removes ? undefined : subValue(attribute, sub, value) }
  const after = withoutEmpty({ ...before, ...parts })
  put(draft, attribute, Object.keys(after).length === 0 ? undefined : after)
}

/** Takes away the values that are named: those that say at least what one of `value` says. */
const removeNamed = (draft: Draft, attribute: Attribute, value: unknown) => {
  const stored = draft.get(attribute.name)
  const written = storedValue(attribute, value)
  if (!Array.isArray(stored) || !Array.isArray(written)) return
  const named = (item: unknown) =>
    written.some((one) =>
      isObject(one) && isObject(item)
        ? Object.entries(one).every(([sub, part]) => item[sub] === part)
        : one === item,
    )
  put(
    draft,
    attribute,
    stored.filter((item) => !named(item)),
  )
}

/** Applies one step; refuses what this server alone may write. */
export const applyStep = (draft: Draft, step: Step) => {
  const { op, target, value } = step
  const { attribute, filter, sub } = target
  if (attribute.access === 'readOnly') throw bad('mutability', `${attribute.name} is read-only.`)
  if (attribute.kind === 'complex') applyToComplex(draft, step)
  else if (filter !== undefined || sub !== undefined) applyToSome(draft, step)
  else if (op === 'remove' && value !== undefined && value !== null && attribute.kind !== 'string') {
    removeNamed(draft, attribute, value)
  } else if (op === 'remove') put(draft, attribute, undefined)
  else {
    const written = storedValue(attribute, value)
    const stored = draft.get(attribute.name)
    const grows = op === 'add' && Array.isArray(written) && Array.isArray(stored)
    put(draft, attribute, grows ? append(attribute, stored, written) : written)
  }
}
