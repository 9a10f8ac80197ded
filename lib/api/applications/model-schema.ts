/** The ApplicationModel as a client writes it, setting by setting; what nothing reads is kept. */
import * as z from 'zod'

const flag = z.boolean().default(false)
const text = z.string().max(2_048).optional()
const uri = z.looseObject({ uri: z.string() })

const associatedRoles = z.looseObject({
  allowedAudience: z.enum(['ORGANIZATION', 'APPLICATION']).default('ORGANIZATION'),
  roles: z.array(z.looseObject({ id: z.string().optional(), name: z.string().optional() })).default([]),
})

export const claimConfiguration = z.looseObject({
  dialect: z.enum(['LOCAL', 'CUSTOM']).default('LOCAL'),
  claimMappings: z.array(z.looseObject({ applicationClaim: z.string(), localClaim: uri })).default([]),
  requestedClaims: z.array(z.looseObject({ claim: uri, mandatory: flag })).default([]),
  subject: z
    .looseObject({
      claim: z.looseObject({ uri: z.string().optional() }).optional(),
      includeUserDomain: flag,
      includeTenantDomain: flag,
      useMappedLocalSubject: flag,
      mappedLocalSubjectMandatory: flag,
    })
    .prefault({}),
  role: z
    .looseObject({
      mappings: z.array(z.looseObject({ localRole: z.string(), applicationRole: z.string() })).default([]),
      includeUserDomain: flag,
      claim: z.looseObject({ uri: z.string().optional() }).optional(),
    })
    .prefault({}),
})

export const authenticationSequence = z.looseObject({
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
  script: z.string().optional(),
  subjectStepId: z.int().default(1),
  attributeStepId: z.int().default(1),
})

export const advancedConfigurations = z.looseObject({
  saas: flag,
  discoverableByEndUsers: flag,
  skipLoginConsent: flag,
  skipLogoutConsent: flag,
  useExternalConsentPage: flag,
  returnAuthenticatedIdpList: flag,
  enableAuthorization: flag,
  fragment: flag,
  enableAPIBasedAuthentication: flag,
  discoverableGroups: z.array(z.looseObject({})).optional(),
  certificate: z.looseObject({ type: z.string().optional(), value: z.string().optional() }).optional(),
  attestationMetaData: z
    .looseObject({
      enableClientAttestation: flag,
      androidPackageName: text,
      androidAttestationServiceCredentials: z.unknown().optional(),
      appleAppId: text,
    })
    .optional(),
  trustedAppConfiguration: z.looseObject({}).optional(),
  additionalSpProperties: z
    .array(z.looseObject({ name: z.string(), value: z.string(), displayName: z.string().optional() }))
    .optional(),
})

/** What is said of provisioning. */
export const provisioningConfigurations = z.looseObject({
  inboundProvisioning: z
    .looseObject({ proxyMode: flag, provisioningUserstoreDomain: z.string().optional() })
    .optional(),
  outboundProvisioningIdps: z.array(z.looseObject({ idp: z.string() })).default([]),
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
  provisioningConfigurations: provisioningConfigurations.optional(),
})

/** What a new application brings; its OAuth settings are another schema's. */
export const newApplicationSchema = z.looseObject({
  ...patchSchema.shape,
  name: z.string(),
  inboundProtocolConfiguration: z.looseObject({ oidc: z.unknown().optional() }).optional(),
})
