/** What housekeeping removes, what it leaves, and that two processes do it at once, on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, exactly, type Write, write } from '../lib/database/commit.ts'
import { connect, type Db } from '../lib/database/connect.ts'
import { startHousekeeper } from '../lib/housekeeping/housekeeper.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'

const day = 86_400_000
const now = new Date()
const ago = (days: number) => new Date(now.getTime() - days * day).toISOString()
const log = createLog({ level: 'silent', format: 'text' })
const never = { now: () => now, everyMilliseconds: 2 ** 30 }

interface OfLineage {
  readonly sessionId?: string
  readonly accountId?: string
  readonly settledAt?: string
}

const lineage = (db: Db, id: string, kind: string, endsAt: string, more: OfLineage = {}) =>
  write(
    db.insertInto('lineage').values({
      id,
      kind,
      session_id: more.sessionId ?? null,
      account_id: more.accountId ?? null,
      ends_at: endsAt,
      settled_at: more.settledAt ?? null,
    }),
  )

const session = (db: Db, id: string, accountId: string, endsAt: string) =>
  write(
    db.insertInto('session').values({
      id,
      hash: id,
      browser_hash: id,
      account_id: accountId,
      authenticated_at: endsAt,
      seen_at: endsAt,
      ends_at: endsAt,
    }),
  )

/** One whose end is recorded, or that is open. */
const impersonation = (db: Db, id: string, state: 'open' | 'expired' = 'expired', impersonator = 'i') =>
  write(
    db.insertInto('impersonation').values({
      id,
      lineage_id: id,
      application_id: 'a',
      client_id: 'c',
      organization_id: 'o',
      impersonator_id: impersonator,
      subject_id: 's',
      scopes: '',
      state,
      authorized_at: ago(40),
    }),
  )

const tokenRow = (hash: string, lineageId: string, expiresAt: string) => ({
  hash,
  id: hash,
  class: 'access',
  lineage_id: lineageId,
  application_id: 'a',
  client_id: 'c',
  organization_id: 'o',
  subject_id: 's',
  scopes: '',
  issued_at: expiresAt,
  expires_at: expiresAt,
})
const token = (db: Db, hash: string, lineageId: string, expiresAt: string) =>
  write(db.insertInto('token').values(tokenRow(hash, lineageId, expiresAt)))

const interaction = (db: Db, id: string, expiresAt: string) =>
  write(
    db.insertInto('interaction').values({
      id,
      hash: id,
      browser_hash: id,
      stage: 'login',
      request: '{}',
      created_at: expiresAt,
      expires_at: expiresAt,
    }),
  )

const failure = (db: Db, id: string, at: string) =>
  write(db.insertInto('login_failure').values({ id, account_key: id, address: id, failed_at: at }))

const mail = (db: Db, id: string, sentAt: string | null, gaveUpAt: string | null = null) =>
  write(
    db.insertInto('outbox').values({
      id,
      message_id: id,
      recipient: 'r@example.com',
      template: 't',
      data: '{}',
      created_at: ago(90),
      attempts: 1,
      next_attempt_at: null,
      sent_at: sentAt,
      gave_up_at: gaveUpAt,
      sender: '',
    }),
  )

const notice = (db: Db, id: string, sentAt: string | null, gaveUpAt: string | null = null) =>
  write(
    db.insertInto('logout_notice').values({
      id,
      client_id: 'client',
      url: 'https://client.example/told',
      subject: 's',
      session_id: 'a-session',
      created_at: ago(90),
      attempts: 1,
      next_attempt_at: null,
      sent_at: sentAt,
      gave_up_at: gaveUpAt,
      sender: '',
    }),
  )

const delivery = (
  db: Db,
  webhookId: string,
  id: string,
  sentAt: string | null,
  gaveUpAt: string | null = null,
) =>
  write(
    db.insertInto('webhook_delivery').values({
      id,
      webhook_id: webhookId,
      event: 'webhook.test',
      body: '{}',
      created_at: ago(90),
      attempts: 1,
      sent_at: sentAt,
      gave_up_at: gaveUpAt,
      sender: '',
    }),
  )

