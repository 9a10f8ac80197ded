/** What the impersonator said that it is for: as audit rows have it, and as its authorization kept it. */
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'

export interface Said {
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
}

/** Its part of an audit row's data; nothing where nothing was said. */
export const saidData = ({ reason, ticket }: Said) => ({
  ...(reason === undefined ? {} : { impersonationReason: reason }),
  ...(ticket === undefined ? {} : { impersonationTicket: ticket }),
})

const select = prepared<{ id: string }, { reason: string | null; ticket: string | null }>((db, parameter) =>
  db.selectFrom('impersonation').select(['reason', 'ticket']).where('id', '=', parameter('id')),
)

/** What was said when it was authorized: asked where it is decided again, not with every token that is looked up. */
export const saidBefore = async (db: Db, impersonationId: string): Promise<Said> => {
  const [row] = await rowsOf(db, select(db, { id: impersonationId }))
  return { reason: row?.reason ?? undefined, ticket: row?.ticket ?? undefined }
}
