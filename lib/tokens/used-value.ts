/**
 * Values that may be seen once, by every process together: kept until they would be refused for their age. Known by
 * their SHA-256, with their kind and issuer, so that two issuers may choose the same value.
 */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { inserting, prepared, rowsOf } from '../database/prepared.ts'
import { hashOf } from './token.ts'

export interface OnceOnly {
  /** What the value is, such as `client assertion`. */
  readonly kind: string
  /** Who chose it. */
  readonly issuer: string
  readonly value: string
}

/** No part runs into the next. */
const keyOf = ({ kind, issuer, value }: OnceOnly) => hashOf(JSON.stringify([kind, issuer, value]))

const insertUsed = inserting('used_value', ['hash', 'expires_at'])

const selectUsed = prepared<{ hash: string }, { hash: string }>((db, parameter) =>
  db.selectFrom('used_value').select('hash').where('hash', '=', parameter('hash')),
)

/** Whether it was used before. That it is used now is certain only when `useOnce` was committed. */
export const isUsed = async (db: Db, once: OnceOnly): Promise<boolean> =>
  (await rowsOf(db, selectUsed(db, { hash: keyOf(once) }))).length > 0

/** Uses it up; a `conflict` of the commit says that another request did. */
export const useOnce = (db: Db, once: OnceOnly, expiresAt: Date): Write =>
  write(insertUsed(db, { hash: keyOf(once), expires_at: expiresAt.toISOString() }))
