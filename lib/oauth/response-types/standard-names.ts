/** The names of the standard response types, and which application may use which. */
import type { Application } from '../../directory/applications.ts'
import { responseTypeName } from '../../directory/client-abilities.ts'

/** As discovery lists them. */
export const standardResponseTypes = [
  'code',
  'token',
  'id_token',
  'id_token token',
  'code id_token',
  'code token',
  'code id_token token',
  'none',
] as const

export type StandardName = (typeof standardResponseTypes)[number]

const same = (one: string, other: string) => responseTypeName(one) === responseTypeName(other)

/** `hybridFlow.responseType` lists the hybrids with commas; switched on without a list it means all of them. */
const allowsHybrid = ({ oidc }: Application, name: string): boolean => {
  const { enable, responseType } = oidc.hybridFlow
  if (!enable) return false
  const listed = (responseType ?? '').split(',').map((type) => type.trim())
  return responseType === undefined || listed.some((type) => same(type, name))
}

/** Whether the application's grants have the type, and its registration where it lists types (RFC 7591 §2). */
export const mayUse = (client: Application, name: StandardName): boolean => {
  const { grantTypes, mayact } = client.oidc
  const listed = mayact.responseTypes ?? undefined
  const isListed = listed?.some((type) => same(type, name)) ?? false
  if (listed && !isListed) return false
  const [code, implicit] = [grantTypes.includes('authorization_code'), grantTypes.includes('implicit')]
  if (name === 'none') return code || implicit
  if (name === 'code') return code
  if (!name.startsWith('code ')) return implicit
  return code && (allowsHybrid(client, name) || (isListed && implicit))
}
