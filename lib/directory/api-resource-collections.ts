/**
 * Collections: the built-in APIs by what they are about, with the scopes that look and those that change. Whoever makes
 * a role picks from them (WSO2's console does); nothing is decided by them.
 */
import type { Db } from '../database/connect.ts'
import type { ApiResource, Scope } from './api-resources.ts'

export interface Collection {
  readonly id: string
  readonly name: string
  readonly displayName: string
  readonly type: 'tenant' | 'organization'
  /** Identifiers of its API resources. */
  readonly apis: readonly string[]
}

const collection = (
  type: Collection['type'],
  name: string,
  displayName: string,
  ...apis: readonly string[]
): Collection => ({ id: Buffer.from(name).toString('base64url'), name, displayName, type, apis })

export const collections: readonly Collection[] = [
  collection('tenant', 'users', 'Users', '/scim2/Users', '/scim2/Bulk'),
  collection('tenant', 'groups', 'Groups', '/scim2/Groups'),
  collection('tenant', 'roles', 'Roles', '/scim2/Roles'),
  collection(
    'tenant',
    'applications',
    'Applications',
    '/api/server/v1/applications',
    '/api/server/v1/applications/share',
    '/api/identity/oauth2/dcr/v1.1/register',
  ),
  collection('tenant', 'apiResources', 'API Resources', '/api/server/v1/api-resources'),
  collection('tenant', 'oidcScopes', 'OpenID Connect Scopes', '/api/server/v1/oidc/scopes'),
  collection(
    'tenant',
    'configurations',
    'Configurations',
    '/api/server/v1/configs',
    '/api/identity/config-mgt/v1.0',
  ),
  collection(
    'tenant',
    'organizations',
    'Organizations',
    '/api/server/v1/organizations',
    '/api/server/v1/users',
  ),
  collection(
    'tenant',
    'notifications',
    'Notifications',
    '/api/server/v(.*)/email/template-types',
    '/api/server/v1/notification',
    '/api/server/v1/notification/outbox',
    '/api/server/v(.*)/notification-senders',
  ),
  collection(
    'tenant',
    'sessions',
    'Sessions',
    '/api/users/v1/(.*)sessions',
    '/api/users/v(.*)authorized-apps',
  ),
  collection('tenant', 'tokens', 'Tokens', '/oauth2/introspect'),
  collection(
    'tenant',
    'impersonation',
    'Impersonation',
    'system:impersonation',
    '/api/server/v1/impersonations',
  ),
  collection('tenant', 'audit', 'Audit', '/api/server/v1/audit'),
  collection('tenant', 'webhooks', 'Webhooks', '/api/server/v1/webhooks'),
  collection('organization', 'org_users', 'Users', '/o/scim2/Users', '/o/api/server/v1/guests/invitation'),
  collection('organization', 'org_groups', 'Groups', '/o/scim2/Groups'),
  collection('organization', 'org_roles', 'Roles', '/o/scim2/Roles'),
  collection('organization', 'org_applications', 'Applications', '/o/api/server/v1/applications'),
  collection(
    'organization',
    'org_organizations',
    'Organizations',
    '/o/api/server/v1/organizations',
    '/o/api/server/v1/users',
  ),
  collection('organization', 'org_impersonation', 'Impersonation', 'org:impersonation'),
]

export interface CollectedApi extends Omit<ApiResource, 'requiresAuthorization' | 'edition'> {
  readonly scopes: readonly Scope[]
}

export interface CollectedApis {
  readonly read: readonly CollectedApi[]
  readonly write: readonly CollectedApi[]
}

const looks = (name: string): boolean => /_(?:view|list|introspect)$/.test(name)

/** The API resources of these collections that are there, by the collection's id. */
export const collectedApis = async (
  db: Db,
  wanted: readonly Collection[],
): Promise<ReadonlyMap<string, CollectedApis>> => {
  const identifiers = wanted.flatMap(({ apis }) => apis)
  if (identifiers.length === 0) return new Map()
  const rows = await db
    .selectFrom('api_resource')
    .innerJoin('scope', 'scope.api_resource_id', 'api_resource.id')
    .select(['api_resource.id', 'identifier', 'api_resource.name', 'api_resource.description', 'type'])
    .select(['scope.id as scopeId', 'scope.name as scope', 'display_name', 'scope.description as about'])
    .where('identifier', 'in', identifiers)
    .orderBy('scope.name')
    .execute()
  const byApi = Map.groupBy(rows, ({ identifier }) => identifier)
  const collected = (identifier: string, ofReading: boolean): readonly CollectedApi[] => {
    const all = byApi.get(identifier) ?? []
    const scopes = all
      .filter(({ scope }) => looks(scope) === ofReading)
      .map(({ scopeId: id, scope: name, display_name: displayName, about: description }) => ({
        id,
        name,
        displayName,
        description,
      }))
    const [api] = all
    if (!api || scopes.length === 0) return []
    const { id, name, description, type } = api
    return [{ id, identifier, name, description, type, scopes }]
  }
  return new Map(
    wanted.map(({ id, apis }) => [
      id,
      {
        read: apis.flatMap((identifier) => collected(identifier, true)),
        write: apis.flatMap((identifier) => collected(identifier, false)),
      },
    ]),
  )
}
