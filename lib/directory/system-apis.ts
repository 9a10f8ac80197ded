/**
 * The built-in API resources: our own APIs, whose scopes are the permissions of their routes. The permission to
 * impersonate is not among them: it exists when deployment.toml defines it.
 */
import type { ApiResourceDefinition } from './api-resources.ts'

type Verbs = readonly string[]

const crud: Verbs = ['view', 'create', 'update', 'delete']

const titled = (words: string) => words.replace(/\b[a-z]/g, (letter) => letter.toUpperCase())

/** `internal_user_mgt_view` is shown as `User Mgt View`. */
const displayName = (scope: string) => titled(scope.replace(/^internal_/, '').replaceAll('_', ' '))

const api = (
  type: 'TENANT' | 'ORGANIZATION',
  identifier: string,
  name: string,
  scopes: readonly string[],
): ApiResourceDefinition => ({
  identifier,
  name,
  type,
  description: `API representation of the ${name}`,
  requiresAuthorization: true,
  scopes: scopes.map((scope) => ({
    name: scope,
    displayName: displayName(scope),
    description: `Allows ${displayName(scope).toLowerCase()}`,
  })),
})

const tenant = (identifier: string, name: string, prefix: string, verbs: Verbs) =>
  api(
    'TENANT',
    identifier,
    name,
    verbs.map((verb) => `internal_${prefix}_${verb}`),
  )

const organization = (identifier: string, name: string, prefix: string, verbs: Verbs) =>
  api(
    'ORGANIZATION',
    identifier,
    name,
    verbs.map((verb) => `internal_org_${prefix}_${verb}`),
  )

/** In the order in which they are stored; a scope belongs to the first that names it. */
export const systemApis: readonly ApiResourceDefinition[] = [
  tenant('/scim2/Users', 'SCIM2 Users API', 'user_mgt', ['view', 'list', 'create', 'update', 'delete']),
  tenant('/scim2/Groups', 'SCIM2 Groups API', 'group_mgt', crud),
  tenant('/scim2/Roles', 'SCIM2 Roles API', 'role_mgt', crud),
  tenant('/scim2/Bulk', 'SCIM2 Bulk API', 'bulk_resource', ['create']),
  tenant('/api/server/v1/applications', 'Application Management API', 'application', [
    ...crud.map((verb) => `mgt_${verb}`),
    'mgt_client_secret_view',
    'mgt_client_secret_create',
    'mgt_client_secret_delete',
    'internal_api_update',
    'business_api_update',
    'script_update',
  ]),
  tenant('/api/server/v1/applications/share', 'Application Sharing API', 'shared_application', [
    'view',
    'create',
    'delete',
  ]),
  tenant('/api/server/v1/api-resources', 'API Resource Management API', 'api_resource', crud),
  tenant('/api/server/v1/oidc/scopes', 'OIDC Scope Management API', 'oidc_scope_mgt', crud),
  tenant('/api/server/v1/configs', 'Server Configuration API', 'config', ['view', 'update', 'delete']),
  tenant('/api/identity/config-mgt/v1.0', 'Configuration Management API', 'config_mgt', [
    'list',
    'view',
    'add',
    'update',
    'delete',
  ]),
  tenant('/api/server/v1/organizations', 'Organization Management API', 'organization', [...crud, 'admin']),
  tenant('/api/server/v1/users', 'User Sharing API', 'user', ['share', 'unshare', 'shared_access_view']),
  organization('/o/scim2/Users', 'Organization SCIM2 Users API', 'user_mgt', [
    'view',
    'list',
    'create',
    'update',
    'delete',
  ]),
  organization('/o/scim2/Groups', 'Organization SCIM2 Groups API', 'group_mgt', crud),
  organization('/o/scim2/Roles', 'Organization SCIM2 Roles API', 'role_mgt', crud),
  organization(
    '/o/api/server/v1/applications',
    'Organization Application Management API',
    'application_mgt',
    crud,
  ),
  organization(
    '/o/api/server/v1/organizations',
    'Organization Organization Management API',
    'organization',
    crud,
  ),
  organization('/o/api/server/v1/users', 'Organization User Sharing API', 'user', [
    'share',
    'unshare',
    'shared_access_view',
  ]),
  organization('/o/api/server/v1/guests/invitation', 'Guest Invitation API', 'guest_mgt_invite', [
    'add',
    'list',
    'delete',
  ]),
  tenant('/api/server/v(.*)/email/template-types', 'Email Templates API', 'email_mgt', crud),
  tenant('/api/server/v1/notification', 'Notification Templates API', 'template_mgt', crud),
  tenant('/api/server/v(.*)/notification-senders', 'Notification Senders API', 'notification_senders', crud),
  tenant('/api/server/v1/notification/outbox', 'Notification Outbox API', 'notification_outbox', [
    'view',
    'update',
  ]),
  tenant('/api/server/v1/webhooks', 'Webhook Management API', 'webhook', crud),
  tenant('/api/users/v1/(.*)sessions', 'Session Management API', 'session', ['view', 'delete']),
  tenant('/api/users/v(.*)authorized-apps', 'Authorized Applications API', 'user_authorizedapp', [
    'view',
    'delete',
  ]),
  tenant('/api/server/v1/audit', 'Audit API', 'audit', ['view']),
  tenant('/api/server/v1/impersonations', 'Impersonation Management API', 'impersonation', ['view', 'end']),
  tenant('/oauth2/introspect', 'Token Introspection API', 'oauth2', ['introspect']),
  tenant('/api/identity/oauth2/dcr/v1.1/register', 'Dynamic Client Registration API', 'dcr', crud),
]
