/** The parameters and the answer of a list (RFC 7644 §3.4.2). */
import type { Context } from 'hono'
import type { Page } from '../directory/user-list.ts'
import { bad, ScimError } from './error.ts'

const defaultCount = 100
/** As ServiceProviderConfig's `filter.maxResults` says. */
const largestCount = 200

const integer = (name: string, text: string | undefined, absent: number): number => {
  if (text === undefined || text === '') return absent
  if (!/^-?\d{1,9}$/.test(text)) throw bad('invalidValue', `${name} has to be an integer.`)
  return Number(text)
}

/** The page asked for; nothing is sorted here. */
export const readPage = (c: Context): Page => {
  // sortOder is how WSO2 spells it
  const sorting = ['sortBy', 'sortOrder', 'sortOder'].some((name) => c.req.query(name) !== undefined)
  if (sorting) throw new ScimError(501, 'Sorting is not supported')
  const startIndex = Math.max(1, integer('startIndex', c.req.query('startIndex'), 1))
  const count = Math.max(0, integer('count', c.req.query('count'), defaultCount))
  return { offset: startIndex - 1, limit: Math.min(count, largestCount) }
}

export const listResponse = (
  total: number,
  { offset }: Page,
  resources: readonly Readonly<Record<string, unknown>>[],
) => ({
  totalResults: total,
  startIndex: offset + 1,
  itemsPerPage: resources.length,
  schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
  Resources: resources,
})
