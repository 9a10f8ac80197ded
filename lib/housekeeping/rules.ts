/**
 * What nothing needs any more, and the statements that remove it. Audit rows are not in here: they stay. Expired
 * tokens stay a day, so that an exchange can still say that they have expired; an impersonation stays thirty.
 */
import { type ExpressionBuilder, type SqlBool, sql } from 'kysely'
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Database } from '../database/schema.ts'
import type { LineageKind } from '../tokens/lineage.ts'

const day = 86_400_000
const hour = 3_600_000

export const before = (now: Date, milliseconds: number): string =>
  new Date(now.getTime() - milliseconds).toISOString()

/** Rows that go by their age alone. */
export interface Rule {
  readonly name: string
  /** Whether there is one. */
  due(): Promise<boolean>
  /** Removes the oldest `limit` of them; two processes that do it at once remove each row once. */
  remove(limit: number): Write
}

const found = async (query: { executeTakeFirst(): Promise<unknown> }) =>
  (await query.executeTakeFirst()) !== undefined

type Expiring =
  | 'token'
  | 'interaction'
  | 'authorization_code'
  | 'pushed_request'
  | 'device_authorization'
  | 'used_value'

/** Rows with an `expires_at`, `kept` milliseconds behind it. */
const expired =
  (name: string, table: Expiring, key: 'id' | 'hash', kept: number) =>
  (db: Db, now: Date): Rule => {
    const old = (limit: number) =>
      sql`select ${sql.ref(key)} from ${sql.table(table)} where expires_at < ${before(now, kept)} order by expires_at limit ${limit}`
    return {
      name,
      due: async () => (await old(1).execute(db)).rows.length > 0,
      remove: (limit) => {
        const query = sql`delete from ${sql.table(table)} where ${sql.ref(key)} in (${old(limit)})`
        return write({ compile: () => query.compile(db) })
      },
    }
  }

const loginFailures = (db: Db, now: Date): Rule => {
  const old = db
    .selectFrom('login_failure')
    .select('id')
    .where('failed_at', '<', before(now, day))
    .orderBy('failed_at')
  return {
    name: 'login failures',
    due: () => found(old.limit(1)),
    remove: (limit) => write(db.deleteFrom('login_failure').where('id', 'in', old.limit(limit))),
  }
}

const sentMail = (db: Db, now: Date): Rule => {
  const old = db
    .selectFrom('outbox')
    .select('id')
    .where('sent_at', '<', before(now, 30 * day))
    .orderBy('sent_at')
  return {
    name: 'sent mail',
    due: () => found(old.limit(1)),
    remove: (limit) => write(db.deleteFrom('outbox').where('id', 'in', old.limit(limit))),
  }
}

/** Nobody will send it any more, so nobody needs whom it was for and what it said. */
const givenUpMail = (db: Db, now: Date): Rule => {
  const old = db
    .selectFrom('outbox')
    .select('id')
    .where('gave_up_at', '<', before(now, 30 * day))
    .orderBy('gave_up_at')
  return {
    name: 'given-up mail',
    due: () => found(old.limit(1)),
    remove: (limit) => write(db.deleteFrom('outbox').where('id', 'in', old.limit(limit))),
  }
}

/** Refusals, which hang on no lineage. */
const refusedImpersonations = (db: Db, now: Date): Rule => {
  const old = db
    .selectFrom('impersonation')
    .select('id')
    .where('refused_at', '<', before(now, 30 * day))
    .orderBy('refused_at')
  return {
    name: 'refused impersonations',
    due: () => found(old.limit(1)),
    remove: (limit) => write(db.deleteFrom('impersonation').where('id', 'in', old.limit(limit))),
  }
}

/** Logout notices that nobody will send any more, as `column` says since when. */
const oldNotices =
  (name: string, column: 'sent_at' | 'gave_up_at', kept: number) =>
  (db: Db, now: Date): Rule => {
    const old = db
      .selectFrom('logout_notice')
      .select('id')
      .where(column, '<', before(now, kept))
      .orderBy(column)
    return {
      name,
      due: () => found(old.limit(1)),
      remove: (limit) => write(db.deleteFrom('logout_notice').where('id', 'in', old.limit(limit))),
    }
  }

