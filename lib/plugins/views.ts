/** What plugins see: frozen pictures with the members that are named here, and no others. */
import type { Application, Organization, Person } from 'mayact'
import type { KnownPerson } from '../directory/people.ts'

/** Freezes plain lists and tables all the way down; whatever else is in them is left as it is. */
export const frozen = <Value>(value: Value): Value => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return value
  for (const member of Object.values(value)) frozen(member)
  return Object.freeze(value)
}

export const personView = (person: KnownPerson): Person =>
  frozen({
    id: person.id,
    userName: person.userName,
    email: person.email,
    organizationId: person.organizationId,
    roles: person.roles.map(({ id, name }) => ({ id, name })),
    locked: person.locked,
    disabled: person.disabled,
  })

export const applicationView = ({ id, name, clientId }: Application): Application =>
  frozen({ id, name, clientId })

export const organizationView = ({ id, name }: Organization): Organization => frozen({ id, name })

export const parametersView = (parameters: ReadonlyMap<string, string>): Readonly<Record<string, string>> => {
  const hidden = new Set(['client_secret', 'client_assertion'])
  const view: Record<string, string> = Object.create(null)
  for (const [name, value] of parameters) if (!hidden.has(name)) view[name] = value
  return Object.freeze(view)
}
