/** The body of a Bulk request (RFC 7644 §3.7), before anything of it is done. */
import { isObject } from '../directory/attributes.ts'
import { bad, ScimError } from './error.ts'

/** As ServiceProviderConfig announces. */
export const mostOperations = 1_000

const schema = 'urn:ietf:params:scim:api:messages:2.0:bulkrequest'
const methods = ['POST', 'PUT', 'PATCH', 'DELETE'] as const

export interface BulkOperation {
  readonly method: (typeof methods)[number]
  /** Behind `/scim2`. */
  readonly path: string
  readonly bulkId: string | undefined
  /** The entity tag that a change is for. */
  readonly version: string | undefined
  readonly data: unknown
}

export interface BulkRequest {
  readonly operations: readonly BulkOperation[]
  /** After so many errors the rest is not done; undefined for doing all. */
  readonly failOnErrors: number | undefined
}

const members = (object: Readonly<Record<string, unknown>>) =>
  new Map(Object.entries(object).map(([key, value]) => [key.toLowerCase(), value]))

const text = (name: string, value: unknown): string | undefined => {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value === '') throw bad('invalidSyntax', `${name} has to be a string.`)
  return value
}

const readOperation = (item: unknown): BulkOperation => {
  if (!isObject(item)) throw bad('invalidSyntax', 'Each of Operations has to be an object.')
  const said = members(item)
  const written = text('method', said.get('method'))?.toUpperCase()
  const method = methods.find((one) => one === written)
  if (!method) throw bad('invalidSyntax', 'method has to be POST, PUT, PATCH or DELETE.')
  const path = text('path', said.get('path'))
  if (path === undefined || !/^\/[\w.:/-]+$/.test(path)) {
    throw bad('invalidSyntax', 'path has to be that of a resource, such as /Users or /Users/{id}.')
  }
  const bulkId = text('bulkId', said.get('bulkid'))
  if (method === 'POST' && bulkId === undefined) throw bad('invalidSyntax', 'A POST needs a bulkId.')
  const data = said.get('data')
  if (method !== 'DELETE' && !isObject(data)) throw bad('invalidSyntax', `${method} needs data.`)
  return { method, path, bulkId, version: text('version', said.get('version')), data }
}

const readFailOnErrors = (value: unknown): number | undefined => {
  // 0 is how WSO2's clients say that nothing stops it
  if (value === undefined || value === null || value === 0) return undefined
  const n = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof n !== 'number' || !Number.isInteger(n) || n < 0 || n > 999_999_999) {
    throw bad('invalidSyntax', 'failOnErrors has to be an integer.')
  }
  return n === 0 ? undefined : n
}

/** Reads the whole of it: what cannot be read is refused before anything is done. */
export const readBulk = (body: Readonly<Record<string, unknown>>): BulkRequest => {
  const said = members(body)
  const schemas = said.get('schemas')
  const speaks =
    schemas === undefined ||
    (Array.isArray(schemas) && schemas.some((urn) => typeof urn === 'string' && urn.toLowerCase() === schema))
  if (!speaks) {
    throw bad('invalidSyntax', 'schemas has to name urn:ietf:params:scim:api:messages:2.0:BulkRequest.')
  }
  const list = said.get('operations')
  if (!Array.isArray(list) || list.length === 0) {
    throw bad('invalidSyntax', 'Operations has to be a list of operations.')
  }
  if (list.length > mostOperations) {
    throw new ScimError(413, `A Bulk request may have ${mostOperations} operations.`)
  }
  const operations = list.map(readOperation)
  const ids = operations.flatMap(({ bulkId }) => bulkId ?? [])
  if (new Set(ids).size < ids.length) throw bad('invalidSyntax', 'Each bulkId has to be there once.')
  return { operations, failOnErrors: readFailOnErrors(said.get('failonerrors')) }
}
