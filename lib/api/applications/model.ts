/** The ApplicationModel: its defaults, which of its fields this server owns, and how it is answered. */
import type { ApplicationRecord, Settings } from '../../directory/application-records.ts'
import { hasUnseen } from '../../directory/readable-name.ts'
import { invalidRequest } from '../problem.ts'
import { tenantPath } from '../tenant.ts'
import {
  advancedConfigurations,
  authenticationSequence,
  claimConfiguration,
  provisioningConfigurations,
} from './model-schema.ts'
import { invalidApplication, notSupported } from './problem.ts'

/** Without `associatedRoles` its roles are its own, so that has no default. */
const defaults = {
  isManagementApp: false,
  isB2BSelfServiceApp: false,
  enhancedOrgAuthenticationEnabled: false,
  claimConfiguration: claimConfiguration.parse({}),
  authenticationSequence: authenticationSequence.parse({}),
  advancedConfigurations: advancedConfigurations.parse({}),
  provisioningConfigurations: provisioningConfigurations.parse({}),
}

/** Columns of their own, or made by this server: never taken from what a client wrote. */
const owned = new Set([
  'id',
  'name',
  'applicationEnabled',
  'clientId',
  'clientSecret',
  'issuer',
  'realm',
  'access',
  'self',
  'applicationVersion',
  'inboundProtocols',
  'inboundProtocolConfiguration',
  'owner',
])

/** A JSON null is an absent value, as for WSO2's clients. */
export const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => item !== null)
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutNulls(item)]))
}

/** The settings to be stored of what a client wrote. */
export const modelOf = (written: Settings): Settings =>
  Object.fromEntries(Object.entries(written).filter(([key, value]) => !owned.has(key) && value !== undefined))

/** The same for a new application. */
export const newModelOf = (written: Settings): Settings => ({ ...defaults, ...modelOf(written) })

/** Names of what the server itself is as an application. */
export const reservedNames = ['Console', 'My Account'] as const

/** Whether an application of that name is the server's own; case makes no other name of it. */
export const isReserved = (name: string): boolean =>
  reservedNames.some((reserved) => reserved.toLowerCase() === name.toLowerCase())

/** Throws the `Problem` of a name that no application may have. */
export const checkName = (name: string): void => {
  if (name.trim() === '' || name !== name.trim() || name.length > 255 || hasUnseen(name))
    throw invalidApplication(
      'The application name must have 1 to 255 printable characters and neither begin nor end with a space.',
    )
  if (isReserved(name)) throw invalidApplication(`The application name ${name} is reserved.`, 'APP-60515')
}

/** Throws the `Problem` of a change that an application of that name cannot have. */
export const checkRename = (from: string, to: string): void => {
  if (from === to) return
  if (isReserved(from)) throw invalidApplication(`The application ${from} keeps its name.`, 'APP-60516')
  checkName(to)
}

const propertiesOf = (model: Settings): unknown => {
  const advanced = model.advancedConfigurations
  return typeof advanced === 'object' && advanced !== null && 'additionalSpProperties' in advanced
    ? advanced.additionalSpProperties
    : undefined
}

/** The settings of a PATCH; `additionalSpProperties` are given once, and kept. Throws `Problem`. */
export const patchedModel = (before: Settings, written: Settings): Settings => {
  const model = modelOf(written)
  const { advancedConfigurations } = model
  if (typeof advancedConfigurations !== 'object' || advancedConfigurations === null) return model
  const [kept, asked] = [propertiesOf(before), propertiesOf(model)]
  if (asked !== undefined && !Bun.deepEquals(asked, kept ?? []))
    throw invalidApplication('The additionalSpProperties of an application cannot be changed.', 'APP-60506')
  if (kept === undefined) return model
  return { ...model, advancedConfigurations: { ...advancedConfigurations, additionalSpProperties: kept } }
}

/** Those that the APIs know and this server does not speak. */
const otherProtocols = new Set(['saml', 'passiveSts', 'wsTrust', 'customProtocols'])

/** Throws unless OAuth is the only protocol asked for. */
export const checkProtocols = (protocols: Settings | undefined): void => {
  const others = Object.keys(protocols ?? {}).filter((key) => key !== 'oidc')
  const stranger = others.find((name) => !otherProtocols.has(name))
  if (stranger !== undefined)
    throw invalidRequest(`There is no inbound protocol ${JSON.stringify(stranger.slice(0, 100))}.`)
  if (others.length > 0)
    throw notSupported(
      `Inbound protocols other than oidc are not supported: ${others.join(', ')}.`,
      'APP-65003',
    )
}

export const applicationsPath = `${tenantPath}/api/server/v1/applications`

export interface NamedRole {
  readonly id: string
  readonly name: string
}

/** As it is stored, or, where the roles are the application's own, as they are. */
const associatedRolesOf = ({ model }: ApplicationRecord, roles: readonly NamedRole[]) => {
  const { associatedRoles: stored } = model
  const isObject = typeof stored === 'object' && stored !== null
  if (isObject && (!('allowedAudience' in stored) || stored.allowedAudience !== 'APPLICATION')) return stored
  return { ...(isObject ? stored : {}), allowedAudience: 'APPLICATION', roles }
}

/** What is said of the protocols that an application speaks. */
export const renderProtocols = ({ id, clientId, oidc }: ApplicationRecord) =>
  oidc ? [{ type: 'oauth2', name: clientId, self: `${applicationsPath}/${id}/inbound-protocols/oidc` }] : []

/** Of those that WSO2 counts, the one whose fields these are. */
export const applicationVersion = 'v1.0.0'

/** The ApplicationResponse. `roles` are those whose audience the application is. */
export const renderApplication = (
  application: ApplicationRecord,
  access: 'READ' | 'WRITE',
  roles: readonly NamedRole[],
) => {
  const { id, name, clientId, model, oidc, disabledAt } = application
  return {
    ...model,
    id,
    name,
    ...(oidc ? { clientId } : {}),
    applicationVersion,
    applicationEnabled: disabledAt === null,
    access,
    associatedRoles: associatedRolesOf(application, roles),
    inboundProtocols: renderProtocols(application),
  }
}
