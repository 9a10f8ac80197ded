/** What a user let an application have for good. Consent to act for somebody else is never kept. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'

/** Whose consent it is, and to which application. */
export interface ConsentKey {
  readonly accountId: string
  readonly applicationId: string
}

const selectScopes = prepared<ConsentKey, { scopes: string }>((db, parameter) =>
  db
    .selectFrom('consent')
    .select('scopes')
    .where('account_id', '=', parameter('accountId'))
    .where('application_id', '=', parameter('applicationId')),
)

/** What was consented to for good: scopes, and single claims and resources as `consentItems` of the door names them. */
export const findConsent = async (db: Db, key: ConsentKey): Promise<ReadonlySet<string>> => {
  const [row] = await rowsOf(db, selectScopes(db, key))
  return new Set(row ? row.scopes.split(' ').filter((scope) => scope !== '') : [])
}

/** Keeps a consent, with what was consented to before. */
export const rememberConsent = (
  db: Db,
  { accountId, applicationId }: ConsentKey,
  items: Iterable<string>,
  now: Date,
): Write => {
  const scopes = [...new Set(items)].join(' ')
  const given_at = now.toISOString()
  return write(
    db
      .insertInto('consent')
      .values({ account_id: accountId, application_id: applicationId, scopes, given_at })
      .onConflict((conflict) =>
        conflict.columns(['account_id', 'application_id']).doUpdateSet({ scopes, given_at }),
      ),
  )
}
