/** Lists of webhooks and deliveries: what their query means, and the links of a page. */
import type { Page, Paged } from '../../database/page.ts'
import { type DeliveryStatus, deliveryStatuses } from '../../webhooks/deliveries.ts'
import * as page from '../page.ts'
import { unreadable } from './problem.ts'

/** Throws `Problem`. */
export const readPage = (query: URLSearchParams): Page => page.readPage(query, unreadable)

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
  asked: Page,
  found: Paged<{ readonly id: string }>,
) => page.linksOf(url, query, ['status'], asked, found)
