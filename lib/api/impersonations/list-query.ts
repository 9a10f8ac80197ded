/** What the query of the list means. */
import {
  type ImpersonationFilter,
  type ImpersonationPage,
  impersonationStates,
  type ListedImpersonation,
} from '../../impersonation/list.ts'
import { isStorable } from '../body.ts'
import { limitForm } from '../page.ts'
import { unreadable } from './problem.ts'

const usualLimit = 20
const largestLimit = 100

const texts = ['impersonator', 'subject', 'application', 'organization'] as const

const instant = (name: string, text: string | undefined): Date | undefined => {
  if (text === undefined) return undefined
  const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/
  const at = new Date(form.test(text) ? text : Number.NaN)
  if (Number.isNaN(at.getTime())) throw unreadable(`${name} must be an instant such as 2030-01-31T12:00:00Z.`)
  return at
}

const limitOf = (text: string | undefined): number => {
  const limit = text === undefined ? usualLimit : limitForm.test(text) ? Number(text) : 0
  if (limit < 1) throw unreadable('The limit must be a positive whole number.')
  return Math.min(limit, largestLimit)
}

const encodeCursor = (id: string) => Buffer.from(id).toString('base64url')

const cursorOf = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  const id = Buffer.from(text, 'base64url').toString('utf8')
  if (!/^[\w-]{1,64}$/.test(id)) throw unreadable('The cursor is invalid.')
  return id
}

export interface ListQuery {
  readonly page: ImpersonationPage
  readonly filter: ImpersonationFilter
  /** Undefined for the caller's own. */
  readonly organization: string | undefined
}

/** Reads it; empty parameters count as omitted. Throws `Problem`. */
export const readQuery = (query: URLSearchParams): ListQuery => {
  const get = (name: string) => {
    const values = query.getAll(name).filter((value) => value !== '')
    if (values.length > 1) throw unreadable(`${name} is given more than once.`)
    return values[0]
  }
  const state = impersonationStates.find((name) => name === get('state'))
  if (get('state') !== undefined && state === undefined)
    throw unreadable(`state must be one of ${impersonationStates.join(', ')}.`)
  for (const name of texts) {
    const value = get(name)
    if (value !== undefined && (!isStorable(value) || value.length > 255))
      throw unreadable(`${name} is no id.`)
  }
  const [after, before] = [cursorOf(get('after')), cursorOf(get('before'))]
  if (after !== undefined && before !== undefined) throw unreadable('Both before and after are given.')
  return {
    page: { limit: limitOf(get('limit')), after, before },
    organization: get('organization'),
    filter: {
      impersonator: get('impersonator'),
      subject: get('subject'),
      application: get('application'),
      state,
      from: instant('from', get('from')),
      to: instant('to', get('to')),
    },
  }
}

const kept = [...texts, 'state', 'from', 'to'] as const

/** The links to the neighbours of a page; `url` is the list's own, absolute. */
export const linksOf = (
  url: string,
  query: URLSearchParams,
  { page }: ListQuery,
  { items, hasMore }: { readonly items: readonly ListedImpersonation[]; readonly hasMore: boolean },
) => {
  const [first, last] = [items.at(0), items.at(-1)]
  const link = (rel: string, cursor: 'after' | 'before', id: string) => {
    const parameters = new URLSearchParams({ limit: String(page.limit) })
    for (const name of kept) {
      const value = query.get(name)
      if (value) parameters.set(name, value)
    }
    parameters.set(cursor, encodeCursor(id))
    return { rel, href: `${url}?${parameters}` }
  }
  const backwards = page.before !== undefined
  const hasPrevious = backwards ? hasMore : page.after !== undefined
  const hasNext = backwards || hasMore
  return [
    ...(hasPrevious && first ? [link('previous', 'before', first.id)] : []),
    ...(hasNext && last ? [link('next', 'after', last.id)] : []),
  ]
}
