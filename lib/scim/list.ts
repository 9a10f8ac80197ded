/**
 * What a list is asked for (RFC 7644 §3.4.2), in the query or in the body of a `.search` (§3.4.3), and its answer. Pages
 * go by number or by cursor (RFC 9865).
 */
import type { Context } from 'hono'
import { type Filter, Unsearchable } from '../directory/search.ts'
import type { Page } from '../directory/user-list.ts'
import { Unsortable } from '../directory/user-order.ts'
import { bad } from './error.ts'
import { parseFilter } from './filter.ts'
import { isStorable, readBody } from './media.ts'
import { type Selection, selectionOf } from './projection.ts'

const defaultCount = 100
/** As ServiceProviderConfig's `filter.maxResults` says. */
export const largestCount = 200
const searchSchema = 'urn:ietf:params:scim:api:messages:2.0:searchrequest'
const longestName = 1_024

export interface ListRequest extends Page {
  readonly filter: Filter | undefined
  /** The filter as it was written. */
  readonly filterText: string
  readonly sort: { readonly path: string; readonly descending: boolean } | undefined
  /** Empty for the first page by cursor; undefined when pages go by number. */
  readonly cursor: string | undefined
  readonly selection: Selection
}

type Written = (name: string) => unknown

const integer = (name: string, value: unknown, absent: number): number => {
  if (value === undefined || value === null || value === '') return absent
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d{1,9}$/.test(text)) {
    throw bad('invalidValue', `${name} has to be an integer.`)
  }
  return Number(text)
}

const words = (name: string, value: unknown): string | undefined => {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string' || !isStorable(value))
    throw bad('invalidValue', `${name} has to be a string.`)
  return value
}

const pageOf = (written: Written): Page => {
  const startIndex = Math.max(1, integer('startIndex', written('startIndex'), 1))
  const count = Math.max(0, integer('count', written('count'), defaultCount))
  return { offset: startIndex - 1, limit: Math.min(count, largestCount) }
}

const sortOf = (written: Written): ListRequest['sort'] => {
  const path = words('sortBy', written('sortBy'))
  // sortOder is how WSO2 spells it
  const order = words('sortOrder', written('sortOrder') ?? written('sortOder'))?.toLowerCase() ?? 'ascending'
  if (order !== 'ascending' && order !== 'descending') {
    throw bad('invalidValue', 'sortOrder has to be ascending or descending.')
  }
  if (path === undefined) return undefined
  if (path.length > longestName) throw bad('invalidValue', `sortBy may have ${longestName} characters.`)
  return { path, descending: order === 'descending' }
}

/** There is one user store. */
const requireDomain = (written: Written) => {
  const domain = words('domain', written('domain'))
  if (domain !== undefined && domain.toUpperCase() !== 'PRIMARY') {
    throw bad('invalidValue', 'There is no user store but PRIMARY.')
  }
}

const requestOf = (written: Written, selection: Selection): ListRequest => {
  requireDomain(written)
  const filterText = words('filter', written('filter')) ?? ''
  const cursor = written('cursor')
  return {
    ...pageOf(written),
    filter: filterText.trim() === '' ? undefined : parseFilter(filterText),
    filterText,
    sort: sortOf(written),
    cursor: cursor === undefined || cursor === null ? undefined : (words('cursor', cursor) ?? ''),
    selection,
  }
}

/** What the query of a GET asks for. */
export const readList = (c: Context): ListRequest =>
  requestOf(
    (name) => c.req.query(name),
    selectionOf(c.req.queries('attributes'), c.req.queries('excludedAttributes')),
  )

const known = new Set(
  'schemas attributes excludedattributes filter sortby sortorder sortoder startindex count cursor domain'.split(
    ' ',
  ),
)

const names = (parameter: string, value: unknown): readonly string[] | undefined => {
  if (value === undefined || value === null) return undefined
  const items: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = items.filter((item) => typeof item === 'string')
  if (texts.length < items.length) throw bad('invalidValue', `${parameter} has to be a list of names.`)
  return texts
}

/** What the body of a POST to `.search` asks for. */
export const readSearch = async (c: Context): Promise<ListRequest> => {
  const members = new Map(
    Object.entries(await readBody(c)).map(([name, value]) => [name.toLowerCase(), value] as const),
  )
  const stranger = members.keys().find((name) => !known.has(name))
  if (stranger !== undefined) throw bad('invalidSyntax', `A search has no ${JSON.stringify(stranger)}.`)
  const schemas = members.get('schemas')
  const speaks =
    schemas === undefined ||
    (Array.isArray(schemas) &&
      schemas.some((urn) => typeof urn === 'string' && urn.toLowerCase() === searchSchema))
  if (!speaks) {
    throw bad('invalidSyntax', 'schemas has to name urn:ietf:params:scim:api:messages:2.0:SearchRequest.')
  }
  return requestOf(
    (name) => members.get(name.toLowerCase()),
    selectionOf(
      names('attributes', members.get('attributes')),
      names('excludedAttributes', members.get('excludedattributes')),
    ),
  )
}

/** Says as a 400 what a search could not be for. */
export const searching = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Unsearchable) throw bad('invalidFilter', error.message, { cause: error })
    if (error instanceof Unsortable) throw bad('invalidValue', error.message, { cause: error })
    throw error
  }
}

type Resource = Readonly<Record<string, unknown>>

const listSchema = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'

export const listResponse = (total: number, { offset }: Page, resources: readonly Resource[]) => ({
  totalResults: total,
  startIndex: offset + 1,
  itemsPerPage: resources.length,
  schemas: [listSchema],
  Resources: resources,
})

/** A page by cursor (RFC 9865 §2): the total is told with the first, and the last has no `nextCursor`. */
export const cursorResponse = (
  total: number | undefined,
  nextCursor: string | undefined,
  resources: readonly Resource[],
) => ({
  ...(total === undefined ? {} : { totalResults: total }),
  itemsPerPage: resources.length,
  ...(nextCursor === undefined ? {} : { nextCursor }),
  schemas: [listSchema],
  Resources: resources,
})
