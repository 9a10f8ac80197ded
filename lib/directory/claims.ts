/** How the audit tells of changed attributes: by claim URI, each value masked (design.md §6.13). */
import { mask } from '../audit.ts'
import { type Attributes, attributeOf, isObject } from './attributes.ts'

const claimOf = (name: string) => `http://wso2.org/claims/${name}`

const partNames: Readonly<Record<string, string>> = {
  'name.givenName': 'givenname',
  'name.familyName': 'lastname',
  'name.formatted': 'fullname',
}

const same = (left: unknown, right: unknown) => Bun.deepEquals(left, right, true)

/** One text for a value of any kind: of several e-mail addresses or numbers the primary one. */
const textOf = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) {
    const entry = value.find((item) => isObject(item) && item.primary === true) ?? value[0]
    return textOf(isObject(entry) ? (entry.value ?? JSON.stringify(entry)) : entry)
  }
  return isObject(value) ? JSON.stringify(value) : String(value)
}

/** The full names of the attributes that differ. */
export const changedAttributes = (before: Attributes, after: Attributes): readonly string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((name) => !same(before.get(name), after.get(name)))

/** `Claims` of the event `user-claims-changed`: the changed ones, when it was, and the profile that holds them. */
export const claimsForAudit = (before: Attributes, after: Attributes, now: Date): Record<string, string> => {
  const claims: Record<string, string> = {}
  for (const name of changedAttributes(before, after)) {
    const [old, fresh] = [before.get(name), after.get(name)]
    if (isObject(old) || isObject(fresh)) {
      const [was, is] = [isObject(old) ? old : {}, isObject(fresh) ? fresh : {}]
      for (const part of new Set([...Object.keys(was), ...Object.keys(is)])) {
        if (same(was[part], is[part])) continue
        claims[claimOf(partNames[`${name}.${part}`] ?? part)] = mask(textOf(is[part]))
      }
    } else claims[attributeOf(name)?.claim ?? claimOf(name)] = mask(textOf(fresh))
  }
  // with microseconds, as the seed's sample counts its characters
  claims[claimOf('modified')] = mask(now.toISOString().replace('Z', '000Z'))
  claims.profileConfiguration = mask('default')
  return claims
}
