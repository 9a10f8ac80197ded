/**
 * Which applications a user let in: by a consent that is kept, or by what lives of his grants, and of the impersonations
 * that he began there. Withdrawing ends all of it for the application, also what outlives his sessions.
 */
import { sql } from 'kysely'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Account, claimAccount } from '../directory/accounts.ts'
import { endIssued } from '../directory/application-end.ts'
import type { Caller } from '../directory/caller.ts'
import { change } from '../directory/change.ts'
import { livingLineages } from '../directory/living-lineages.ts'
import { endAuthorizations } from '../tokens/lineage.ts'

export interface AuthorizedApplication {
  readonly id: string
  readonly name: string
  readonly clientId: string
  /** Those consented to for good, and those of his living tokens. */
  readonly scopes: readonly string[]
}

const application = ['application.id', 'application.name', 'application.client_id as clientId'] as const

/** What consent is kept beside scopes begins with a quotation mark, which no scope has (RFC 6749 §3.3). */
const scopesOf = (items: string | null): readonly string[] =>
  (items ?? '').split(' ').filter((item) => item !== '' && !item.startsWith('"'))

/** Only those that answer to `only`, or all, by name; two queries however many there are. */
export const listAuthorizedApplications = async (
  db: Db,
  { id: accountId, organizationId }: Pick<Account, 'id' | 'organizationId'>,
  now: Date,
  only?: { readonly id: string } | { readonly name: string },
): Promise<readonly AuthorizedApplication[]> => {
  const at = now.toISOString()
  let consents = db
    .selectFrom('consent')
    .innerJoin('application', 'application.id', 'consent.application_id')
    .select([...application, 'consent.scopes'])
    .where('consent.account_id', '=', accountId)
    .where('application.organization_id', '=', organizationId)
  let living = db
    .selectFrom('lineage')
    .innerJoin('application', 'application.id', 'lineage.application_id')
    .leftJoin('lineage as session', 'session.id', 'lineage.session_id')
    .leftJoin('token', (join) =>
      join
        .onRef('token.lineage_id', '=', 'lineage.id')
        .onRef('token.application_id', '=', 'lineage.application_id')
        // those of an impersonation are the subject's
        .on('lineage.kind', '=', 'grant')
        .on('token.class', 'in', ['access', 'refresh'])
        .on('token.expires_at', '>', at)
        .on('token.spent_at', 'is', null),
    )
    .select([...application, 'token.scopes'])
    .distinct()
    .where('lineage.id', 'in', livingLineages(db, { accountId }))
    .where('lineage.ended_at', 'is', null)
    .where('lineage.ends_at', '>', at)
    .where((eb) =>
      eb.or([
        eb('lineage.session_id', 'is', null),
        eb.and([eb('session.id', 'is not', null), eb('session.ended_at', 'is', null)]),
      ]),
    )
    .where('application.organization_id', '=', organizationId)
  if (only) {
    const [column, value] =
      'id' in only ? (['application.id', only.id] as const) : (['application.name', only.name] as const)
    consents = consents.where(column, '=', value)
    living = living.where(column, '=', value)
  }
  const rows = (await Promise.all([consents.execute(), living.execute()])).flat()
  return [...Map.groupBy(rows, ({ id }) => id).entries()]
    .flatMap(([id, [first, ...others]]) => {
      if (!first) return []
      const scopes = new Set([first, ...others].flatMap((row) => scopesOf(row.scopes)))
      return [{ id, name: first.name, clientId: first.clientId, scopes: [...scopes].sort() }]
    })
    .sort((one, other) => Buffer.compare(Buffer.from(one.name), Buffer.from(other.name)))
}

/** Decisions on what he let in before are lost from now on: they are guarded by the account's version. */
const overtake = (db: Db, id: string): Write =>
  exactly(
    1,
    db
      .updateTable('account')
      .set((eb) => ({ version: sql<number>`${eb.ref('version')} + 1` }))
      .where('id', '=', id),
  )

/** Withdraws what the account let these applications have, with one audit row. */
export const withdrawAuthorizations = async (
  db: Db,
  caller: Caller,
  { id: accountId }: Pick<Account, 'id'>,
  applications: readonly AuthorizedApplication[],
  now: Date,
): Promise<void> => {
  const [only] = applications.length === 1 ? applications : []
  await change(db, caller, now, {
    claims: accountId === caller.accountId ? claimAccount(db, accountId) : undefined,
    writes: [
      overtake(db, accountId),
      ...applications.flatMap(({ id }) => [
        write(db.deleteFrom('consent').where('account_id', '=', accountId).where('application_id', '=', id)),
        ...endAuthorizations(
          db,
          { accountId, applicationId: id },
          { by: caller.accountId, reason: 'consent-withdrawn' },
          now,
        ),
      ]),
    ],
    events: [
      {
        event: 'consent-withdrawn',
        target: accountId,
        data: only ? { clientId: only.clientId } : { applications: applications.length },
        outcome: 'Success',
        subjectId: accountId,
        ...(only ? { applicationId: only.id } : {}),
      },
    ],
    administrative: false,
  })
}

/** Ends every token of an application, whosever it is; `unknown` when the organization has none of that id. */
export const revokeApplicationTokens = async (
  db: Db,
  caller: Caller,
  applicationId: string,
  now: Date,
): Promise<'revoked' | 'unknown'> => {
  const found = await db
    .selectFrom('application')
    .select(['id', 'client_id as clientId', 'organization_id as organizationId'])
    .where('id', '=', applicationId)
    .where('organization_id', '=', caller.organizationId)
    .executeTakeFirst()
  if (!found) return 'unknown'
  await change(db, caller, now, {
    writes: endIssued(db, found, { by: caller.accountId, reason: 'application-tokens-revoked' }, now),
    events: [
      {
        event: 'application-tokens-revoked',
        target: applicationId,
        data: { clientId: found.clientId },
        outcome: 'Success',
        applicationId,
      },
    ],
    // whatever is being decided for it now is decided anew, and begins after this
    administrative: true,
  })
  return 'revoked'
}
