/** Collections of the built-in API resources, mounted at /api/server/v1/meta/api-resource-collections. */
import { Hono } from 'hono'
import {
  type CollectedApi,
  type CollectedApis,
  type Collection,
  collectedApis,
  collections,
} from '../../directory/api-resource-collections.ts'
import { matches } from '../../directory/condition.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { tenantPath } from '../tenant.ts'
import { asksFor, readFilter } from './list.ts'
import { selfOf, shownScope } from './model.ts'
import { operations } from './operations.ts'
import { noSuchCollection } from './problem.ts'

const base = '/api/server/v1/meta/api-resource-collections'
const filterable = ['name', 'displayName', 'type'] as const

const shownApi = ({ id, name, description, type, scopes }: CollectedApi) => ({
  id,
  name,
  ...(description === null ? {} : { description }),
  type,
  scopes: scopes.map(shownScope),
  self: selfOf(id),
})

const shown = ({ id, name, displayName, type }: Collection, apis?: CollectedApis) => ({
  id,
  name,
  displayName,
  type,
  self: `${tenantPath}${base}/${id}`,
  ...(apis ? { apiResources: { read: apis.read.map(shownApi), write: apis.write.map(shownApi) } } : {}),
})

export const apiResourceCollections = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/',
      guarded(
        undefined,
        async (_, c) => {
          const query = new URL(c.req.url).searchParams
          const filter = readFilter(query.get('filter'), filterable)
          const found = collections.filter((one) => matches(filter, (attribute) => one[attribute]))
          const apis = asksFor('apiResources', query.get('attributes'))
            ? await collectedApis(db, found)
            : undefined
          return c.json({
            totalResults: found.length,
            apiResourceCollections: found.map((one) => shown(one, apis?.get(one.id))),
          })
        },
        operations.listCollections,
      ),
    )
    .get(
      '/:id',
      guarded(
        undefined,
        async (_, c) => {
          const id = parameter(c, 'id')
          const found = collections.find((one) => one.id === id)
          if (!found) throw noSuchCollection(id)
          return c.json(shown(found, (await collectedApis(db, [found])).get(id)))
        },
        operations.readCollection,
      ),
    )
}
