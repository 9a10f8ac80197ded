/** The e-mail by which a person hears that somebody has begun to act for him. */
import { sql } from 'kysely'
import type { Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { prepared, rowsOf } from '../database/prepared.ts'
import { tenantId } from '../directory/config-store.ts'
import { impersonationType } from '../directory/impersonation-setting.ts'
import { isAddress } from '../email/address.ts'
import { enqueue } from '../email/outbox.ts'
import type { Approval } from '../tokens/approval.ts'

/** The deployment as mail shows it. */
export interface MailOrigin {
  /** What comes after the @ of Message-IDs. */
  readonly domain: string
  /** The server's name, as its users know it. */
  readonly hostname: string
}

export interface Notice {
  /** For the commit that starts the impersonation. */
  readonly writes: readonly Write[]
  /** The person should be told, and has no address that mail can be sent to. */
  readonly missingAddress: boolean
}

/** Whom the mail tells of what; an approval has it. */
export interface Told extends Pick<Approval, 'subjectId' | 'actorId'> {
  readonly application: Pick<Approval['application'], 'name'>
}

interface Addressees {
  readonly userName: string
  readonly email: string | null
  readonly impersonatorUserName: string
  readonly enabled: number
}

/**
 * Both accounts and the setting in one query, since every exchange asks. The setting's rule is that of
 * `isEmailNotificationEnabled`: on without the resource, off without the attribute. Scripts write these tables, so
 * nothing of it is cached.
 */
const selectAddressees = prepared<{ subjectId: string; impersonatorId: string }, Addressees>(
  (db, parameter) => {
    const query = sql<Addressees>`
    with resource as (
      select r.id from idn_config_resource r join idn_config_type t on t.id = r.type_id
      where t.name = ${impersonationType} and r.name = 'TENANT_IMPERSONATION_CONFIGURATION'
      and r.tenant_id = ${tenantId}
    )
    select subject.user_name as "userName", subject.email as "email", actor.user_name as "impersonatorUserName",
    case when not exists (select 1 from resource) or exists (
      select 1 from resource join idn_config_attribute a on a.resource_id = resource.id
      where a.attr_key = 'EnableEmailNotification' and lower(a.attr_value) = 'true'
    ) then 1 else 0 end as "enabled"
    from account subject cross join account actor
    where subject.id = ${parameter('subjectId')} and actor.id = ${parameter('impersonatorId')}`
    return { compile: () => query.compile(db) }
  },
)

/** The mail that tells of an impersonation, to the address of this moment; nothing when notices are off. */
export const startedNotice = async (
  db: Db,
  origin: MailOrigin,
  { subjectId, actorId, application }: Told,
  impersonationId: string,
  now: Date,
): Promise<Notice> => {
  const [found] = await rowsOf(db, selectAddressees(db, { subjectId, impersonatorId: actorId }))
  // without both accounts the commit is lost to its guards
  if (found?.enabled !== 1) return { writes: [], missingAddress: false }
  const { userName, email, impersonatorUserName } = found
  if (email === null || !isAddress(email)) return { writes: [], missingAddress: true }
  const mail = {
    recipient: email,
    template: 'impersonation-started',
    data: {
      userName,
      impersonatorUserName,
      application: application.name,
      hostname: origin.hostname,
      startedAt: now.toISOString(),
    },
    domain: origin.domain,
    impersonationId,
  } as const
  return { writes: [enqueue(db, mail, now)], missingAddress: false }
}
