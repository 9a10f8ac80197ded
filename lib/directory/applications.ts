/** Applications as OAuth sees them, loaded whole once for each revision. */
import * as z from 'zod'
import type { Db } from '../database/connect.ts'
import { fact } from './facts.ts'

const seconds = (fallback: number) =>
  z
    .int()
    .nullish()
    .transform((value) => (value && value > 0 ? value : fallback))
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false)

const text = z
  .string()
  .nullish()
  .transform((value) => value || undefined)

/** What is read of the stored OpenIDConnectConfiguration; the rest of it is only kept and echoed. */
const oidcSettings = z.object({
  grantTypes: z.array(z.string()).default([]),
  callbackURLs: z.array(z.string()).default([]),
  publicClient: flag,
  pkce: z.object({ mandatory: flag, supportPlainTransformAlgorithm: flag }).prefault({}),
  accessToken: z
    .object({
      type: z.string().nullish(),
      userAccessTokenExpiryInSeconds: seconds(0),
      applicationAccessTokenExpiryInSeconds: seconds(0),
    })
    .prefault({}),
  refreshToken: z
    .object({
      expiryInSeconds: seconds(0),
      renewRefreshToken: z
        .boolean()
        .nullish()
        .transform((value) => value ?? true),
      extendRenewedRefreshTokenExpiryTime: flag,
    })
    .prefault({}),
  idToken: z
    .object({
      expiryInSeconds: seconds(0),
      audience: z.array(z.string()).default([]),
      idTokenSignedResponseAlg: text,
    })
    .prefault({}),
  allowedOrigins: z.array(z.string()).default([]),
  hybridFlow: z.object({ enable: flag, responseType: text }).prefault({}),
  clientAuthentication: z
    .object({
      tokenEndpointAuthMethod: text,
      tokenEndpointAuthSigningAlg: text,
      tokenEndpointAllowReusePvtKeyJwt: flag,
      tlsClientAuthSubjectDn: text,
    })
    .prefault({}),
  requestObject: z.object({ requestObjectSigningAlg: text }).prefault({}),
  validateRequestObjectSignature: flag,
  pushAuthorizationRequest: z.object({ requirePushAuthorizationRequest: flag }).prefault({}),
  subject: z
    .object({ subjectType: z.enum(['public', 'pairwise']).nullish(), sectorIdentifierUri: text })
    .prefault({}),
  logout: z.object({ backChannelLogoutUrl: text, frontChannelLogoutUrl: text }).prefault({}),
  // what OpenID Connect Registration has and WSO2's model has not, under its registered names
  mayact: z
    .object({
      redirectUris: z.array(z.string()).default([]),
      responseTypes: z.array(z.string()).nullish(),
      postLogoutRedirectUris: z.array(z.string()).default([]),
      backChannelLogoutSessionRequired: flag,
      frontChannelLogoutSessionRequired: flag,
      userinfoSignedResponseAlg: text,
      introspectionSignedResponseAlg: text,
      authorizationSignedResponseAlg: text,
      dpopBoundAccessTokens: flag,
      tlsClientCertificateBoundAccessTokens: flag,
      requireSignedRequestObject: flag,
      requestUris: z.array(z.string()).default([]),
      requestedSubjectByParOnly: flag,
      requireImpersonationReason: flag,
      requireImpersonationTicket: flag,
      defaultMaxAge: z.int().min(0).nullish(),
      requireAuthTime: flag,
      defaultAcrValues: z.array(z.string()).default([]),
      initiateLoginUri: text,
      jwks: z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })) }).nullish(),
      jwksUri: text,
      scope: text,
      contacts: z.array(z.string()).default([]),
      applicationType: z.enum(['web', 'native']).nullish(),
      logoUri: text,
      policyUri: text,
      tosUri: text,
      impersonationMaxDuration: seconds(0),
    })
    .prefault({}),
  subjectToken: z.object({ enable: flag, applicationSubjectTokenExpiryInSeconds: seconds(180) }).prefault({}),
})

