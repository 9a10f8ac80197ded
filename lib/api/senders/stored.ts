/**
 * Notification senders as resources of the configuration store, of type `Publisher`: each field and each property is an
 * attribute. Secrets are sealed, so that neither this API, nor that of the store, nor a dump gives them away.
 */
import { largestAttribute, longestValue } from '../../directory/config-store-attributes.ts'
import type { ConfigurationAttribute, ConfigurationResource } from '../../directory/config-store-resources.ts'
import type { Vault } from '../../keys/secrets.ts'
import { invalidRequest } from '../problem.ts'
import type { AskedSender, Channel } from './model.ts'

export const publisherType = 'Publisher'

const fields = ['provider', 'providerURL', 'contentType', 'sender'] as const
const secrets = ['key', 'secret'] as const
const authType = 'authentication.type'
const authProperties = 'authentication.properties'
const channelType = 'type'
const reserved: ReadonlySet<string> = new Set([...fields, ...secrets, authType, authProperties, channelType])

/** Push providers are told keys alone; of text messages those properties that are called so, and headers. */
const secretWords = /secret|passw|token|key|credential|authorization|header/i
const isSecret = (channel: Channel, key: string) => channel === 'push' || secretWords.test(key)

/** The stored value of that attribute, not opened. */
export const storedValue = (resource: ConfigurationResource, key: string): string | undefined =>
  resource.attributes.find((attribute) => attribute.key === key)?.value ?? undefined

/** Whether it is a sender of that channel. */
export const isOf = (resource: ConfigurationResource, channel: Channel): boolean =>
  storedValue(resource, channelType)?.toLowerCase() === channel

const contextOf = (name: string, key: string) => `notification sender ${name} ${key}`

const isHttp = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const { protocol, username, password } = new URL(url)
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === ''
}

const checked = (attribute: ConfigurationAttribute): ConfigurationAttribute => {
  const value = attribute.value ?? ''
  const bytes = Buffer.byteLength(attribute.key) + Buffer.byteLength(value)
  if (value.length > longestValue || bytes > largestAttribute)
    throw invalidRequest(`${attribute.key} is too long to be stored.`)
  return attribute
}

/**
 * The attributes of what was asked for. A secret that is left out stays as it is stored, as long as it goes to the same
 * provider at the same URL; an empty one, or null, is removed. Throws `Problem`.
 */
export const attributesOf = (
  vault: Vault,
  channel: Channel,
  name: string,
  asked: AskedSender,
  known: ConfigurationResource | undefined,
): readonly ConfigurationAttribute[] => {
  const { providerURL } = asked
  if (providerURL && !isHttp(providerURL))
    throw invalidRequest('providerURL must be an absolute http or https URL without credentials.')
  const isSame = (['provider', 'providerURL'] as const).every(
    (field) => known !== undefined && storedValue(known, field) === (asked[field] ?? undefined),
  )
  const kept = (key: string) => (known && isSame ? storedValue(known, key) : undefined)
  const sealed = (key: string, value: string | null | undefined) => {
    if (value === undefined) return kept(key)
    return value === null || value === '' ? undefined : vault.seal(value, contextOf(name, key))
  }
  const values = new Map<string, string | undefined>([[channelType, channel]])
  for (const field of fields) values.set(field, asked[field] ?? undefined)
  for (const secret of secrets) values.set(secret, sealed(secret, asked[secret]))
  const { authentication } = asked
  if (authentication) {
    const { type, properties } = authentication
    const stays = known !== undefined && storedValue(known, authType) === type
    const written = properties ? JSON.stringify(properties) : null
    const needsNone = type === 'NONE'
    const value = needsNone ? undefined : sealed(authProperties, written ?? (stays ? undefined : null))
    if (!needsNone && value === undefined)
      throw invalidRequest(`authentication of type ${type} needs properties.`)
    values.set(authType, type)
    values.set(authProperties, value)
  }
  for (const { key, value } of asked.properties ?? []) {
    if (reserved.has(key)) throw invalidRequest(`a property cannot be called ${key}.`)
    if (values.has(key)) throw invalidRequest(`the property ${key} is given twice.`)
    values.set(key, isSecret(channel, key) ? sealed(key, value) : (value ?? undefined))
  }
  return [...values].flatMap(([key, value]) => (value === undefined ? [] : [checked({ key, value })]))
}

/** A stored sender without its secrets. */
export const shownSender = (channel: Channel, resource: ConfigurationResource) => {
  const given = fields.flatMap((field) => {
    const value = storedValue(resource, field)
    return value === undefined ? [] : [[field, value] as const]
  })
  const type = storedValue(resource, authType)
  return {
    name: resource.name,
    ...Object.fromEntries(given),
    ...(type === undefined ? {} : { authentication: { type } }),
    properties: resource.attributes
      .filter(({ key }) => !reserved.has(key))
      .map(({ key, value }) => (isSecret(channel, key) ? { key } : { key, value: value ?? '' })),
  }
}
