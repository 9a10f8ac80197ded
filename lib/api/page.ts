/** Lists by cursor, the newest first: what `limit`, `after` and `before` mean, and the links to a page's neighbours. */
import * as z from 'zod'
import type { Page, Paged } from '../database/page.ts'
import type { Problem } from './problem.ts'

/** How many are asked for: a whole number from 1. */
export const limitForm = /^[1-9][0-9]{0,8}$/

/** What the OpenAPI document says of it; `about` is what counts without it, and the most that are answered. */
export const limitText = (about = '20 unless said, at most 100') =>
  z.string().regex(limitForm).optional().describe(about)

const usualLimit = 20
const largestLimit = 100

const encode = (id: string) => Buffer.from(id).toString('base64url')

/** Reads them; `unreadable` is the API's own refusal. Throws it. */
export const readPage = (query: URLSearchParams, unreadable: (why: string) => Problem): Page => {
  const decode = (cursor: string | null): string | undefined => {
    if (cursor === null || cursor === '') return undefined
    const id = Buffer.from(cursor, 'base64url').toString('utf8')
    if (!/^[\w-]{1,64}$/.test(id)) throw unreadable('The cursor is invalid.')
    return id
  }
  const asked = query.get('limit')
  const limit = asked === null ? usualLimit : limitForm.test(asked) ? Number(asked) : 0
  if (limit < 1) throw unreadable('The limit must be a positive whole number.')
  const [after, before] = [decode(query.get('after')), decode(query.get('before'))]
  if (after !== undefined && before !== undefined) throw unreadable('Both before and after are given.')
  return { limit: Math.min(limit, largestLimit), after, before }
}

/** To the neighbours of a page; `url` is the list's own, absolute, and `kept` are the filters that they keep. */
export const linksOf = (
  url: string,
  query: URLSearchParams,
  kept: readonly string[],
  { limit }: Page,
  page: Paged<{ readonly id: string }>,
) => {
  const [first, last] = [page.items.at(0), page.items.at(-1)]
  const link = (rel: string, cursor: string, id: string) => {
    const parameters = new URLSearchParams({ limit: String(limit), [cursor]: encode(id) })
    for (const name of kept) {
      const value = query.get(name)
      if (value) parameters.set(name, value)
    }
    return { rel, href: `${url}?${parameters}` }
  }
  return [
    ...(page.hasPrevious && first ? [link('previous', 'before', first.id)] : []),
    ...(page.hasNext && last ? [link('next', 'after', last.id)] : []),
  ]
}
