/** API resources, mounted at /api/server/v1/api-resources. */
import { Hono } from 'hono'
import {
  createApiResource,
  deleteApiResource,
  findOwnApiResource,
  updateApiResource,
} from '../../directory/api-resource-changes.ts'
import { findApiResource, listApiResources, scopesOf } from '../../directory/api-resources.ts'
import { entityTag } from '../../entity-tag.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { detailsTypesOf } from './details-types.ts'
import { readQuery, shownPage } from './list.ts'
import {
  apiResourcesPath,
  creation,
  edit,
  required,
  selfOf,
  toScopes,
  wantNoDetailsTypes,
  whole,
} from './model.ts'
import { operations } from './operations.ts'
import { notFound, refusedBy, removedScopesRefused, systemApi } from './problem.ts'
import { scopesOfOne } from './scopes.ts'

export const apiResources = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/',
      guarded(
        'internal_api_resource_view',
        async (_, c) => {
          const parameters = new URL(c.req.url).searchParams
          const query = readQuery(parameters)
          const list = await listApiResources(db, query.filter, query.page)
          return c.json(shownPage(`${baseUrl}${apiResourcesPath}`, parameters, query, list))
        },
        operations.list,
      ),
    )
    .post(
      '/',
      guarded(
        'internal_api_resource_create',
        async (caller, c) => {
          const written = await readBody(c, creation)
          wantNoDetailsTypes(written.authorizationDetailsTypes)
          const made = await createApiResource(db, caller, new Date(), {
            name: required(written.name, '60003', 'API resource name'),
            identifier: required(written.identifier, '60004', 'API resource identifier'),
            description: written.description ?? null,
            requiresAuthorization: written.requiresAuthorization ?? true,
            type: written.resourceType ?? 'BUSINESS',
            scopes: toScopes(written.scopes),
          })
          if ('refused' in made) throw refusedBy(made, written.identifier)
          c.header('ETag', entityTag(made.edition))
          const location = `${baseUrl}${selfOf(made.id)}`
          return c.json(await whole(db, made, await scopesOf(db, made.id)), 201, { Location: location })
        },
        operations.create,
      ),
    )
    .get(
      '/:id',
      guarded(
        'internal_api_resource_view',
        async (_, c) => {
          const id = parameter(c, 'id')
          const resource = await findApiResource(db, id)
          if (!resource) throw notFound(id)
          // never 304: who is subscribed changes without a new edition
          c.header('ETag', entityTag(resource.edition))
          return c.json(await whole(db, resource, await scopesOf(db, id)))
        },
        operations.read,
      ),
    )
    .patch(
      '/:id',
      guarded(
        'internal_api_resource_update',
        async (caller, c) => {
          const written = await readBody(c, edit)
          const id = parameter(c, 'id')
          const resource = await findOwnApiResource(db, id)
          if ('refused' in resource) throw resource.refused === 'system' ? systemApi() : notFound(id)
          requireCurrent(c, entityTag(resource.edition))
          if (written.removedScopes) throw removedScopesRefused()
          wantNoDetailsTypes(written.addedAuthorizationDetailsTypes)
          const refused = await updateApiResource(db, caller, new Date(), resource, {
            name:
              written.name === null || written.name === undefined
                ? undefined
                : required(written.name, '60003', 'API resource name'),
            description: written.description ?? undefined,
            addedScopes: toScopes(written.addedScopes),
          })
          if (refused) throw refusedBy(refused)
          return c.body(null, 204)
        },
        operations.update,
      ),
    )
    .delete(
      '/:id',
      guarded(
        'internal_api_resource_delete',
        async (caller, c) => {
          const resource = await findOwnApiResource(db, parameter(c, 'id'))
          if ('refused' in resource) {
            // as WSO2 answers, one that is not there is removed already
            if (resource.refused === 'missing') return c.body(null, 204)
            throw systemApi()
          }
          requireCurrent(c, entityTag(resource.edition))
          await deleteApiResource(db, caller, new Date(), resource)
          return c.body(null, 204)
        },
        operations.remove,
      ),
    )
    .route('/', scopesOfOne(needs))
    .route('/', detailsTypesOf(needs))
}