/** What is read of the stored ApplicationModel. */
const modelSettings = z.object({
  associatedRoles: z
    .object({ allowedAudience: z.enum(['APPLICATION', 'ORGANIZATION']).default('ORGANIZATION') })
    .optional(),
  logoutReturnUrl: text,
  claimConfiguration: z
    .object({ subject: z.object({ claim: z.object({ uri: text }).prefault({}) }).prefault({}) })
    .prefault({}),
  advancedConfigurations: z
    .object({
      skipLoginConsent: flag,
      skipLogoutConsent: flag,
      certificate: z.object({ type: text, value: text }).nullish(),
    })
    .prefault({}),
})

/** `RBAC`: granted to whom a role gives it. `NO POLICY`: granted to every user of the application. */
export type Policy = 'RBAC' | 'NO POLICY'

export interface Application {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly clientId: string
  /** Sealed; open it with the application's id as context. */
  readonly sealedSecret: string
  readonly active: boolean
  readonly allowedAudience: 'APPLICATION' | 'ORGANIZATION'
  readonly skipLoginConsent: boolean
  readonly skipLogoutConsent: boolean
  readonly oidc: z.output<typeof oidcSettings>
  /** Where a browser may return to after a logout, as the ApplicationModel has it. */
  readonly logoutReturnUrl: string | undefined
  /** The local claim whose value is the `sub`; undefined for the account's id. */
  readonly subjectClaimUri: string | undefined
  /** The client's keys as the ApplicationModel has them: a JWKS URL or a PEM certificate. */
  readonly certificate:
    | { readonly type?: string | undefined; readonly value?: string | undefined }
    | undefined
  /** It registered itself (RFC 7591). */
  readonly dynamic: boolean
  /** Scopes of API resources that the application is authorized for. */
  readonly scopes: ReadonlyMap<string, Policy>
  /** The identifiers of those API resources: what `resource` may name (RFC 8707). */
  readonly resources: ReadonlySet<string>
}

export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

const load = async (db: Db, clientId: string): Promise<Application | undefined> => {
  const row = await db
    .selectFrom('application')
    .selectAll()
    .where('client_id', '=', clientId)
    .executeTakeFirst()
  if (!row) return undefined
  const scopes = await db
    .selectFrom('application_scope')
    .innerJoin('scope', 'scope.name', 'application_scope.scope_name')
    .innerJoin('application_api', (join) =>
      join
        .onRef('application_api.application_id', '=', 'application_scope.application_id')
        .onRef('application_api.api_resource_id', '=', 'scope.api_resource_id'),
    )
    .select(['scope.name', 'application_api.policy'])
    .where('application_scope.application_id', '=', row.id)
    .execute()
  const resources = await db
    .selectFrom('application_api')
    .innerJoin('api_resource', 'api_resource.id', 'application_api.api_resource_id')
    .select('identifier')
    .where('application_id', '=', row.id)
    .execute()
  const model = modelSettings.parse(JSON.parse(row.model))
  return {
    id: row.id,
    organizationId: row.organization_id,
    name: row.name,
    clientId: row.client_id,
    sealedSecret: row.client_secret,
    active: row.disabled_at === null && row.revoked_at === null,
    allowedAudience: model.associatedRoles?.allowedAudience ?? 'APPLICATION',
    skipLoginConsent: model.advancedConfigurations.skipLoginConsent,
    skipLogoutConsent: model.advancedConfigurations.skipLogoutConsent,
    oidc: oidcSettings.parse(JSON.parse(row.oidc)),
    logoutReturnUrl: model.logoutReturnUrl,
    subjectClaimUri: model.claimConfiguration.subject.claim.uri,
    certificate: model.advancedConfigurations.certificate ?? undefined,
    dynamic: row.registration_hash !== null,
    scopes: new Map(scopes.map(({ name, policy }) => [name, policy === 'NO POLICY' ? policy : 'RBAC'])),
    resources: new Set(resources.map(({ identifier }) => identifier)),
  }
}

/** The application of a client id, as of revision `n`. */
export const findClient = (db: Db, n: number, clientId: string): Promise<Application | undefined> =>
  fact(db, n, `client ${clientId}`, () => load(db, clientId))

/** Whether an application may ask for subject tokens and exchange them. */
export const mayImpersonate = (application: Application): boolean =>
  application.active &&
  application.oidc.grantTypes.includes(tokenExchangeGrant) &&
  application.oidc.subjectToken.enable
