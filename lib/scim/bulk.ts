/**
 * `/scim2/Bulk` (RFC 7644 §3.7). Each operation goes through the route that it names, so it is judged, done and audited
 * as if it had come alone; one after the other, each in a commit of its own.
 */
import { type Context, Hono } from 'hono'
import { partOf } from '../access/within.ts'
import { bodyLimit, limitBody } from '../bounded-body.ts'
import { isObject } from '../directory/attributes.ts'
import { type BulkOperation, readBulk } from './bulk-body.ts'
import { orderOf, referencesIn, resolve } from './bulk-references.ts'
import { ScimError } from './error.ts'
import { answer, readBody } from './media.ts'
import { bulkOperation } from './resource-operations.ts'
import type { Route } from './route.ts'

export interface BulkNeeds {
  readonly baseUrl: string
  /** The routes of single resources, for parts of a request. */
  readonly parts: Hono
}

type Result = Readonly<Record<string, unknown>>

const failed = (error: ScimError): { readonly status: number; readonly response: unknown } => ({
  status: error.status,
  response: error.toJSON(),
})

/** Only these; a Bulk in a Bulk, or a search, is none, nor is what a URL is shortened by. */
const resource = /^\/(?:Users|Groups|v2\/Roles)(?:\/(?!\.{1,2}$)[^/]+)?$/

const perform = async (
  { parts }: BulkNeeds,
  whole: Request,
  { method, path, version, data }: BulkOperation,
) => {
  const headers = new Headers({ Accept: 'application/scim+json' })
  if (version !== undefined) headers.set('If-Match', version)
  if (method !== 'DELETE') headers.set('Content-Type', 'application/scim+json')
  const request = new Request(`https://part.invalid/scim2${path}`, {
    method,
    headers,
    ...(method === 'DELETE' ? {} : { body: JSON.stringify(data) }),
  })
  limitBody(request, bodyLimit(whole))
  const response = await parts.fetch(partOf(whole, request))
  const text = await response.text()
  const body: unknown = text === '' ? undefined : JSON.parse(text)
  return { response, body }
}

const idOf = (body: unknown): string | undefined =>
  isObject(body) && typeof body.id === 'string' ? body.id : undefined

/** One operation with the ids that are known by now. */
const run = async (
  needs: BulkNeeds,
  whole: Request,
  operation: BulkOperation,
  ids: ReadonlyMap<string, string>,
) => {
  const path = operation.path.replace(/bulkId:([^/]+)/i, (all, name: string) => ids.get(name) ?? all)
  const data = resolve(operation.data, ids)
  const [unknown] = referencesIn([data, ...path.split('/')])
  if (unknown !== undefined) {
    return failed(new ScimError(400, `bulkId:${unknown} stands for nothing that was made.`, 'invalidValue'))
  }
  if (!resource.test(path) || (operation.method === 'POST') !== /^\/(?:Users|Groups|v2\/Roles)$/.test(path)) {
    return failed(new ScimError(404, 'Specified resource (e.g., User) or endpoint does not exist.'))
  }
  const { response, body } = await perform(needs, whole, { ...operation, path, data })
  const location =
    response.headers.get('location') ??
    (operation.method === 'POST' ? undefined : `${needs.baseUrl}/scim2${path}`)
  return {
    status: response.status,
    location,
    version: response.headers.get('etag') ?? undefined,
    id: idOf(body),
    response: response.status < 400 ? undefined : body,
  }
}

const handle = (needs: BulkNeeds) => async (c: Context) => {
  const { operations, failOnErrors } = readBulk(await readBody(c))
  const indexes = new Map(
    operations.flatMap(({ bulkId }, index) => (bulkId ? [[bulkId, index] as const] : [])),
  )
  const dependencies = operations.map(
    ({ data, path }) =>
      new Set([...referencesIn([data, ...path.split('/')])].flatMap((name) => indexes.get(name) ?? [])),
  )
  const { order, circular } = orderOf(dependencies)
  const ids = new Map<string, string>()
  const results = new Map<number, Result>()
  let errors = 0
  for (const index of [...order, ...circular]) {
    if (failOnErrors !== undefined && errors >= failOnErrors) break
    const operation = operations[index]
    if (!operation) continue
    const { id, status, ...rest } = circular.has(index)
      ? { id: undefined, ...failed(new ScimError(409, 'Operations refer to each other in a circle.')) }
      : { id: undefined, ...(await run(needs, c.req.raw, operation, ids)) }
    if (status >= 400) errors += 1
    else if (operation.bulkId !== undefined && id !== undefined) ids.set(operation.bulkId, id)
    results.set(index, {
      ...(operation.bulkId === undefined ? {} : { bulkId: operation.bulkId }),
      method: operation.method,
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
      status: { code: status },
    })
  }
  return answer(c, 200, {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkResponse'],
    Operations: [...operations.keys()].flatMap((index) => results.get(index) ?? []),
  })
}

export const bulk = (needs: BulkNeeds, route: Route) => {
  const work = handle(needs)
  return new Hono().post(
    '/',
    route({ permission: 'internal_bulk_resource_create', actor: false, describe: bulkOperation }, (_, c) =>
      work(c),
    ),
  )
}
