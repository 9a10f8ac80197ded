/** The OpenIDConnectConfiguration as a client writes it, setting by setting; what nothing reads is kept. */
import * as z from 'zod'
import { authenticationMethods } from '../../directory/client-abilities.ts'
import { clientSignature, mayactSchema, webUrl } from './mayact-settings.ts'

const flag = z.boolean().default(false)
const texts = z.array(z.string()).default([])

/** Zero and less mean the usual length. */
const seconds = (largest = 2_147_483_647) =>
  z
    .int()
    .max(largest)
    .optional()
    .transform((value) => (value !== undefined && value > 0 ? value : undefined))

/** VSCHAR of RFC 6749, appendix A; an empty one counts as absent. */
const credential = z
  .string()
  .regex(/^[\x20-\x7e]{0,255}$/, 'must be at most 255 printable ASCII characters')
  .optional()
  .transform((value) => value || undefined)

/** WSO2's clients send an empty text for a setting that is not made. */
const unset = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional())

/** Any of the algorithms; `settingsOf` looks whether it is the one that this server signs with. */
const serverSignature = z.string().max(32)

const encryption = z.looseObject({ enabled: flag, algorithm: unset(z.string()), method: unset(z.string()) })

const accessToken = z.looseObject({
  type: z.enum(['Default', 'JWT']).default('Default'),
  userAccessTokenExpiryInSeconds: seconds(),
  applicationAccessTokenExpiryInSeconds: seconds(),
  bindingType: z.string().optional(),
  revokeTokensWhenIDPSessionTerminated: z.boolean().optional(),
  validateTokenBinding: z.boolean().optional(),
  accessTokenAttributes: z.array(z.string()).optional(),
  enableJwtScopeAsArray: z.boolean().optional(),
})
const refreshToken = z.looseObject({
  expiryInSeconds: seconds(),
  renewRefreshToken: z.boolean().default(true),
  extendRenewedRefreshTokenExpiryTime: z.boolean().optional(),
})
const idToken = z.looseObject({
  expiryInSeconds: seconds(),
  audience: texts,
  idTokenSignedResponseAlg: unset(serverSignature),
  encryption: encryption.prefault({}),
})
const clientAuthentication = z.looseObject({
  tokenEndpointAuthMethod: unset(z.enum(authenticationMethods)),
  tokenEndpointAllowReusePvtKeyJwt: z.boolean().optional(),
  tokenEndpointAuthSigningAlg: unset(clientSignature),
  tlsClientAuthSubjectDn: unset(z.string().max(1_024)),
})
const subject = z.looseObject({
  subjectType: unset(z.enum(['public', 'pairwise'])),
  sectorIdentifierUri: unset(webUrl),
})

/** OpenID Connect Back-Channel Logout §2.2. */
const backChannel = webUrl.refine((url) => !url.includes('#'), 'has a fragment')

export const oauthSchema = z.looseObject({
  clientId: credential,
  clientSecret: credential,
  grantTypes: z.array(z.string()).min(1),
  callbackURLs: texts.describe('One; several go into `regexp=(A|B)`'),
  allowedOrigins: texts,
  publicClient: flag,
  pkce: z.looseObject({ mandatory: flag, supportPlainTransformAlgorithm: flag }).prefault({}),
  hybridFlow: z.looseObject({ enable: flag, responseType: unset(z.string()) }).prefault({}),
  accessToken: accessToken.prefault({}),
  refreshToken: refreshToken.prefault({}),
  subjectToken: z
    .looseObject({ enable: flag, applicationSubjectTokenExpiryInSeconds: seconds(2_147_483) })
    .prefault({}),
  idToken: idToken.prefault({}),
  logout: z
    .looseObject({ backChannelLogoutUrl: unset(backChannel), frontChannelLogoutUrl: unset(webUrl) })
    .prefault({}),
  validateRequestObjectSignature: flag,
  scopeValidators: texts,
  clientAuthentication: clientAuthentication.optional(),
  requestObject: z
    .looseObject({
      // unsigned ones only where somebody says so, and validateRequestObjectSignature does not say otherwise
      requestObjectSigningAlg: unset(z.union([clientSignature, z.literal('none')])),
      encryption: encryption.optional(),
    })
    .optional(),
  pushAuthorizationRequest: z.looseObject({ requirePushAuthorizationRequest: flag }).optional(),
  subject: subject.optional(),
  isFAPIApplication: z.boolean().optional(),
  mayact: mayactSchema(serverSignature).optional(),
})

export type OAuth = z.output<typeof oauthSchema>