/** Deliveries to webhooks that nobody will send any more, as `column` says since when. */
const oldDeliveries =
  (name: string, column: 'sent_at' | 'gave_up_at') =>
  (db: Db, now: Date): Rule => {
    const old = db
      .selectFrom('webhook_delivery')
      .select('id')
      .where(column, '<', before(now, 30 * day))
      .orderBy(column)
    return {
      name,
      due: () => found(old.limit(1)),
      remove: (limit) => write(db.deleteFrom('webhook_delivery').where('id', 'in', old.limit(limit))),
    }
  }

/** The rules in an order in which nothing that is left points to what is gone. */
export const rules = (db: Db, now: Date): readonly Rule[] =>
  [
    expired('tokens', 'token', 'hash', day),
    expired('authorization codes', 'authorization_code', 'hash', day),
    expired('interactions', 'interaction', 'id', day),
    expired('pushed requests', 'pushed_request', 'hash', hour),
    expired('device authorizations', 'device_authorization', 'id', day),
    // once the value itself has expired it is refused for that
    expired('used values', 'used_value', 'hash', 0),
    loginFailures,
    refusedImpersonations,
    sentMail,
    givenUpMail,
    oldNotices('sent logout notices', 'sent_at', day),
    oldNotices('given-up logout notices', 'gave_up_at', 30 * day),
    oldDeliveries('delivered messages to webhooks', 'sent_at'),
    oldDeliveries('dead letters of webhooks', 'gave_up_at'),
  ].map((rule) => rule(db, now))

/** How long the lineage of each kind stays after its end. */
export const kept: Readonly<Record<LineageKind, number>> = {
  impersonation: 30 * day,
  session: day,
  client: day,
  grant: day,
}

/** Where a walk through old lineages is. */
export interface Place {
  readonly endsAt: string
  readonly id: string
}

/** What began in a session, and would be dead without it: `lineage` is the session's. */
const begunIn = (eb: ExpressionBuilder<Database, 'lineage'>) =>
  eb.or([
    eb.exists(
      eb
        .selectFrom('lineage as child')
        .select('child.id')
        .whereRef('child.session_id', '=', 'lineage.id')
        .where('child.kind', '<>', sql.lit('impersonation')),
    ),
    eb.exists(
      eb
        .selectFrom('impersonation')
        .innerJoin('lineage as child', 'child.id', 'impersonation.lineage_id')
        .select('child.id')
        .whereRef('impersonation.impersonator_id', '=', 'lineage.account_id')
        .where('impersonation.state', '=', 'open')
        .whereRef('child.session_id', '=', 'lineage.id'),
    ),
  ])

/**
 * The next old lineages of a kind behind `place`, and whether something needs them still: a token that hangs on one,
 * or a lineage that began in it, which would be dead without it.
 */
export const oldLineages = (
  db: Db,
  kind: LineageKind,
  now: Date,
  place: Place,
  limit: number,
): Promise<readonly { readonly id: string; readonly endsAt: string; readonly needed: unknown }[]> =>
  db
    .selectFrom('lineage')
    .select(['id', 'ends_at as endsAt'])
    .select((eb) => [
      eb
        .or([
          eb.exists(
            eb.selectFrom('token').select('token.hash').whereRef('token.lineage_id', '=', 'lineage.id'),
          ),
          begunIn(eb),
        ])
        .as('needed'),
    ])
    .where('kind', '=', kind)
    .where('ends_at', '>=', place.endsAt)
    .where('ends_at', '<', before(now, kept[kind]))
    // as the index has it
    .where(sql<SqlBool>`(kind <> 'impersonation' or settled_at is not null)`)
    .where((eb) => eb.or([eb('ends_at', '>', place.endsAt), eb('id', '>', place.id)]))
    .orderBy('ends_at')
    .orderBy('id')
    .limit(limit)
    .execute()

/**
 * Removes lineages with their session or impersonation. Should one be needed by now, the foreign key of a token
 * refuses the commit, and a lineage that somebody began in it keeps it.
 */
export const removeLineages = (db: Db, ids: readonly string[]): readonly Write[] => {
  const unneeded = db.deleteFrom('lineage').where('id', 'in', ids)
  return [
    write(db.deleteFrom('session').where('id', 'in', ids)),
    write(db.deleteFrom('impersonation').where('lineage_id', 'in', ids)),
    write(unneeded.where((eb) => eb.not(begunIn(eb)))),
  ]
}
