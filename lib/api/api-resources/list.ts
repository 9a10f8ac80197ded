/** The list of API resources: what its query means and how a page is answered. */
import {
  type ApiResourceFilter,
  type ApiResourceList,
  apiResourceAttributes,
  type Page,
} from '../../directory/api-resources.ts'
import type { Filter } from '../../directory/condition.ts'
import { parseFilter } from '../filter.ts'
import { limitForm } from '../page.ts'
import { summary } from './model.ts'
import { unreadable } from './problem.ts'

const usualLimit = 10
const largestLimit = 100

const encodeCursor = (id: string) => Buffer.from(id).toString('base64')

const decodeCursor = (cursor: string): string | undefined => {
  if (cursor === '') return undefined
  const id = Buffer.from(cursor, 'base64').toString('utf8')
  if (!/^[\w-]{1,64}$/.test(id)) throw unreadable('60002', 'The cursor is invalid.')
  return id
}

/** A filter of these attributes, with the codes of this API. Throws `Problem`. */
export const readFilter = <Attribute extends string>(
  text: string | null,
  attributes: readonly Attribute[],
): Filter<Attribute> => {
  if (text === null || text.trim() === '') return []
  const parsed = parseFilter(text, attributes, { withOr: false, withOrder: true })
  if (parsed.filter) return parsed.filter
  if (parsed.refused === 'format') throw unreadable('60001', 'Invalid format used for filtering.')
  throw unreadable('60007', `Invalid search attribute: use one of ${attributes.join(', ')}.`)
}

/** Whether `attributes` asks for the only one that can be asked for. Throws `Problem`. */
export const asksFor = (attribute: string, text: string | null): boolean => {
  const names = (text ?? '').split(',').flatMap((name) => name.trim() || [])
  if (names.some((name) => name !== attribute))
    throw unreadable('60013', `Invalid attribute name: only ${attribute} can be asked for.`)
  return names.length > 0
}

const readPage = (query: URLSearchParams): Page => {
  const [after, before] = [query.get('after') ?? '', query.get('before') ?? '']
  const asked = query.get('limit')
  if (after !== '' && before !== '') throw unreadable('60011', 'Both before and after are given.')
  const limit = asked === null ? usualLimit : limitForm.test(asked) ? Number(asked) : 0
  if (limit < 1) throw unreadable('60010', 'The limit must be a positive whole number.')
  return { limit: Math.min(limit, largestLimit), after: decodeCursor(after), before: decodeCursor(before) }
}

export interface ListQuery {
  readonly page: Page
  readonly filter: ApiResourceFilter
  readonly withProperties: boolean
}

/** Reads the query of the list. Throws `Problem`. */
export const readQuery = (query: URLSearchParams): ListQuery => ({
  page: readPage(query),
  filter: readFilter(query.get('filter'), apiResourceAttributes),
  withProperties: asksFor('properties', query.get('attributes')),
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

/** A page as it is answered; `url` is the list's own, absolute. */
export const shownPage = (
  url: string,
  query: URLSearchParams,
  { page, withProperties }: ListQuery,
  list: ApiResourceList,
) => ({
  totalResults: list.total,
  links: linksOf(url, query, list, page.limit),
  apiResources: list.items.map((resource) => ({
    ...summary(resource),
    ...(withProperties ? { properties: [] } : {}),
  })),
})
