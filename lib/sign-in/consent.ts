/** What a user let an application have for good. Consent to act for somebody else is never kept. */
import { holds, type Write, write } from '../database/commit.ts'
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

const selectSame = prepared<ConsentKey & { scopes: string }, unknown>((db, parameter) =>
  db
    .selectFrom('consent')
    .select('account_id')
    .where('account_id', '=', parameter('accountId'))
    .where('application_id', '=', parameter('applicationId'))
    .where('scopes', '=', parameter('scopes')),
)

/** What was consented to for good: scopes, and single claims and resources as `consentItems` of the door names them. */
export interface Consent {
  readonly items: ReadonlySet<string>
  /** As it is kept; undefined where nothing is. */
  readonly kept: string | undefined
}

/** The guard that this is what he consents to still: one that is withdrawn meanwhile lets nothing begin. */
export const consentIs = (db: Db, key: ConsentKey, kept: string): Write =>
  holds(selectSame(db, { ...key, scopes: kept }))

/** The consent that is kept, or an empty one. */
export const findConsent = async (db: Db, key: ConsentKey): Promise<Consent> => {
  const [row] = await rowsOf(db, selectScopes(db, key))
  const kept = row?.scopes
  return { items: new Set(kept?.split(' ').filter((item) => item !== '')), kept }
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
