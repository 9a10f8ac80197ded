/** The e-mail by which a person hears that somebody has begun to act for him. */
import type { Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Account } from '../directory/accounts.ts'
import type { Application } from '../directory/applications.ts'
import { isNoticeOn } from '../directory/impersonation-setting.ts'
import { isAddress } from '../email/address.ts'
import { enqueue } from '../email/outbox.ts'

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
export interface Told {
  readonly revision: number
  readonly subject: Pick<Account, 'userName' | 'email'>
  readonly actor: Pick<Account, 'userName'>
  readonly application: Pick<Application, 'name'>
  /** What was said of it (`impersonation/reason.ts`). */
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
}

/** The mail that tells of an impersonation, to the address its decision read; nothing when notices are off. */
export const startedNotice = async (
  db: Db,
  origin: MailOrigin,
  { revision, subject, actor, application, reason, ticket }: Told,
  impersonationId: string,
  now: Date,
): Promise<Notice> => {
  if (!(await isNoticeOn(db, revision))) return { writes: [], missingAddress: false }
  const { userName, email } = subject
  if (email === null || !isAddress(email)) return { writes: [], missingAddress: true }
  const mail = {
    recipient: email,
    template: 'impersonation-started',
    data: {
      userName,
      impersonatorUserName: actor.userName,
      application: application.name,
      hostname: origin.hostname,
      startedAt: now.toISOString(),
      ...(reason === undefined ? {} : { reason }),
      ...(ticket === undefined ? {} : { ticket }),
    },
    domain: origin.domain,
    impersonationId,
  } as const
  return { writes: [enqueue(db, mail, now)], missingAddress: false }
}
