/** What this service provider can do (RFC 7644 §4): for anybody, and its schemas for whoever is signed in. */
import { type Context, Hono } from 'hono'
import { open } from '../access/guard.ts'
import { bodyLimit } from '../bounded-body.ts'
import { mostOperations } from './bulk-body.ts'
import { ScimError } from './error.ts'
import { largestCount } from './list.ts'
import { answer, requireMediaTypes } from './media.ts'
import * as operations from './resource-operations.ts'
import type { Route } from './route.ts'
import { resourceTypes, schemaResources } from './schemas.ts'

type Resource = Readonly<Record<string, unknown>>

const serviceProviderConfig = (baseUrl: string, maxPayloadSize: number): Resource => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  documentationUri: `${baseUrl}/api/docs`,
  patch: { supported: true },
  bulk: { supported: true, maxOperations: mostOperations, maxPayloadSize },
  filter: { supported: true, maxResults: largestCount },
  changePassword: { supported: true },
  sort: { supported: true },
  etag: { supported: true },
  // RFC 9865 §4
  pagination: {
    cursor: true,
    index: true,
    defaultPaginationMethod: 'index',
    defaultPageSize: 100,
    maxPageSize: largestCount,
  },
  authenticationSchemes: [
    {
      name: 'OAuth Bearer Token',
      description: 'Authentication scheme using the OAuth Bearer Token Standard',
      specUri: 'https://www.rfc-editor.org/info/rfc6750',
      type: 'oauthbearertoken',
      primary: true,
    },
    {
      name: 'HTTP Basic',
      description: 'Authentication scheme using the HTTP Basic Standard',
      specUri: 'https://www.rfc-editor.org/info/rfc7617',
      type: 'httpbasic',
      primary: false,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${baseUrl}/scim2/ServiceProviderConfig` },
})

const listOf = (resources: readonly Resource[]): Resource => ({
  totalResults: resources.length,
  startIndex: 1,
  itemsPerPage: resources.length,
  schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
  Resources: resources,
})

/** RFC 7644 §4: a filter would show less than there is, so it is refused. */
const refuseFilter = (c: Context) => {
  if (c.req.query('filter') !== undefined) throw new ScimError(403, 'What is discovered cannot be filtered.')
}

const one = (c: Context, resources: readonly Resource[]): Response => {
  const id = c.req.param('id')?.toLowerCase()
  const found = resources.find((resource) => String(resource.id).toLowerCase() === id)
  if (!found) throw new ScimError(404, 'Specified resource (e.g., User) or endpoint does not exist.')
  return answer(c, 200, found)
}

export const serviceProvider = (baseUrl: string) =>
  new Hono().get(
    '/',
    open(async (c: Context) => {
      requireMediaTypes(c)
      refuseFilter(c)
      return answer(c, 200, serviceProviderConfig(baseUrl, bodyLimit(c.req.raw)))
    }, operations.getServiceProviderConfig),
  )

export const types = (baseUrl: string) =>
  new Hono()
    .get(
      '/',
      open(async (c: Context) => {
        requireMediaTypes(c)
        refuseFilter(c)
        return answer(c, 200, listOf(resourceTypes(baseUrl)))
      }, operations.listResourceTypes),
    )
    .get(
      '/:id',
      open(async (c: Context) => {
        requireMediaTypes(c)
        return one(c, resourceTypes(baseUrl))
      }, operations.getResourceType),
    )

export const schemas = (baseUrl: string, route: Route) =>
  new Hono()
    .get(
      '/',
      route({ permission: undefined, actor: false, describe: operations.listSchemas }, async (_, c) => {
        refuseFilter(c)
        return answer(c, 200, listOf(schemaResources(baseUrl)))
      }),
    )
    .get(
      '/:id',
      route({ permission: undefined, actor: false, describe: operations.getSchema }, async (_, c) =>
        one(c, schemaResources(baseUrl)),
      ),
    )
