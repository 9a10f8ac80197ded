/** Lists of webhooks and deliveries: what their query means, and the links of a page. */
import { type DeliveryStatus, deliveryStatuses } from '../../webhooks/deliveries.ts'
import type { Page, Paged } from '../../webhooks/page.ts'
import { unreadable } from './problem.ts'

const usualLimit = 20
const largestLimit = 100

const encode = (id: string) => Buffer.from(id).toString('base64url')

const decode = (cursor: string | null): string | undefined => {
  if (cursor === null || cursor === '') return undefined
  const id = Buffer.from(cursor, 'base64url').toString('utf8')
  if (!/^[\w-]{1,64}$/.test(id)) throw unreadable('The cursor is invalid.')
  return id
}

/** Throws `Problem`. */
export const readPage = (query: URLSearchParams): Page => {
  const asked = query.get('limit')
  const limit = asked === null ? usualLimit : /^\d{1,9}$/.test(asked) ? Number(asked) : 0
  if (limit < 1) throw unreadable('The limit must be a positive whole number.')
  const [after, before] = [decode(query.get('after')), decode(query.get('before'))]
  if (after !== undefined && before !== undefined) throw unreadable('Both before and after are given.')
  return { limit: Math.min(limit, largestLimit), after, before }
}

/** Throws `Problem`. */
export const readStatus = (query: URLSearchParams): DeliveryStatus | undefined => {
  const asked = query.get('status')
  if (asked === null || asked === '') return undefined
  const status = deliveryStatuses.find((known) => known === asked)
  if (!status) throw unreadable(`The status is one of ${deliveryStatuses.join(', ')}.`)
  return status
}

/** To the neighbours of a page; `url` is the list's own, absolute. */
export const linksOf = (
  url: string,
  query: URLSearchParams,
  { limit }: Page,
  page: Paged<{ readonly id: string }>,
) => {
  const [first, last] = [page.items.at(0), page.items.at(-1)]
  const link = (rel: string, cursor: string, id: string) => {
    const parameters = new URLSearchParams({ limit: String(limit), [cursor]: encode(id) })
    const status = query.get('status')
    if (status) parameters.set('status', status)
    return { rel, href: `${url}?${parameters}` }
  }
  return [
    ...(page.hasPrevious && first ? [link('previous', 'before', first.id)] : []),
    ...(page.hasNext && last ? [link('next', 'after', last.id)] : []),
  ]
}
