/**
 * The e-mail by which a person hears that nobody acts for him any more, and what was done meanwhile. It follows the audit
 * trail: one mail for each `impersonation-ended`, queued in the commit that says how far the trail was followed. Its id is
 * the audit row's, so that even a trail that is followed again brings no second one.
 */
import type { Follower } from '../audit/follower.ts'
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { AuditTable } from '../database/schema.ts'
import { isNoticeOn } from '../directory/impersonation-setting.ts'
import { isAddress } from '../email/address.ts'
import { enqueue } from '../email/outbox.ts'
import type { TemplateData } from '../email/template.ts'
import type { Log } from '../log.ts'
import { doneIn } from './done.ts'
import { changeLines, endedBy } from './end-words.ts'
import { idsFrom } from './ids.ts'
import type { MailOrigin } from './notification.ts'

/** What was done is told by so many lines. */
const mostLines = 20
/** The mail of the start was queued by its commit. */
const startMinutes = 5

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Each once; nothing goes by the empty one, which keeps a list from being none. */
const present = (ids: readonly (string | null)[]) => [...new Set(['', ...ids.filter((id) => id !== null)])]

const byId = <Row extends { readonly id: string }>(rows: readonly Row[]): ReadonlyMap<string, Row> =>
  new Map(rows.map((row) => [row.id, row]))

/** What these rows name, in one query a kind. */
const namesOf = async (db: Db, rows: readonly AuditTable[]) => {
  const [accounts, applications, impersonations] = await Promise.all([
    db
      .selectFrom('account')
      .select(['id', 'user_name', 'email'])
      .where('id', 'in', present(rows.flatMap((row) => [row.subject_id, row.actor_id])))
      .execute(),
    db
      .selectFrom('application')
      .select(['id', 'name'])
      .where('id', 'in', present(rows.map((row) => row.application_id)))
      .execute(),
    db
      .selectFrom('impersonation')
      .select(['id', 'reason', 'ticket'])
      .where('id', 'in', present(rows.map((row) => row.impersonation_id)))
      .execute(),
  ])
  return {
    accounts: byId(accounts),
    applications: byId(applications),
    impersonations: byId(impersonations),
  }
}

/** What the mail of the start said: the names of what has been deleted since. */
const saidAtStart = async (db: Db, impersonationId: string, startedAt: string): Promise<TemplateData> => {
  const at = Date.parse(startedAt)
  if (Number.isNaN(at)) return {}
  const around = (minutes: number) => idsFrom(new Date(at + minutes * 60_000))
  const row = await db
    .selectFrom('outbox')
    .select('data')
    .where('id', '>=', around(-startMinutes))
    .where('id', '<', around(startMinutes))
    .where('impersonation_id', '=', impersonationId)
    .where('template', '=', 'impersonation-started')
    .executeTakeFirst()
  return row ? (JSON.parse(row.data) as TemplateData) : {}
}

const queuedAlready = async (db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> => {
  const rows = await db.selectFrom('outbox').select('id').where('id', 'in', ids).execute()
  return new Set(rows.map(({ id }) => id))
}

/** Tells everybody who was acted for, unless notices are switched off; who has no address is not told. */
export const endedNoticeFollower = (db: Db, origin: MailOrigin, log: Log): Follower => {
  const dataOf = async (
    row: AuditTable,
    subject: { readonly id: string; readonly user_name: string },
    names: Awaited<ReturnType<typeof namesOf>>,
  ) => {
    const data: Readonly<Record<string, unknown>> = JSON.parse(row.data)
    const [impersonatorId, startedAt] = [row.actor_id ?? '', text(data.startedAt)]
    const actor = names.accounts.get(impersonatorId)?.user_name
    const application = names.applications.get(row.application_id ?? '')?.name
    const isWhole = actor !== undefined && application !== undefined
    const said = isWhole ? {} : await saidAtStart(db, row.impersonation_id ?? '', startedAt)
    const impersonator = {
      id: impersonatorId,
      userName: actor ?? (text(said.impersonatorUserName) || 'a deleted user'),
    }
    const { reason, ticket } = names.impersonations.get(row.impersonation_id ?? '') ?? {}
    const people = {
      subject: { id: subject.id, userName: subject.user_name },
      impersonator,
      clientId: text(data.clientId),
    }
    return {
      requests: typeof data.requests === 'number' ? data.requests : 0,
      told: {
        userName: subject.user_name,
        impersonatorUserName: impersonator.userName,
        application: application ?? (text(said.application) || 'a deleted application'),
        hostname: origin.hostname,
        startedAt,
        endedAt: text(data.endedAt) || row.at,
        endedBy: endedBy(row.initiator, text(data.reason), people),
        ...(reason ? { reason } : {}),
        ...(ticket ? { ticket } : {}),
      },
    }
  }

  return {
    name: 'ended-notice',
    events: new Set(['impersonation-ended']),
    idle: async () => !(await isNoticeOn(db, await readRevision(db))),
    async take(rows) {
      const now = new Date()
      const [names, queued, done] = await Promise.all([
        namesOf(db, rows),
        queuedAlready(
          db,
          rows.map(({ id }) => id),
        ),
        doneIn(db, present(rows.map((row) => row.impersonation_id)), mostLines),
      ])
      const mails = rows.map(async (row) => {
        const subject = names.accounts.get(row.subject_id ?? '')
        if (!subject || queued.has(row.id)) return []
        if (subject.email === null || !isAddress(subject.email)) {
          log.warn({ subjectId: subject.id }, 'the end of an impersonation is told to nobody: no address')
          return []
        }
        const { told, requests } = await dataOf(row, subject, names)
        const id = row.impersonation_id ?? undefined
        const mail = {
          recipient: subject.email,
          template: 'impersonation-ended',
          data: { ...told, changes: changeLines(done.get(id ?? ''), requests) },
          domain: origin.domain,
          impersonationId: id,
        } as const
        return [enqueue(db, mail, now, row.id)]
      })
      return (await Promise.all(mails)).flat()
    },
  }
}
