/** API resources, mounted at /api/server/v1/api-resources. */
import { Hono } from 'hono'
import {
  type ApiResource,
  type ApiResourceFilter,
  type ApiResourceList,
  apiResourceAttributes,
  findApiResource,
  listApiResources,
  type Page,
  scopesOf,
  subscribersOf,
} from '../directory/api-resources.ts'
import type { ApiNeeds } from './api.ts'
import { parseFilter } from './filter.ts'
import { gate } from './gate.ts'
import { parameter } from './parameter.ts'
import { Problem } from './problem.ts'
import { tenantPath } from './tenant.ts'

const base = '/api/server/v1/api-resources'
const usualLimit = 10
const largestLimit = 100

const refused = (code: string, description: string, status: 400 | 404 = 400) =>
  new Problem({
    status,
    code: `API-RESOURCE-${code}`,
    message: status === 404 ? 'Unable to find the API resource.' : 'Unable to retrieve API resources.',
    description,
  })

const encodeCursor = (id: string) => Buffer.from(id).toString('base64')

const decodeCursor = (cursor: string | null): string | undefined => {
  if (cursor === null) return undefined
  const id = Buffer.from(cursor, 'base64').toString('utf8')
  if (!/^[\w-]{1,64}$/.test(id)) throw refused('60002', 'The cursor is invalid.')
  return id
}

const readFilter = (text: string | null): ApiResourceFilter => {
  if (text === null || text.trim() === '') return []
  const parsed = parseFilter(text, apiResourceAttributes, { withOr: false })
  if (parsed.filter) return parsed.filter
  if (parsed.refused === 'format') throw refused('60001', 'Invalid format used for filtering.')
  throw refused('60007', `Invalid search attribute: use one of ${apiResourceAttributes.join(', ')}.`)
}

const readPage = (query: URLSearchParams): Page => {
  const [after, before, asked] = [query.get('after'), query.get('before'), query.get('limit')]
  if (after !== null && before !== null) throw refused('60011', 'Both before and after are given.')
  const limit = asked === null ? usualLimit : /^\d{1,9}$/.test(asked) ? Number(asked) : 0
  if (limit < 1) throw refused('60010', 'The limit must be a positive whole number.')
  return {
    limit: Math.min(limit, largestLimit),
    after: decodeCursor(after),
    before: decodeCursor(before),
  }
}

const readAttributes = (text: string | null) => {
  const names = (text ?? '').split(',').flatMap((name) => name.trim() || [])
  if (names.some((name) => name !== 'properties'))
    throw refused('60013', 'Unsupported attributes: only properties can be asked for.')
  return { withProperties: names.length > 0 }
}

const summary = ({ id, name, identifier, type, requiresAuthorization }: ApiResource) => ({
  id,
  name,
  identifier,
  type,
  requiresAuthorization,
  self: `${tenantPath}${base}/${id}`,
})

const linksOf = (url: string, query: URLSearchParams, list: ApiResourceList, limit: number) => {
  const [first, last] = [list.items.at(0), list.items.at(-1)]
  const kept = ['filter', 'attributes'].flatMap((name) => {
    const value = query.get(name)
    return value === null ? [] : [`&${name}=${encodeURIComponent(value)}`]
  })
  const link = (rel: string, cursor: string, id: string) => ({
    rel,
    href: `${url}?limit=${limit}${kept.join('')}&${cursor}=${encodeURIComponent(encodeCursor(id))}`,
  })
  return [
    ...(list.hasPrevious && first ? [link('previous', 'before', first.id)] : []),
    ...(list.hasNext && last ? [link('next', 'after', last.id)] : []),
  ]
}

export const apiResources = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/',
      guarded('internal_api_resource_view', async (_, c) => {
        const query = new URL(c.req.url).searchParams
        const page = readPage(query)
        const { withProperties } = readAttributes(query.get('attributes'))
        const list = await listApiResources(db, readFilter(query.get('filter')), page)
        return c.json({
          totalResults: list.total,
          links: linksOf(`${baseUrl}${base}`, query, list, page.limit),
          apiResources: list.items.map((resource) => ({
            ...summary(resource),
            ...(withProperties ? { properties: [] } : {}),
          })),
        })
      }),
    )
    .get(
      '/:id',
      guarded('internal_api_resource_view', async (_, c) => {
        const id = parameter(c, 'id')
        const resource = await findApiResource(db, id)
        if (!resource)
          throw refused(
            '60002',
            `Unable to find the API resource with the id: ${id} in the tenant domain.`,
            404,
          )
        const [scopes, subscribers] = await Promise.all([scopesOf(db, id), subscribersOf(db, id)])
        return c.json({
          ...summary(resource),
          description: resource.description,
          scopes,
          authorizationDetailsTypes: [],
          subscribedApplications: subscribers.map((name) => ({ name })),
          properties: [],
        })
      }),
    )
}
