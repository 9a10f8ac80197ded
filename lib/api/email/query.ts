/** What the queries of the e-mail template APIs may ask. */
import { invalidRequest } from '../problem.ts'
import { emailRefusal } from './dialect.ts'

/** Lists are answered whole: pages and orders of them are not supported. Throws `Problem`. */
export const refusePaging = (query: URLSearchParams): void => {
  if (query.has('limit') || query.has('offset'))
    throw emailRefusal('ETM-55011', 'The list is answered whole: limit and offset are not supported.')
  if (query.has('sortBy') || query.has('sortOrder'))
    throw emailRefusal('ETM-55012', 'The list has its own order: sortBy and sortOrder are not supported.')
}

/** Whether what is inherited is asked for as well: `?resolve=true`. Throws `Problem`. */
export const wantsInherited = (query: URLSearchParams): boolean => {
  const asked = query.getAll('resolve')
  if (asked.length > 1 || !['true', 'false', ''].includes(asked[0] ?? ''))
    throw invalidRequest('resolve must be true or false.')
  return asked[0] === 'true'
}
