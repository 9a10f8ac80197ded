/**
 * Authorization details types (RFC 9396): this server has none. Who asks for them is told so by empty lists, and who
 * brings some by 400.
 */
import { Hono } from 'hono'
import { findOwnApiResource } from '../../directory/api-resource-changes.ts'
import { findApiResource } from '../../directory/api-resources.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody, readJson } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { readFilter } from './list.ts'
import { wantNoDetailsTypes, writtenDetailsTypes } from './model.ts'
import { operations } from './operations.ts'
import { noSuchDetailsType, notFound, systemApi } from './problem.ts'

const path = '/:id/authorization-details-types'
const one = `${path}/:type`

/** Those of one API resource. */
export const detailsTypesOf = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  const requireOwn = async (id: string) => {
    const resource = await findOwnApiResource(db, id)
    if ('refused' in resource) throw resource.refused === 'system' ? systemApi() : notFound(id)
  }
  return new Hono()
    .get(
      path,
      guarded(
        'internal_api_resource_view',
        async (_, c) => {
          const id = parameter(c, 'id')
          if (!(await findApiResource(db, id))) throw notFound(id)
          return c.json([])
        },
        operations.readDetailsTypes,
      ),
    )
    .put(
      path,
      guarded(
        'internal_api_resource_update',
        async (_, c) => {
          const types = await readBody(c, writtenDetailsTypes)
          await requireOwn(parameter(c, 'id'))
          wantNoDetailsTypes(types)
          return c.body(null, 204)
        },
        operations.replaceDetailsTypes,
      ),
    )
    .get(
      one,
      guarded(
        'internal_api_resource_view',
        async (_, c) => {
          const id = parameter(c, 'id')
          if (!(await findApiResource(db, id))) throw notFound(id)
          throw noSuchDetailsType(parameter(c, 'type'))
        },
        operations.readDetailsType,
      ),
    )
    .patch(
      one,
      guarded(
        'internal_api_resource_update',
        async (_, c) => {
          await readJson(c)
          await requireOwn(parameter(c, 'id'))
          throw noSuchDetailsType(parameter(c, 'type'))
        },
        operations.updateDetailsType,
      ),
    )
    .delete(
      one,
      guarded(
        'internal_api_resource_delete',
        async (_, c) => {
          const resource = await findOwnApiResource(db, parameter(c, 'id'))
          if ('refused' in resource && resource.refused === 'system') throw systemApi()
          // what is not there is removed already
          return c.body(null, 204)
        },
        operations.removeDetailsType,
      ),
    )
}

/** Those of all API resources, mounted at /api/server/v1/authorization-details-types; HEAD asks whether there is one. */
export const allDetailsTypes = (needs: ApiNeeds) =>
  new Hono().get(
    '/',
    gate(needs)(
      'internal_api_resource_view',
      async (_, c) => {
        readFilter(new URL(c.req.url).searchParams.get('filter'), ['type'])
        return c.req.method === 'HEAD' ? c.body(null, 404) : c.json([])
      },
      operations.listDetailsTypes,
    ),
  )
