/** What the OpenAPI document says of the answers that applications have in common; made when it is asked for. */
import * as z from 'zod'
import type { Answer } from '../../access/operation.ts'

/** The chapter. */
export const tag = 'Applications'

/** Refusals by status, each with the codes it can have. */
export const refusals = (codes: Readonly<Record<number, string>>): Readonly<Record<number, Answer>> =>
  Object.fromEntries(Object.entries(codes).map(([status, description]) => [status, { description }]))

/** The refusal of everything that names an application. */
export const unknownApplication = { 404: 'APP-60006' } as const

export const done = (description: string): Answer => ({ description })

export const applicationAnswer = () =>
  z.looseObject({
    id: z.string(),
    name: z.string(),
    clientId: z.string().optional(),
    applicationVersion: z.string(),
    applicationEnabled: z.boolean(),
    access: z.enum(['READ', 'WRITE']),
    associatedRoles: z.looseObject({
      allowedAudience: z.enum(['APPLICATION', 'ORGANIZATION']),
      roles: z.array(z.looseObject({ id: z.string().optional(), name: z.string().optional() })),
    }),
    claimConfiguration: z.looseObject({}),
    authenticationSequence: z.looseObject({}),
    advancedConfigurations: z.looseObject({}),
    inboundProtocols: protocolsAnswer(),
  })

export const protocolsAnswer = () =>
  z.array(z.strictObject({ type: z.literal('oauth2'), name: z.string(), self: z.string() }))

export const listAnswer = () =>
  z.strictObject({
    totalResults: z.int(),
    startIndex: z.int(),
    count: z.int(),
    applications: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        description: z.string().optional(),
        image: z.string().optional(),
        accessUrl: z.string().optional(),
        applicationVersion: z.string(),
        access: z.enum(['READ', 'WRITE']),
        self: z.string(),
        clientId: z.string().optional(),
        applicationEnabled: z.boolean().optional(),
        templateId: z.string().optional(),
        templateVersion: z.string().optional(),
        advancedConfigurations: z.looseObject({}).optional(),
        associatedRoles: z
          .strictObject({ allowedAudience: z.enum(['APPLICATION', 'ORGANIZATION']) })
          .optional(),
      }),
    ),
    links: z.array(z.strictObject({ href: z.string(), rel: z.enum(['next', 'previous']) })),
  })

export const oidcAnswer = () =>
  z.looseObject({
    clientId: z.string(),
    clientSecret: z
      .string()
      .optional()
      .describe('Only for who holds what the application can do; see docs/applications.md.'),
    state: z.enum(['ACTIVE', 'REVOKED']),
    grantTypes: z.array(z.string()).min(1),
    callbackURLs: z.array(z.string()).max(1),
    publicClient: z.boolean(),
    accessToken: z.looseObject({}),
    refreshToken: z.looseObject({}),
    subjectToken: z.looseObject({ enable: z.boolean() }),
    idToken: z.looseObject({}),
  })

export const provisioningAnswer = () =>
  z.strictObject({
    provisioningConfigurations: z.looseObject({
      outboundProvisioningIdps: z.array(z.looseObject({ idp: z.string() })),
    }),
  })

export const metaAnswer = () => {
  const options = z.strictObject({ options: z.array(z.string()) })
  return z.looseObject({
    allowedGrantTypes: z.strictObject({
      options: z.array(
        z.strictObject({ name: z.string(), displayName: z.string(), publicClientAllowed: z.boolean() }),
      ),
    }),
    defaultUserAccessTokenExpiryTime: z.string(),
    defaultApplicationAccessTokenExpiryTime: z.string(),
    defaultRefreshTokenExpiryTime: z.string(),
    defaultIdTokenExpiryTime: z.string(),
    idTokenEncryptionAlgorithm: options,
    idTokenEncryptionMethod: options,
    scopeValidators: options,
    accessTokenType: options,
    accessTokenBindingType: options,
  })
}
