/** A process that writes one mail and may send it, to be killed by a test. Its argument is JSON. */
import { commit } from '../lib/database/commit.ts'
import { connect, type DatabaseConfig } from '../lib/database/connect.ts'
import type { MailerOptions } from '../lib/email/mailer.ts'
import { startMailer } from '../lib/email/mailer.ts'
import { enqueue, type Mail } from '../lib/email/outbox.ts'
import { createLog } from '../lib/log.ts'

export interface MailerProcess {
  readonly database: DatabaseConfig
  readonly mail: Mail
  /** Absent: the mail is committed and nobody sends it. */
  readonly mailer?: Pick<MailerOptions, 'email' | 'dataDirectory' | 'hostname'>
}

const { database, mail, mailer }: MailerProcess = JSON.parse(process.argv[2] ?? '')
const db = await connect(database)
if (mailer) startMailer(db, mailer, createLog({ level: 'silent', format: 'json' }))
await commit(db, [enqueue(db, mail, new Date())])
process.stdout.write('committed\n')
// until it is killed
setInterval(() => {}, 60_000)
