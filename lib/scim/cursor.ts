/** Cursors (RFC 9865): the place where the next page of one list begins, in a form that is nobody's to read. */
import { createHash } from 'node:crypto'
import { isObject } from '../directory/attributes.ts'
import type { Place } from '../directory/user-list.ts'
import { bad } from './error.ts'
import type { ListRequest } from './list.ts'
import { isStorable } from './media.ts'

const longest = 8_192

/** The list that a cursor is good for: another filter or order is another list. */
const listOf = ({ filterText, sort }: ListRequest): string =>
  createHash('sha256')
    .update(JSON.stringify([filterText, sort]))
    .digest('base64url')
    .slice(0, 16)

// a key may have 1,500 letters that JSON writes with six each
const packed = (key: string): string => Buffer.from(key).toString('base64url')
const unpacked = (key: string): string => Buffer.from(key, 'base64url').toString()

export const writeCursor = (request: ListRequest, { key, id }: Place): string =>
  Buffer.from(JSON.stringify({ of: listOf(request), key: key === null ? null : packed(key), id })).toString(
    'base64url',
  )

const parse = (cursor: string): unknown => {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}

/** The place that the cursor of a request names; 0 for the first page. */
export const readCursor = (request: ListRequest & { readonly cursor: string }): Place | 0 => {
  if (request.cursor === '') return 0
  const value = request.cursor.length > longest ? undefined : parse(request.cursor)
  const { of, key: written, id } = isObject(value) ? value : {}
  const key = typeof written === 'string' ? unpacked(written) : written
  const whole =
    of === listOf(request) &&
    typeof id === 'string' &&
    isStorable(id) &&
    (key === null || (typeof key === 'string' && isStorable(key)))
  if (!whole) throw bad('invalidCursor', 'The cursor is not one of this list.')
  return { key, id }
}