for (const database of databases) {
  describe(`housekeeping on ${database.name}`, () => {
    let server: Booted
    let db: Db
    let accountId: string
    const put = async (...writes: Write[]) => expect(await commit(db, writes)).toBe('committed')
    const ids = async (
      table:
        | 'lineage'
        | 'session'
        | 'impersonation'
        | 'interaction'
        | 'login_failure'
        | 'outbox'
        | 'logout_notice'
        | 'webhook_delivery',
    ) => (await db.selectFrom(table).select('id').orderBy('id').execute()).map(({ id }) => id)
    const hashes = async () =>
      (await db.selectFrom('token').select('hash').orderBy('hash').execute()).map(({ hash }) => hash)

    beforeAll(async () => {
      server = await boot(database)
      db = server.db
      accountId = (await db.selectFrom('account').select('id').executeTakeFirstOrThrow()).id
    })
    afterAll(() => server.stop())

    test('it removes what has gone by, and leaves what something needs', async () => {
      await put(
        lineage(db, 'session-live', 'session', ago(-1)),
        session(db, 'session-live', accountId, ago(-1)),
        lineage(db, 'session-idle', 'session', ago(0.5)),
        session(db, 'session-idle', accountId, ago(1.5)),
        lineage(db, 'session-old', 'session', ago(3)),
        session(db, 'session-old', accountId, ago(4)),
        // its own end is long past, but what began in it goes on
        lineage(db, 'session-parent', 'session', ago(3), { accountId }),
        session(db, 'session-parent', accountId, ago(4)),
        lineage(db, 'long', 'impersonation', ago(-1), { sessionId: 'session-parent' }),
        impersonation(db, 'long', 'open', accountId),
        // something that lives three days past its session
        lineage(db, 'session-token', 'session', ago(3)),
        session(db, 'session-token', accountId, ago(4)),
        token(db, 'live', 'session-token', ago(-1)),
      )
      await put(
        lineage(db, 'recent', 'impersonation', ago(29), { sessionId: 'session-old', settledAt: ago(29) }),
        impersonation(db, 'recent'),
        lineage(db, 'gone', 'impersonation', ago(31), { sessionId: 'session-live', settledAt: ago(31) }),
        impersonation(db, 'gone'),
        token(db, 'gone-1', 'gone', ago(31)),
        token(db, 'expired-today', 'session-live', ago(0.9)),
        token(db, 'expired-before', 'session-live', ago(1.1)),
      )
      await put(
        interaction(db, 'open', ago(-0.1)),
        interaction(db, 'told', ago(0.5)),
        interaction(db, 'old', ago(2)),
      )
      await put(failure(db, 'counts', ago(0)), failure(db, 'forgotten', ago(1.5)))
      await put(
        mail(db, 'sent', ago(31)),
        mail(db, 'sent-lately', ago(29)),
        mail(db, 'given-up', null, ago(31)),
        mail(db, 'given-up-lately', null, ago(29)),
        mail(db, 'waiting', null),
      )
      await put(
        notice(db, 'sent', ago(1.1)),
        notice(db, 'sent-lately', ago(0.9)),
        notice(db, 'given-up', null, ago(31)),
        notice(db, 'given-up-lately', null, ago(29)),
        notice(db, 'waiting', null),
      )
      const webhook = await server.send('POST', '/api/server/v1/webhooks', {
        name: 'Receiver',
        url: 'https://receiver.example',
      })
      const { id: webhookId } = (await webhook.json()) as { id: string }
      await put(
        delivery(db, webhookId, 'sent', ago(31)),
        delivery(db, webhookId, 'sent-lately', ago(29)),
        delivery(db, webhookId, 'given-up', null, ago(31)),
        delivery(db, webhookId, 'given-up-lately', null, ago(29)),
        delivery(db, webhookId, 'waiting', null),
      )
      const audit = (await db.selectFrom('audit').select('id').execute()).length

      const housekeeper = startHousekeeper(db, log, never)
      expect(await housekeeper.tidy()).toBeGreaterThan(0)
      expect(await hashes()).toEqual(['expired-today', 'live'])
      expect(await ids('impersonation')).toEqual(['long', 'recent'])
      // of `recent` its own row says how it ended: its session may go
      const left = ['session-idle', 'session-live', 'session-parent', 'session-token']
      expect(await ids('session')).toEqual(left)
      expect(await ids('lineage')).toEqual(['long', 'recent', ...left])
      expect(await ids('interaction')).toEqual(['open', 'told'])
      expect(await ids('login_failure')).toEqual(['counts'])
      expect(await ids('outbox')).toEqual(['given-up-lately', 'sent-lately', 'waiting'])
      expect(await ids('logout_notice')).toEqual(['given-up-lately', 'sent-lately', 'waiting'])
      expect(await ids('webhook_delivery')).toEqual(['given-up-lately', 'sent-lately', 'waiting'])
      expect((await db.selectFrom('audit').select('id').execute()).length).toBe(audit)
      expect(await housekeeper.tidy()).toBe(0)
      await housekeeper.stop()

      const settled = db
        .updateTable('lineage')
        .set({ settled_at: ago(-1) })
        .where('id', '=', 'long')
      await put(
        exactly(1, settled),
        exactly(1, db.updateTable('impersonation').set({ state: 'expired' }).where('id', '=', 'long')),
      )
      const later = startHousekeeper(db, log, { ...never, now: () => new Date(now.getTime() + 40 * day) })
      await later.tidy()
      await later.stop()
      expect([
        await hashes(),
        await ids('impersonation'),
        await ids('session'),
        await ids('lineage'),
      ]).toEqual([[], [], [], []])
      expect(await ids('outbox')).toEqual(['waiting'])
      expect(await ids('logout_notice')).toEqual(['waiting'])
      expect(await ids('webhook_delivery')).toEqual(['waiting'])
    })

    test('two processes do it at once, beside commits, and nothing of it fails', async () => {
      await put(lineage(db, 'many', 'session', ago(-1)))
      for (let batch = 0; batch < 6; batch += 1) {
        const rows = Array.from({ length: 500 }, (_, n) =>
          tokenRow(`many-${batch}-${n}`, 'many', ago(2 + n / 500)),
        )
        await put(write(db.insertInto('token').values(rows)))
      }
      const failed: string[] = []
      const heard = (_: unknown, message: string) => failed.push(message)
      const listening = { ...log, error: heard as never }
      const other = await connect(server.config.database)
      const both = [db, other].map((one) => startHousekeeper(one, listening, never))
      let written = 0
      let done = false
      const requests = (async () => {
        for (; !done; written += 1) await put(token(db, `new-${written}`, 'many', ago(-1)))
      })()
      await Promise.all(both.map((housekeeper) => housekeeper.tidy()))
      done = true
      await requests
      for (const housekeeper of both) await housekeeper.stop()
      await other.destroy()
      expect(failed).toEqual([])
      const left = await hashes()
      expect(left).toHaveLength(written)
      expect(left.filter((hash) => !hash.startsWith('new-'))).toEqual([])
    }, 20_000)
  })
}
