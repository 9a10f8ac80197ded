/**
 * How many users a filter finds, exactly. Where they are nearly all, the others are counted, whom an index finds, and
 * taken from the number of all, which is kept. Each total is one statement, so it is true of one moment.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { belongs } from './belonging.ts'
import { sizeOf } from './population.ts'
import { type Filter, toCondition } from './search.ts'
import { userFields } from './user-fields.ts'
import { plain } from './user-filter.ts'
import { isFoundByIndexes, leadsToUsers, valueRowsOf } from './user-indexes.ts'

/** The ids of those to whom one filter applies, some of them perhaps more than once. */
const idsOf = (organizationId: string, filter: Filter): RawBuilder<unknown> => {
  const values = valueRowsOf(organizationId, filter)
  if (values) return sql`select account_value.account_id as id from account_value where ${values.where}`
  const condition = toCondition(filter, userFields(organizationId, filter))
  return sql`select account.id as id from account
    where ${belongs('account.organization_id', organizationId, leadsToUsers(filter))} and ${condition}`
}

/** The rows to count, one for each user. */
const rowsOf = (organizationId: string, filter: Filter): RawBuilder<unknown> => {
  if (valueRowsOf(organizationId, filter)?.several) {
    return sql`select distinct ids.id from (${idsOf(organizationId, filter)}) as ids`
  }
  if (filter.kind !== 'or' || !isFoundByIndexes(filter)) return idsOf(organizationId, filter)
  // each by its own index: Postgres would look at everybody for whether he is in one of the sets
  return sql.join(
    filter.terms.map((term) => idsOf(organizationId, term)),
    sql` union `,
  )
}

interface Counted {
  readonly everybody: number | string | null
  readonly n: number | string
}

/** The number of users to whom the plain `filter` applies; undefined when more than `most` would have to be counted. */
export const countUsers = async (
  db: Db,
  organizationId: string,
  filter: Filter,
  most?: number,
): Promise<number | undefined> => {
  const others = plain(filter, true)
  const fewer =
    typeof others !== 'boolean' &&
    !isFoundByIndexes(filter) &&
    (isFoundByIndexes(others) || valueRowsOf(organizationId, others) !== undefined)
  const bound = most === undefined ? sql`` : sql` limit ${most + 1}`
  const { rows } =
    await sql<Counted>`select ${fewer ? sizeOf('account', organizationId) : sql`0`} as everybody,
    (select count(*) from (${rowsOf(organizationId, fewer ? others : filter)}${bound}) as found) as n`.execute(
      db,
    )
  const n = Number(rows[0]?.n ?? 0)
  if (most !== undefined && n > most) return undefined
  return fewer ? Number(rows[0]?.everybody ?? 0) - n : n
}
