/** A list of groups or roles: what is asked of the directory, and its answer, by number or by cursor. */
import type { Context } from 'hono'
import type { Search } from '../directory/found-ids.ts'
import type { Place } from '../directory/user-list.ts'
import { readCursor, writeCursor } from './cursor.ts'
import { cursorResponse, type ListRequest, listResponse, searching } from './list.ts'
import { answer } from './media.ts'

/** What the directory is asked for. */
export const rangeOf = (asked: ListRequest): Search => {
  const { filter, sort, limit, cursor } = asked
  return { filter, sort, limit, from: cursor === undefined ? asked.offset : readCursor({ ...asked, cursor }) }
}

export interface FoundResources {
  readonly total: number | undefined
  readonly next: Place | undefined
  readonly resources: readonly Readonly<Record<string, unknown>>[]
}

/** Answers with what `find` finds. Throws `ScimError` for what cannot be searched for. */
export const answerList = async (
  c: Context,
  asked: ListRequest,
  find: () => Promise<FoundResources>,
): Promise<Response> => {
  const { total, next, resources } = await searching(find)
  if (asked.cursor === undefined) return answer(c, 200, listResponse(total ?? 0, asked, resources))
  return answer(c, 200, cursorResponse(total, next && writeCursor(asked, next), resources))
}
