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
import { isKnown } from '../entity-tag.ts'
import type { Vault } from '../keys/secrets.ts'
import { readable } from '../openapi/operation.ts'
import { inParts, once } from '../openapi/parts.ts'
import { documented, openApiDocument } from '../openapi.ts'
import { apiDocsEntry, apiDocsPage } from '../pages/api-docs.tsx'
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
  const operations = () => documented(routes())
  const document = once(async () => {
    const text = await openApiDocument({ operations: await operations(), baseUrl, version })
    const bytes = new TextEncoder().encode(text)
    return { bytes, tag: `"${new Bun.CryptoHasher('sha256').update(bytes).digest('base64url')}"` }
  })
  const entries = once(async () => inParts(await operations(), (one) => apiDocsEntry(readable(one))))
  return new Hono()
    .get(
      '/api/openapi.json',
      open(async (c: Context) => {
        const { bytes, tag } = await document()
        const headers = { ETag: tag, 'Cache-Control': 'no-cache' }
        if (isKnown(c.req.header('if-none-match'), tag)) return c.body(null, 304, headers)
        return c.body(bytes, 200, { ...headers, 'Content-Type': 'application/json' })
      }),
    )
    .get(
      '/api/docs',
      open(async () => apiDocsPage(await entries(), 'openapi.json')),
    )
    .route('/scim2', scim({ ...doors, passwordPolicy: config.passwordPolicy }))
    .route('/api', api({ ...doors, ...apiNeeds(needs) }))
}
