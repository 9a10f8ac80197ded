/** The subject claim of an application: one of an account's attributes, by WSO2's name for it, in the place of its id. */
import { sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { attributeOfClaim, parseAttributes, primaryText } from './attributes.ts'

const claim = (name: string) => `http://wso2.org/claims/${name}`

/** A backslash escapes what LIKE would take for any text. */
const literally = (text: string) => text.replace(/[\\%_]/g, (character) => `\\${character}`)

/** Whether an account or a client has this id. */
const isIdOfAnybody = async (db: Db, value: string): Promise<boolean> => {
  const [account, client] = await Promise.all([
    db.selectFrom('account').select('id').where('id', '=', value).executeTakeFirst(),
    db.selectFrom('application').select('id').where('client_id', '=', value).executeTakeFirst(),
  ])
  return account !== undefined || client !== undefined
}

/**
 * The value of a local claim (`http://wso2.org/claims/…`) of an account; undefined when there is none, and when another
 * account of the organization has it as well, or goes by it for want of one, or a client does: users may write some of
 * their attributes, and nobody becomes somebody else by doing so.
 */
export const uniqueClaimValue = async (
  db: Db,
  accountId: string,
  uri: string,
): Promise<string | undefined> => {
  if (uri === claim('userid')) return accountId
  const row = await db
    .selectFrom('account')
    .select(['organization_id', 'user_name', 'email', 'attributes'])
    .where('id', '=', accountId)
    .executeTakeFirst()
  if (!row) return undefined
  // unique in its organization by the table itself
  if (uri === claim('username')) return (await isIdOfAnybody(db, row.user_name)) ? undefined : row.user_name
  const others = db
    .selectFrom('account')
    .select('attributes')
    .where('organization_id', '=', row.organization_id)
    .where('id', '!=', accountId)
  if (uri === claim('emailaddress')) {
    if (!row.email) return undefined
    const same = sql<boolean>`lower(email) = ${row.email.toLowerCase()}`
    return (await others.where(same).limit(1).executeTakeFirst()) ? undefined : row.email
  }
  const attribute = attributeOfClaim(uri)
  if (!attribute) return undefined
  const valueIn = (stored: string) => primaryText(parseAttributes(stored).get(attribute.name))
  const value = valueIn(row.attributes)
  if (value === undefined || (await isIdOfAnybody(db, value))) return undefined
  // the text as JSON holds it finds the candidates; what is theirs tells
  const pattern = `%${literally(JSON.stringify(value))}%`
  const candidates = await others.where(sql<boolean>`attributes like ${pattern} escape '\\'`).execute()
  return candidates.some((other) => valueIn(other.attributes) === value) ? undefined : value
}
