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
  idToken: z.object({ expiryInSeconds: seconds(0), audience: z.array(z.string()).default([]) }).prefault({}),
  subjectToken: z.object({ enable: flag, applicationSubjectTokenExpiryInSeconds: seconds(180) }).prefault({}),
})

/** What is read of the stored ApplicationModel. */
const modelSettings = z.object({
  associatedRoles: z
    .object({ allowedAudience: z.enum(['APPLICATION', 'ORGANIZATION']).default('ORGANIZATION') })
    .optional(),
  advancedConfigurations: z.object({ skipLoginConsent: flag, skipLogoutConsent: flag }).prefault({}),
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
  /** Scopes of API resources that the application is authorized for. */
  readonly scopes: ReadonlyMap<string, Policy>
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
    scopes: new Map(scopes.map(({ name, policy }) => [name, policy === 'NO POLICY' ? policy : 'RBAC'])),
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
