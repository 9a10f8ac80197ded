/** The users of an organization, filtered and paged by the database. */
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Db, isPostgres } from '../database/connect.ts'
import { userNameKey } from './accounts.ts'
import type { Caller } from './caller.ts'
import { textMatches } from './text-condition.ts'

export interface UserCondition {
  readonly field: UserField
  readonly operator: 'eq' | 'co' | 'sw' | 'ew' | 'ge' | 'le' | 'gt' | 'lt'
  /** For an instant its ISO-8601 text in UTC. */
  readonly value: string
}

/** What users can be found by. Attributes are named by the place of one text in the stored JSON. */
export type UserField =
  | 'id'
  | 'userName'
  | 'email'
  | 'created'
  | 'lastModified'
  | { readonly attribute: readonly string[] }

export interface Page {
  /** From 0. */
  readonly offset: number
  readonly limit: number
}

/** One text inside the stored JSON; each engine has its own way to say so. */
const attributeText = (db: Db, names: readonly string[]): RawBuilder<string | null> =>
  isPostgres(db)
    ? sql`attributes::jsonb #>> ${`{${names.map((name) => JSON.stringify(name)).join(',')}}`}::text[]`
    : sql`json_extract(attributes, ${`$${names.map((name) => `.${JSON.stringify(name)}`).join('')}`})`

const column = (db: Db, field: UserField): RawBuilder<string | null> => {
  if (typeof field === 'object') return attributeText(db, field.attribute)
  if (field === 'userName') return sql`user_name_key`
  if (field === 'email' || field === 'id') return sql.ref(field)
  return field === 'created' ? sql`created_at` : sql`modified_at`
}

const comparisons = { ge: sql`>=`, le: sql`<=`, gt: sql`>`, lt: sql`<` } as const

const matches = (db: Db, { field, operator, value }: UserCondition): Expression<SqlBool> => {
  const left = column(db, field)
  if (operator === 'ge' || operator === 'le' || operator === 'gt' || operator === 'lt') {
    return sql<SqlBool>`${left} ${comparisons[operator]} ${value}`
  }
  // both are found by their index
  if (operator === 'eq' && (field === 'userName' || field === 'id')) {
    return sql<SqlBool>`${left} = ${field === 'id' ? value : userNameKey(value)}`
  }
  return textMatches(left, operator, field === 'userName' ? userNameKey(value) : value)
}

/** The ids of one page of the users to which all conditions apply, and how many there are in all. */
export const findUserIds = async (
  db: Db,
  caller: Caller,
  conditions: readonly UserCondition[],
  { offset, limit }: Page,
): Promise<{ readonly total: number; readonly ids: readonly string[] }> => {
  let found = db.selectFrom('account').where('organization_id', '=', caller.organizationId)
  for (const condition of conditions) found = found.where(matches(db, condition))
  const [count, rows] = await Promise.all([
    found.select((eb) => eb.fn.countAll().as('n')).executeTakeFirstOrThrow(),
    limit > 0 ? found.select('id').orderBy('id').limit(limit).offset(offset).execute() : [],
  ])
  return { total: Number(count.n), ids: rows.map(({ id }) => id) }
}
