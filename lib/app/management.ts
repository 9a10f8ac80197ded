/**
 * The management APIs and their document: SCIM, REST, OpenAPI. Most of our schemas are theirs, and making those takes
 * longer than all else of a start, so these doors are loaded when somebody first knocks, or soon after the start.
 */
import { type Context, Hono } from 'hono'
import { findTargetHandler } from 'hono/utils/handler'
import { version } from '../../package.json'
import { type GuardNeeds, open } from '../access/guard.ts'
import { type ApiNeeds, api } from '../api/api.ts'
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
import { letterheadOf, messageDomain } from '../email/address.ts'
import type { Vault } from '../keys/secrets.ts'
import { documented, openApiDocument, readable } from '../openapi.ts'
import { apiDocsPage } from '../pages/api-docs.tsx'
import { scim } from '../scim/scim.ts'

export interface ManagementNeeds {
  readonly config: Config
  readonly db: Db
  readonly vault: Vault
  readonly guard: GuardNeeds
  readonly organization: { readonly id: string; readonly name: string }
  readonly grantTypes: readonly { readonly type: string }[]
  /** Which methods a path of this server has. */
  allowedAt(path: string): readonly string[]
  /** All routes of the server, these among them. */
  routes(): Hono['routes']
}

const once = <Value>(make: () => Value): (() => Value) => {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

const apiNeeds = ({ config, vault, grantTypes }: ManagementNeeds) =>
  ({
    vault,
    largestFile: config.configurationStore.largestFile,
    mostApplications: config.applications.most,
    sessionIdleSeconds: config.session.idleSeconds,
    optOut: config.impersonation.allowOptOut,
    outbound: config.oauth.outbound,
    mail: {
      letterhead: letterheadOf(config.email, config.server.hostname),
      domain: messageDomain(config.email?.fromAddress, config.server.hostname),
    },
    oauthRules: {
      lifetimes: config.oauth.tokenValidation,
      furtherGrantTypes: grantTypes.map(({ type }) => type),
      allowRegexpCallbacks: config.impersonation.allowRegexpCallbacks,
      signingAlgorithms: config.oauth.signingAlgorithms,
    },
    registration: config.oauth.registration.enabled
      ? {
          ...config.oauth.registration,
          outbound: config.oauth.outbound,
          clientCertificates: config.oauth.clientCertificateHeader !== undefined,
        }
      : undefined,
  }) satisfies Partial<ApiNeeds>

/** Their routes, at the paths that they have in the server. */
export const management = (needs: ManagementNeeds): Hono => {
  const { config, db, guard, organization, allowedAt } = needs
  const { baseUrl } = config.server
  const doors = { db, guard, organization, baseUrl, allowedAt }
  /** The routes with the handlers they were made with, which a door's error handler is wrapped around. */
  const routes = () =>
    needs.routes().map((route) => ({ ...route, handler: findTargetHandler(route.handler) }))
  const describeApis = once(() => openApiDocument({ routes: routes(), baseUrl, version }))
  return new Hono()
    .get(
      '/api/openapi.json',
      open(async (c: Context) => c.json(describeApis(), 200, { 'Cache-Control': 'no-cache' })),
    )
    .get(
      '/api/docs',
      open(async () => apiDocsPage(readable(documented(routes())), 'openapi.json')),
    )
    .route('/scim2', scim({ ...doors, passwordPolicy: config.passwordPolicy }))
    .route('/api', api({ ...doors, ...apiNeeds(needs) }))
}
