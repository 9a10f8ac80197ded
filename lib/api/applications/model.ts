/** The ApplicationModel: its defaults, and which of its fields this server owns. Unknown settings are kept. */
import * as z from 'zod'
import type { ApplicationRecord, Settings } from '../../directory/application-records.ts'
import { hasUnseen } from '../../directory/readable-name.ts'
import { tenantPath } from '../tenant.ts'
import { invalidApplication, notSupported } from './problem.ts'

const flag = z.boolean().default(false)
const text = z.string().max(2_048).optional()
const uri = z.looseObject({ uri: z.string() })

const associatedRoles = z.looseObject({
  allowedAudience: z.enum(['ORGANIZATION', 'APPLICATION']).default('ORGANIZATION'),
  roles: z.array(z.looseObject({ id: z.string().optional(), name: z.string().optional() })).default([]),
})

const claimConfiguration = z.looseObject({
  dialect: z.enum(['LOCAL', 'CUSTOM']).default('LOCAL'),
  claimMappings: z.array(z.looseObject({ applicationClaim: z.string(), localClaim: uri })).default([]),
  requestedClaims: z.array(z.looseObject({ claim: uri, mandatory: flag })).default([]),
})

const authenticationSequence = z.looseObject({
  type: z.enum(['DEFAULT', 'USER_DEFINED']).default('DEFAULT'),
  steps: z
    .array(
      z.looseObject({
        id: z.int(),
        options: z.array(z.looseObject({ idp: z.string(), authenticator: z.string() })),
      }),
    )
    .default([]),
  requestPathAuthenticators: z.array(z.string()).default([]),
  subjectStepId: z.int().default(1),
  attributeStepId: z.int().default(1),
})

const advancedConfigurations = z.looseObject({
  saas: flag,
  discoverableByEndUsers: flag,
  skipLoginConsent: flag,
  skipLogoutConsent: flag,
  useExternalConsentPage: flag,
  returnAuthenticatedIdpList: flag,
  enableAuthorization: flag,
  fragment: flag,
  enableAPIBasedAuthentication: flag,
})

/** What a PATCH may bring; each object present is replaced whole, its defaults included. */
export const patchSchema = z.looseObject({
  name: z.string().optional(),
  description: text,
  imageUrl: text,
  accessUrl: text,
  logoutReturnUrl: text,
  templateId: text,
  templateVersion: text,
  isManagementApp: z.boolean().optional(),
  isB2BSelfServiceApp: z.boolean().optional(),
  enhancedOrgAuthenticationEnabled: z.boolean().optional(),
  applicationEnabled: z.boolean().optional(),
  associatedRoles: associatedRoles.optional(),
  claimConfiguration: claimConfiguration.optional(),
  authenticationSequence: authenticationSequence.optional(),
  advancedConfigurations: advancedConfigurations.optional(),
  provisioningConfigurations: z.looseObject({}).optional(),
})

/** What a new application brings; its OAuth settings are another schema's. */
export const newApplicationSchema = z.looseObject({
  ...patchSchema.shape,
  name: z.string(),
  inboundProtocolConfiguration: z.looseObject({ oidc: z.unknown().optional() }).optional(),
})

/** Without `associatedRoles` its roles are its own, so that has no default. */
const defaults = {
  isManagementApp: false,
  isB2BSelfServiceApp: false,
  enhancedOrgAuthenticationEnabled: false,
  claimConfiguration: claimConfiguration.parse({}),
  authenticationSequence: authenticationSequence.parse({}),
  advancedConfigurations: advancedConfigurations.parse({}),
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

const reserved = ['Console', 'My Account']

/** Throws the `Problem` of a name that no application may have. */
export const checkName = (name: string): void => {
  if (name.trim() === '' || name !== name.trim() || name.length > 255 || hasUnseen(name))
    throw invalidApplication(
      'The application name must have 1 to 255 printable characters and neither begin nor end with a space.',
    )
  if (reserved.includes(name))
    throw Object.assign(invalidApplication(`The application name ${name} is reserved.`), {
      code: 'APP-60515',
    })
}

/** Throws unless OAuth is the only protocol asked for. */
export const checkProtocols = (protocols: Settings | undefined): void => {
  const others = Object.keys(protocols ?? {}).filter((key) => key !== 'oidc')
  if (others.length > 0)
    throw notSupported(
      `Inbound protocols other than oidc are not supported: ${others.join(', ')}.`,
      'APP-65003',
    )
}

export const applicationsPath = `${tenantPath}/api/server/v1/applications`

/** The ApplicationResponse. */
export const renderApplication = (application: ApplicationRecord, access: 'READ' | 'WRITE') => {
  const { id, name, clientId, model, oidc, disabledAt } = application
  return {
    ...model,
    id,
    name,
    ...(oidc ? { clientId } : {}),
    applicationEnabled: disabledAt === null,
    access,
    inboundProtocols: oidc
      ? [{ type: 'oauth2', name: clientId, self: `${applicationsPath}/${id}/inbound-protocols/oidc` }]
      : [],
  }
}
