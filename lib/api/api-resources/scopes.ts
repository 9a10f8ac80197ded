/** The scopes of one API resource; their entity tag is that of the API resource, which changes with them. */
import { type Context, Hono } from 'hono'
import { findOwnApiResource } from '../../directory/api-resource-changes.ts'
import { type ApiResource, findApiResource, findScope, scopesOf } from '../../directory/api-resources.ts'
import type { Caller } from '../../directory/caller.ts'
import { describeScope, removeScope, replaceScopes } from '../../directory/scope-changes.ts'
import { entityTag } from '../../entity-tag.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { scopeEdit, shownScope, toScopes, writtenScopes } from './model.ts'
import { operations } from './operations.ts'
import { noSuchScope, notFound, refusedBy, systemApi } from './problem.ts'

type By = 'name' | 'id'

export const scopesOfOne = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)

  /** The API resource of the path as it can be changed. Throws `Problem`. */
  const requireOwn = async (c: Context): Promise<ApiResource> => {
    const id = parameter(c, 'id')
    const resource = await findOwnApiResource(db, id)
    if ('refused' in resource) throw resource.refused === 'system' ? systemApi() : notFound(id)
    requireCurrent(c, entityTag(resource.edition))
    return resource
  }

  const describe = async (caller: Caller, c: Context, by: By) => {
    const written = await readBody(c, scopeEdit)
    const resource = await requireOwn(c)
    const value = parameter(c, 'scope')
    const scope = await findScope(db, resource.id, { column: by, value })
    if (!scope) throw noSuchScope(by, value)
    return describeScope(db, caller, new Date(), resource, scope, {
      displayName: written.displayName?.trim() ? written.displayName : undefined,
      description: written.description ?? undefined,
    })
  }

  const remove = async (caller: Caller, c: Context, by: By) => {
    const resource = await findOwnApiResource(db, parameter(c, 'id'))
    if ('refused' in resource) {
      // as WSO2 answers, what is not there is removed already
      if (resource.refused === 'missing') return c.body(null, 204)
      throw systemApi()
    }
    requireCurrent(c, entityTag(resource.edition))
    const scope = await findScope(db, resource.id, { column: by, value: parameter(c, 'scope') })
    if (scope) await removeScope(db, caller, new Date(), resource, scope)
    return c.body(null, 204)
  }

  return new Hono()
    .get(
      '/:id/scopes',
      guarded(
        'internal_api_resource_view',
        async (_, c) => {
          const id = parameter(c, 'id')
          const resource = await findApiResource(db, id)
          if (!resource) throw notFound(id)
          const scopes = await scopesOf(db, id)
          return answerTagged(c, entityTag(resource.edition), scopes.map(shownScope))
        },
        operations.readScopes,
      ),
    )
    .put(
      '/:id/scopes',
      guarded(
        'internal_api_resource_update',
        async (caller, c) => {
          const written = await readBody(c, writtenScopes)
          const resource = await requireOwn(c)
          const refused = await replaceScopes(db, caller, new Date(), resource, toScopes(written))
          if (refused) throw refusedBy(refused)
          return c.body(null, 204)
        },
        operations.replaceScopes,
      ),
    )
    .patch(
      '/:id/scopes/:scope',
      guarded(
        'internal_api_resource_update',
        async (caller, c) => {
          await describe(caller, c, 'name')
          return c.body(null, 204)
        },
        operations.updateScope,
      ),
    )
    .delete(
      '/:id/scopes/:scope',
      guarded(
        'internal_api_resource_delete',
        (caller, c) => remove(caller, c, 'name'),
        operations.removeScope,
      ),
    )
    .patch(
      '/:id/scopes/id/:scope',
      guarded(
        'internal_api_resource_update',
        async (caller, c) => {
          const { scope, edition } = await describe(caller, c, 'id')
          c.header('ETag', entityTag(edition))
          return c.json(shownScope(scope))
        },
        operations.updateScopeById,
      ),
    )
    .delete(
      '/:id/scopes/id/:scope',
      guarded(
        'internal_api_resource_delete',
        (caller, c) => remove(caller, c, 'id'),
        operations.removeScopeById,
      ),
    )
}
