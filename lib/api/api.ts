import { type Context, Hono } from 'hono'
import type { GuardNeeds } from '../access/guard.ts'
import type { Db } from '../database/connect.ts'
import type { Letterhead } from '../email/template.ts'
import type { Vault } from '../keys/secrets.ts'
import type { OutboundRules } from '../outbound.ts'
import { allScopes } from './api-resources/all-scopes.ts'
import { apiResources } from './api-resources/api-resources.ts'
import { apiResourceCollections } from './api-resources/collections.ts'
import { allDetailsTypes } from './api-resources/details-types.ts'
import { applications } from './applications/applications.ts'
import type { OAuthRules } from './applications/oauth-settings.ts'
import { audit } from './audit/audit.ts'
import { configMgt } from './config-mgt/config-mgt.ts'
import { configs } from './configs.ts'
import { registration } from './dcr/dcr.ts'
import { registerPath } from './dcr/registered.ts'
import type { RegistrationRules } from './dcr/request.ts'
import { notificationTemplates } from './email/notification.ts'
import { emailV1 } from './email/v1.ts'
import { emailV2 } from './email/v2.ts'
import { gate } from './gate.ts'
import { impersonations } from './impersonations/impersonations.ts'
import { oidcScopes } from './oidc-scopes.ts'
import { outbox } from './outbox/outbox.ts'
import { Problem, render, unexpected, wrongMethod } from './problem.ts'
import { notificationSenders } from './senders/senders.ts'
import { users } from './users/users.ts'
import { webhooks } from './webhooks/webhooks.ts'

export interface ApiNeeds {
  readonly db: Db
  readonly guard: GuardNeeds
  readonly vault: Vault
  readonly organization: { readonly id: string; readonly name: string }
  /** Absolute, without a trailing slash; `Location` starts with it. */
  readonly baseUrl: string
  /** Which methods a path of this server has. */
  allowedAt(path: string): readonly string[]
  /** What the deployment says about the OAuth settings of every application. */
  readonly oauthRules: OAuthRules
  /** How many applications there can be. */
  readonly mostApplications: number
  /** The largest file of the configuration store, in bytes. */
  readonly largestFile: number
  /** Where webhooks may be. */
  readonly outbound: OutboundRules
  /** Whether users may say that nobody acts for them. */
  readonly optOut: boolean
  /** How long a browser session may idle, in seconds. */
  readonly sessionIdleSeconds: number
  /** In whose name mail is sent, and what comes after the @ of Message-IDs. */
  readonly mail: { readonly letterhead: Letterhead; readonly domain: string }
  /** Undefined when clients cannot register. */
  readonly registration?: RegistrationRules | undefined
}

/** The management REST APIs, mounted at /api. */
export const api = (needs: ApiNeeds) => {
  const guarded = gate(needs)
  return new Hono()
    .route('/identity/config-mgt/v1.0', configMgt(needs))
    .route('/server/v1/configs', configs(needs))
    .route('/server/v1/api-resources', apiResources(needs))
    .route('/server/v1/scopes', allScopes(needs))
    .route('/server/v1/authorization-details-types', allDetailsTypes(needs))
    .route('/server/v1/meta/api-resource-collections', apiResourceCollections(needs))
    .route('/server/v1/applications', applications(needs))
    .route('/server/v1/impersonations', impersonations(needs))
    .route('/server/v1/audit', audit(needs))
    .route('/server/v1/oidc/scopes', oidcScopes(needs))
    .route('/server/v1/webhooks', webhooks(needs))
    .route('/server/v1/email/template-types', emailV1(needs))
    .route('/server/v2/email/template-types', emailV2(needs))
    .route('/server/v1/notification/outbox', outbox(needs))
    .route('/server/v1/notification-senders', notificationSenders(needs, 'v1'))
    .route('/server/v2/notification-senders', notificationSenders(needs, 'v2'))
    .route('/server/v1/notification', notificationTemplates(needs))
    .route('/users', users(needs))
    .route(registerPath, needs.registration ? registration(needs, needs.registration) : new Hono())
    .all(
      '*',
      // an unknown path tells nothing to who is not signed in
      guarded(undefined, async (_, c: Context) => {
        const allowed = needs.allowedAt(c.req.path)
        if (allowed.length > 0) return wrongMethod(c, allowed, needs.guard.traceOf(c.req.raw).id)
        throw new Problem({
          status: 404,
          code: '404',
          message: 'Not Found',
          description: 'There is nothing at this path.',
        })
      }),
    )
    .onError((error, c) => {
      const trace = needs.guard.traceOf(c.req.raw)
      if (error instanceof Problem) return render(c, error, trace.id)
      needs.guard.log('unexpected error', { err: error, traceId: trace.id, path: c.req.path })
      return render(c, unexpected(error), trace.id)
    })
}
