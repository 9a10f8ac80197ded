/** Mail: what it says, how it leaves, and that it leaves once whatever fails in between. */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import pino from 'pino'
import type { Email } from '../lib/config/email.ts'
import { bump, close, commit, exactly, readRevision, write } from '../lib/database/commit.ts'
import { connect, type Db } from '../lib/database/connect.ts'
import { migrate } from '../lib/database/migrate.ts'
import { openSqlite } from '../lib/database/sqlite.ts'
import { findAccounts } from '../lib/directory/accounts.ts'
import { systemCaller } from '../lib/directory/caller.ts'
import { createConfigurationType } from '../lib/directory/config-store.ts'
import { isEmailNotificationEnabled, setEmailNotification } from '../lib/directory/impersonation-setting.ts'
import { isAddress, mailboxOf, messageDomain } from '../lib/email/address.ts'
import { backOff } from '../lib/email/back-off.ts'
import { type MailerOptions, startMailer } from '../lib/email/mailer.ts'
import { enqueue, type Mail, mailSender } from '../lib/email/outbox.ts'
import { render } from '../lib/email/template.ts'
import { loginTime } from '../lib/email/templates/time.ts'
import { startedNotice } from '../lib/impersonation/notification.ts'
import { databases, freePort, temporaryDirectory } from './databases.ts'
import { account } from './fixtures.ts'
import {
  certificateAuthority,
  credentials,
  type Delivery,
  type MailServer,
  type MailServerOptions,
  readMail,
  refusal,
  startMailServer,
} from './mail-server.ts'
import type { MailerProcess } from './mailer-process.ts'
import { seedType } from './scenario.ts'

setDefaultTimeout(15_000)

const started = new Date('2024-06-18T07:30:00.000Z')
const minute = 60_000
const hour = 60 * minute

const data = {
  userName: 'alice',
  impersonatorUserName: 'bob',
  application: 'POSTMAN_SBA',
  hostname: 'id.example.com',
  startedAt: started.toISOString(),
}

const mail = (more: Partial<Mail> = {}): Mail => ({
  recipient: 'alice@example.com',
  template: 'impersonation-started',
  data,
  domain: 'example.com',
  ...more,
})

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

const mailServer = async (options: MailServerOptions = {}): Promise<MailServer> => {
  const server = await startMailServer(options)
  endings.push(() => server.stop())
  return server
}

const emailFor = async (port: number, more: Partial<Email> = {}): Promise<Email> => ({
  fromAddress: 'no-reply@example.com',
  ...credentials,
  hostname: 'localhost',
  port,
  security: 'starttls',
  authentication: true,
  certificateAuthority: await certificateAuthority(),
  messagesPerSecond: 1000,
  ...more,
})

const patience = { connect: 400, answer: 400, whole: 1_000, stop: 300 }

/** A mailer on a clock that only the test moves, with all that it logged. */
const mailer = (db: Db, options: Partial<MailerOptions> = {}) => {
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) })
  let time = started
  const running = startMailer(
    db,
    {
      dataDirectory: temporaryDirectory(),
      hostname: 'id.example.com',
      now: () => time,
      patience,
      ...options,
    },
    log,
  )
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= running.stop()
    return stopped
  }
  endings.push(stop)
  return {
    flush: running.flush,
    stop,
    logged: () => lines.join(''),
    now: () => time,
    advance(milliseconds: number) {
      time = new Date(time.getTime() + milliseconds)
    },
  }
}

const outbox = (db: Db) => db.selectFrom('outbox').selectAll().orderBy('id').execute()
const only = async (db: Db) => {
  const [row, ...others] = await outbox(db)
  if (!row || others.length > 0) throw new Error('not one row')
  return row
}

describe('the template', () => {
  test.each([
    ['2024-06-18T07:30:00Z', 'June 18, 2024 at 07:30 AM UTC'],
    ['2024-01-01T00:05:59Z', 'January 01, 2024 at 12:05 AM UTC'],
    ['2026-12-31T12:00:00Z', 'December 31, 2026 at 12:00 PM UTC'],
    ['2026-02-09T23:59:00Z', 'February 09, 2026 at 11:59 PM UTC'],
  ])('it writes %s as %s', (instant, text) => {
    expect(loginTime(new Date(instant))).toBe(text)
  })

  test('it tells who, whom, when, where and whom to write to', () => {
    const { subject, text } = render('impersonation-started', data, {
      organization: 'Example Ltd',
      supportAddress: 'help@example.com',
    })
    expect(subject).toBe('User Impersonation Session Started')
    expect(text).toBe(`Hi alice,

An impersonation session for your account alice was started on June 18, 2024 at 07:30 AM UTC by bob.

  Account:     alice
  Started on:  June 18, 2024 at 07:30 AM UTC
  Started by:  bob
  Application: POSTMAN_SBA
  Reason:      none was given
  Ticket:      none was given

While it lasts, bob can act as you in the application POSTMAN_SBA. Everything changed in this way is recorded under both names.

If you did not expect this, write to help@example.com at once.

-- 
Example Ltd sends this message for each such session at id.example.com.
`)
  })

  test('it sends nobody to an address that there is not', () => {
    const { text, html } = render('impersonation-started', data, { organization: 'id.example.com' })
    expect(text).toContain('If you did not expect this, tell your administrator at once.\n')
    expect(html).toContain('tell your administrator at once.')
    expect(html).not.toContain('mailto:')
  })

  test('it lets no name become markup, a second line or reversed text', () => {
    const { subject, text, html } = render(
      'impersonation-started',
      {
        ...data,
        userName: '<script>alert(1)</script>',
        impersonatorUserName: `"x" onload='y' & \r\n\r\nBcc: eve@evil.example`,
        application: '\u202Eelbisrever\u2029</td>',
      },
      { organization: '<b>O</b>', supportAddress: `a"b@'c` },
    )
    expect(subject).toBe('User Impersonation Session Started')
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('&quot;x&quot; onload=&#39;y&#39; &amp; Bcc: eve@evil.example')
    expect(html).toContain('href="mailto:a&quot;b@&#39;c"')
    expect(html).toContain('elbisrever &lt;/td&gt;')
    expect(html).not.toMatch(/<script|<b>|onload='/)
    expect(text).toContain(`Started by:  "x" onload='y' & Bcc: eve@evil.example\n`)
    expect(`${html}${text}`).not.toMatch(/[\u202E\u2029\r]/)
  })

  test('its page loads nothing and fits light and dark', () => {
    const { html } = render('impersonation-started', data, { organization: 'o' })
    expect(html).not.toMatch(/https?:|src=|url\(|<link|<img|<script|@import/)
    expect(html).toContain('<meta name="color-scheme" content="light dark">')
    expect(html).toContain('prefers-color-scheme: dark')
  })
})

describe('addresses', () => {
  test.each(['alice@example.com', "o'hara+x@sub.example.co.uk", 'jürgen@bücher.example', 'a@localhost'])(
    'mail can be sent to %s',
    (text) => expect(isAddress(text)).toBeTrue(),
  )

  test.each([
    '',
    'alice',
    'alice@',
    '@example.com',
    'a@b, c@d',
    'a@b;c@d',
    'a b@c',
    'a@b\r\nBcc: c@d',
    '<a@b>',
    'group: a@b',
    'a@b@c',
    'a\u0000@b',
    `${'a'.repeat(65)}@b`,
  ])('mail cannot be sent to %j', (text) => expect(isAddress(text)).toBeFalse())

  test('the sender may have a name, and its domain is that of Message-IDs', () => {
    expect(mailboxOf('Example <no-reply@example.com>')).toEqual({
      name: 'Example',
      address: 'no-reply@example.com',
    })
    expect(mailboxOf('no-reply@example.com')).toEqual({ name: '', address: 'no-reply@example.com' })
    expect(messageDomain('"E, F" <no-reply@Example.com>', 'h')).toBe('example.com')
    expect(messageDomain('no-reply@bücher.example', 'h')).toBe('xn--bcher-kva.example')
    expect(messageDomain(undefined, 'id.example.com')).toBe('id.example.com')
  })
})

describe('the back-off', () => {
  test('it doubles from a second to an hour, and never falls together', () => {
    for (let failures = 1; failures < 2000; failures += 1) {
      const full = Math.min(hour, 1000 * 2 ** (failures - 1))
      const wait = backOff(failures, hour)
      expect(wait).toBeLessThanOrEqual(full)
      expect(wait).toBeGreaterThanOrEqual(Math.floor(full * 0.8))
    }
    expect(new Set(Array.from({ length: 20 }, () => backOff(9, hour))).size).toBeGreaterThan(10)
  })
})

/** Holds every write of other connections until `free`, which first breaks off those that wait. */
const freeze = async (database: Awaited<ReturnType<(typeof databases)[number]['create']>>) => {
  if (database.type === 'sqlite') {
    const lock = openSqlite(database.path, { readonly: false })
    lock.exec('begin immediate')
    return async () => {
      lock.exec('rollback')
      lock.close()
    }
  }
  const sql = new Bun.SQL(database.url, { max: 1 })
  await sql.unsafe('begin')
  await sql.unsafe('lock table outbox in share mode')
  return async () => {
    // a server process goes on waiting for its lock when its client has been killed
    await sql.unsafe(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    )
    await sql.unsafe('rollback')
    await sql.end()
  }
}

describe.each(databases)('mail on $name', (database) => {
  let created: ReturnType<typeof database.create> | undefined

  /** One database for all, without what an earlier test left; connections of one's own. */
  const open = async () => {
    created ??= database.create()
    const asked = await created
    const config = asked.type === 'postgres' ? { ...asked, poolSize: 4 } : asked
    const db = await connect(config)
    endings.push(() => close(db))
    await migrate(db, started)
    await commit(db, [
      write(db.deleteFrom('outbox')),
      write(db.deleteFrom('account')),
      write(db.deleteFrom('idn_config_type').where('name', '=', seedType.name)),
    ])
    return { db, config }
  }

  const post = async (db: Db, mails: readonly Mail[] = [mail()], now = started) => {
    const outcome = await commit(
      db,
      mails.map((each) => enqueue(db, each, now)),
    )
    expect(outcome).toBe('committed')
  }

  const dozen = Array.from({ length: 12 }, (_, index) => mail({ recipient: `user${index}@example.com` }))

  test.each([
    { security: 'starttls' as const, secure: false },
    { security: 'tls' as const, secure: true },
  ])(
    'it leaves by $security with a login, is what was meant, and is marked',
    async ({ security, secure }) => {
      const server = await mailServer({ secure })
      const { db } = await open()
      const impersonationId = Bun.randomUUIDv7()
      const hostile = {
        ...data,
        userName: '<script>',
        impersonatorUserName: 'bob\r\nBcc: eve@evil.example',
      }
      await post(db, [mail({ data: hostile, impersonationId, recipient: 'juergen@bücher.example' })])
      const email = await emailFor(server.port, {
        security,
        organizationName: 'Example "GmbH", Bücher\u00a0& Co',
        replyTo: 'help@example.com',
        supportAddress: 'help@example.com',
      })
      const { flush, logged } = mailer(db, { email })
      await flush()

      const row = await only(db)
      expect(server.deliveries).toHaveLength(1)
      const [delivery] = server.deliveries as [Delivery]
      expect(delivery).toMatchObject({ from: 'no-reply@example.com', secure: true, user: 'mayact' })
      expect(delivery.to).toHaveLength(1)
      const { headers, alternatives } = readMail(delivery.raw)
      expect([...headers.keys()].sort()).toEqual([
        'auto-submitted',
        'content-type',
        'date',
        'from',
        'message-id',
        'mime-version',
        'reply-to',
        'subject',
        'to',
      ])
      expect(headers.get('subject')).toBe('User Impersonation Session Started')
      expect(headers.get('message-id')).toBe(row.message_id)
      expect(row.message_id).toMatch(/^<[\da-f-]{36}@example\.com>$/)
      expect(headers.get('date')).toBe('Tue, 18 Jun 2024 07:30:00 +0000')
      expect(headers.get('from')).toEndWith('<no-reply@example.com>')
      expect(headers.get('to')).toContain('@xn--bcher-kva.example')
      expect(headers.get('reply-to')).toBe('help@example.com')
      expect(headers.get('auto-submitted')).toBe('auto-generated')
      expect(alternatives.map(({ type }) => type)).toEqual([
        'text/plain; charset=utf-8',
        'text/html; charset=utf-8',
      ])
      const letterhead = { organization: email.organizationName ?? '', supportAddress: 'help@example.com' }
      const { text, html } = render('impersonation-started', hostile, letterhead)
      expect(alternatives.map(({ content }) => content.trimEnd())).toEqual([text.trimEnd(), html.trimEnd()])
      expect(text).toContain('Started by:  bob Bcc: eve@evil.example\n')

      expect(row).toMatchObject({
        impersonation_id: impersonationId,
        attempts: 1,
        next_attempt_at: null,
        sent_at: started.toISOString(),
        gave_up_at: null,
        last_error: null,
      })
      await flush()
      expect(server.deliveries).toHaveLength(1)
      expect(logged()).not.toContain('bücher')
    },
  )

  test('it is not sent when the commit it belongs to is lost', async () => {
    const { db } = await open()
    const never = exactly(1, db.updateTable('meta').set({ value: 'x' }).where('name', '=', 'nowhere'))
    expect(await commit(db, [enqueue(db, mail(), started), never])).toBe('lost')
    expect(await outbox(db)).toEqual([])
  })

  test('without a mail server it becomes a file that only the owner can read', async () => {
    const { db } = await open()
    const dataDirectory = temporaryDirectory()
    await post(db, [mail({ domain: 'id.example.com' })])
    const { flush } = mailer(db, { dataDirectory })
    await flush()
    const row = await only(db)
    expect(row.sent_at).not.toBeNull()
    const folder = join(dataDirectory, 'outbox')
    const name = `${row.message_id.slice(1, -1)}.eml`
    expect(readdirSync(folder)).toEqual([name])
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    const { headers, alternatives } = readMail(readFileSync(join(folder, name), 'utf8'))
    expect(headers.get('message-id')).toBe(row.message_id)
    expect(headers.get('from')).toBe('"id.example.com" <no-reply@id.example.com>')
    expect(headers.get('to')).toBe('alice@example.com')
    expect(alternatives[0]?.content).toStartWith('Hi alice,')
  })

  test('it goes nowhere unencrypted, unverified or without the login that was asked for', async () => {
    const secure = await mailServer()
    const plain = await mailServer({ plain: true })
    const right = await emailFor(secure.port)
    const { certificateAuthority: _, ...unknownAuthority } = right
    const cases: readonly [string, Email, RegExp][] = [
      ['untrusted', unknownAuthority, /ESOCKET CONN .*certificate/],
      ['another name', { ...right, hostname: '127.0.0.2' }, /certificate|altname|refused|connect/i],
      ['no STARTTLS', await emailFor(plain.port), /ETLS|STARTTLS/],
      ['no TLS at all', await emailFor(plain.port, { security: 'tls' }), /./],
      [
        'no AUTH',
        await emailFor(plain.port, { security: 'none' }),
        /the mail server refused the login|EAUTH/,
      ],
      ['password', { ...right, password: 'Wr0ng+Pass/word=' }, /^the mail server refused the login \(535\)$/],
    ]
    for (const [name, email, reason] of cases) {
      const { db } = await open()
      await post(db)
      const { flush, logged, stop } = mailer(db, { email })
      await flush()
      const row = await only(db)
      expect([name, row.sent_at, row.attempts, row.gave_up_at]).toEqual([name, null, 1, null])
      expect(row.last_error).toMatch(reason)
      expect(row.next_attempt_at).not.toBe(null)
      for (const password of [credentials.password, 'Wr0ng+Pass/word=']) {
        for (const secret of [password, btoa(password), btoa(`\0${credentials.username}\0${password}`)]) {
          expect(JSON.stringify(row)).not.toContain(secret)
          expect(logged()).not.toContain(secret)
        }
      }
      await stop()
    }
    expect([...secure.deliveries, ...plain.deliveries]).toEqual([])
    // without TLS and login only when it is configured so
    const { db } = await open()
    await post(db)
    await mailer(db, {
      email: await emailFor(plain.port, { security: 'none', authentication: false }),
    }).flush()
    expect(plain.deliveries).toHaveLength(1)
  })

  test('it is given up at once when its recipient is refused for ever, and alone', async () => {
    const server = await mailServer({
      recipient: (address) =>
        address === 'gone@example.com'
          ? [550, `5.1.1 no such user, ${credentials.password}\u0007 said you`]
          : undefined,
    })
    const { db } = await open()
    await post(db, [
      mail({ recipient: 'gone@example.com' }),
      mail(),
      mail({ recipient: 'a@example.com, b@example.com' }),
    ])
    const { flush, logged } = mailer(db, { email: await emailFor(server.port) })
    await flush()
    const [gone, sent, list] = await outbox(db)
    expect(gone).toMatchObject({
      gave_up_at: started.toISOString(),
      next_attempt_at: null,
      sent_at: null,
      attempts: 1,
    })
    expect(gone?.last_error).toMatch(/550 5\.1\.1 no such user, \[redacted\]/)
    expect(list).toMatchObject({
      gave_up_at: started.toISOString(),
      last_error: 'the recipient is not an e-mail address',
    })
    expect(sent?.sent_at).not.toBeNull()
    expect(server.deliveries.map(({ to }) => to)).toEqual([['alice@example.com']])
    expect(logged()).toContain('is given up')
    expect(logged()).not.toContain(credentials.password)
  })

  test('it is tried again after 1, 2, 4 … seconds, an hour at most, for three days', async () => {
    const server = await mailServer({ recipient: () => [451, '4.7.1 greylisted'] })
    const { db } = await open()
    await post(db)
    const { flush, advance, now } = mailer(db, { email: await emailFor(server.port) })
    const waits: number[] = []
    for (;;) {
      await flush()
      const row = await only(db)
      if (row.next_attempt_at === null) break
      const wait = Date.parse(row.next_attempt_at) - now().getTime()
      waits.push(wait)
      if (waits.length < 5) {
        // not a moment earlier
        advance(wait - 1)
        await flush()
        expect((await only(db)).attempts).toBe(waits.length)
        advance(1)
      } else advance(wait)
    }
    waits.forEach((wait, index) => {
      const full = Math.min(hour, 1000 * 2 ** index)
      expect(wait).toBeLessThanOrEqual(full)
      expect(wait).toBeGreaterThanOrEqual(full * 0.8 - 1)
    })
    const row = await only(db)
    expect(row.gave_up_at).toBe(now().toISOString())
    expect(row.last_error).toContain('451 4.7.1 greylisted')
    expect(now().getTime() - started.getTime()).toBeGreaterThan(72 * hour)
    expect(now().getTime() - started.getTime()).toBeLessThan(73 * hour)
  })

  test('a message refused for now is sent later, one refused for its content never', async () => {
    let answers = [452, 554]
    const server = await mailServer({
      async message() {
        const [code, ...others] = answers
        answers = others
        if (code !== undefined) throw refusal(code, 'not this one')
      },
    })
    const { db } = await open()
    const email = await emailFor(server.port)
    const { flush, advance } = mailer(db, { email })
    await post(db)
    await flush()
    expect(await only(db)).toMatchObject({ sent_at: null, gave_up_at: null, attempts: 1 })
    await post(db, [mail({ recipient: 'spam@example.com' })])
    await flush()
    advance(2_000)
    await flush()
    const rows = await outbox(db)
    expect(rows.map(({ sent_at, gave_up_at }) => [sent_at !== null, gave_up_at !== null])).toEqual([
      [true, false],
      [false, true],
    ])
  })

  test('while the mail server is down nothing else suffers, and then everything goes out', async () => {
    const port = await freePort()
    const { db } = await open()
    await post(db, dozen)
    const { flush, advance, logged } = mailer(db, { email: await emailFor(port) })
    await flush()
    const tried = (await outbox(db)).reduce((sum, { attempts }) => sum + attempts, 0)
    expect(tried).toBeGreaterThanOrEqual(1)
    // five at once, and then nobody until the pause is over
    expect(tried).toBeLessThanOrEqual(5)
    for (let down = 1; down <= 8; down += 1) {
      advance(minute)
      const began = performance.now()
      await post(db, [mail({ recipient: `late${down}@example.com` })])
      expect(performance.now() - began).toBeLessThan(500)
      await flush()
    }
    // one message a pause finds out
    expect((await outbox(db)).reduce((sum, { attempts }) => sum + attempts, 0)).toBeLessThanOrEqual(tried + 8)
    expect(await db.selectFrom('outbox').select('id').where('sent_at', 'is not', null).execute()).toEqual([])

    const server = await mailServer({ port })
    advance(10 * minute)
    await flush()
    const rows = await outbox(db)
    expect(rows.filter(({ sent_at }) => sent_at === null)).toEqual([])
    expect(server.messageIds().sort()).toEqual(rows.map(({ message_id }) => message_id).sort())
    expect(logged()).not.toContain(credentials.password)
  })

  test('a mail server that hangs holds up neither commits nor the end', async () => {
    // accepts connections and never says a word
    const hanging = createServer(() => {})
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    endings.push(() => hanging.close())
    const address = hanging.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const { db } = await open()
    await post(db)
    const email = await emailFor(port)
    const hung = mailer(db, { email })
    const began = performance.now()
    await hung.flush()
    expect(performance.now() - began).toBeLessThan(1_500)
    expect(await only(db)).toMatchObject({ sent_at: null, gave_up_at: null, attempts: 1 })
    await hung.stop()

    // takes the whole message and never answers: it may have been delivered, so it is tried again
    let taken = 0
    const silent = await mailServer({
      message() {
        taken += 1
        return new Promise(() => {})
      },
    })
    const other = await open()
    await post(other.db)
    const patient = { ...patience, answer: 60_000, whole: 50_000 }
    const { stop } = mailer(other.db, { email: await emailFor(silent.port), patience: patient })
    while (taken === 0) await Bun.sleep(10)
    await post(other.db, [mail({ recipient: 'next@example.com' })])
    const stopping = performance.now()
    await stop()
    expect(performance.now() - stopping).toBeLessThan(1_500)
    const [row] = await outbox(other.db)
    expect(row).toMatchObject({ sent_at: null, gave_up_at: null, attempts: 1 })
  })

  test('what a stopped process leaves goes out with the next, what a crashed one leaves after a minute', async () => {
    const server = await mailServer()
    const { db, config } = await open()
    const email = await emailFor(server.port)
    await post(db, [mail({ recipient: 'left@example.com' })])
    const first = mailer(db, { email: await emailFor(await freePort()) })
    await first.flush()
    await first.stop()
    await commit(db, [
      write(db.updateTable('outbox').set({ next_attempt_at: started.toISOString() })),
      enqueue(db, mail({ recipient: 'crashed@example.com' }), started),
    ])

    const another = await connect(config)
    endings.push(() => close(another))
    const { flush, advance } = mailer(another, { email })
    await flush()
    expect(server.deliveries.map(({ to }) => to)).toEqual([['left@example.com']])
    advance(minute - 1)
    await flush()
    expect(server.deliveries).toHaveLength(1)
    advance(1)
    await flush()
    expect(server.deliveries.map(({ to }) => to).at(-1)).toEqual(['crashed@example.com'])
    const rows = await outbox(db)
    expect(rows.map(({ sender }) => sender)).toEqual([mailSender(another).id, mailSender(another).id])
  })

  test('two processes send no message twice, whoever wrote it', async () => {
    const server = await mailServer({ message: () => Bun.sleep(2) })
    const { db, config } = await open()
    const another = await connect(config)
    endings.push(() => close(another))
    const email = await emailFor(server.port)
    const many = (name: string) =>
      Array.from({ length: 15 }, (_, index) => mail({ recipient: `${name}${index}@example.com` }))
    await post(db, many('a'))
    await post(another, many('b'))
    await post(db, many('c'))
    // of a crashed process, and both are after it
    const abandoned = db
      .updateTable('outbox')
      .set({ sender: 'crashed', next_attempt_at: new Date(started.getTime() - 2 * minute).toISOString() })
      .where('recipient', 'like', 'c%')
    await commit(db, [write(abandoned)])
    const mailers = [mailer(db, { email }), mailer(another, { email })]
    await Promise.all(mailers.map(({ flush }) => flush()))
    const rows = await outbox(db)
    expect(rows.map(({ attempts, sent_at }) => [attempts, sent_at !== null])).toEqual(
      rows.map(() => [1, true]),
    )
    expect(server.messageIds().sort()).toEqual(rows.map(({ message_id }) => message_id).sort())
    expect(new Set(rows.map(({ sender }) => sender))).toEqual(
      new Set([mailSender(db).id, mailSender(another).id]),
    )
  })

  test('a row that somebody else took meanwhile is left alone', async () => {
    const { db } = await open()
    const server = await mailServer({
      async message() {
        // this process slept for longer than a minute
        await commit(db, [write(db.updateTable('outbox').set({ sender: 'other', attempts: 2 }))])
        throw refusal(451, 'later')
      },
    })
    await post(db)
    const { flush } = mailer(db, { email: await emailFor(server.port) })
    await flush()
    expect(await only(db)).toMatchObject({ sender: 'other', attempts: 2, last_error: null })
  })

  test('mail leaves at a bounded rate, a few messages at a time', async () => {
    const server = await mailServer({ message: () => Bun.sleep(60) })
    const { db } = await open()
    await post(db, dozen)
    const { flush } = mailer(db, { email: await emailFor(server.port, { messagesPerSecond: 50 }) })
    const began = performance.now()
    await flush()
    expect(server.deliveries).toHaveLength(12)
    expect(performance.now() - began).toBeGreaterThan(11 * 20)
    expect(server.most()).toBeGreaterThan(2)
    expect(server.most()).toBeLessThanOrEqual(5)
  })

  test('a committed mail goes out by itself, also when the commit came late', async () => {
    const server = await mailServer()
    const { db } = await open()
    const { now } = mailer(db, { email: await emailFor(server.port) })
    await Bun.sleep(150)
    const late = enqueue(db, mail(), now())
    await Bun.sleep(250)
    expect(server.deliveries).toEqual([])
    await commit(db, [late])
    const until = performance.now() + 1_500
    while (server.deliveries.length === 0 && performance.now() < until) await Bun.sleep(10)
    expect(server.deliveries).toHaveLength(1)
  })

  const spawn = async (work: MailerProcess) => {
    const child = Bun.spawn(
      [process.execPath, join(import.meta.dir, 'mailer-process.ts'), JSON.stringify(work)],
      { stdout: 'pipe', stderr: 'inherit' },
    )
    endings.push(() => child.kill('SIGKILL'))
    const { value } = await child.stdout.getReader().read()
    expect(new TextDecoder().decode(value)).toBe('committed\n')
    return {
      async kill() {
        child.kill('SIGKILL')
        await child.exited
      },
    }
  }

  /** The next start, a little over a minute later. */
  const restart = async (db: Db, email: Email) => {
    const { flush } = mailer(db, { email, now: () => new Date(Date.now() + minute + 1_000) })
    await flush()
  }

  test('a process killed between the commit and sending loses no mail', async () => {
    const server = await mailServer()
    const { db, config } = await open()
    const child = await spawn({ database: config, mail: mail() })
    await child.kill()
    expect(await only(db)).toMatchObject({ attempts: 0, sent_at: null })
    await restart(db, await emailFor(server.port))
    const row = await only(db)
    expect(row).toMatchObject({ attempts: 1, next_attempt_at: null })
    expect(server.messageIds()).toEqual([row.message_id])
  })

  test('a process killed between acceptance and its mark repeats the mail under its Message-ID', async () => {
    const { db, config } = await open()
    let thaw = async () => {}
    const server = await mailServer({
      async message() {
        thaw = await freeze(config)
      },
    })
    const email = await emailFor(server.port)
    const child = await spawn({
      database: config,
      mail: mail(),
      mailer: { email, dataDirectory: temporaryDirectory(), hostname: 'id.example.com' },
    })
    const until = performance.now() + 5_000
    while (server.deliveries.length === 0 && performance.now() < until) await Bun.sleep(10)
    // time enough to hear 250, and to wait for the database
    await Bun.sleep(150)
    await child.kill()
    await thaw()
    expect(await only(db)).toMatchObject({ attempts: 1, sent_at: null })

    const next = await mailServer()
    await restart(db, { ...email, port: next.port })
    const row = await only(db)
    expect(row).toMatchObject({ attempts: 2, next_attempt_at: null, gave_up_at: null })
    expect(row.sent_at).not.toBeNull()
    expect([...server.messageIds(), ...next.messageIds()]).toEqual([row.message_id, row.message_id])
  })

  describe('the notice of a started impersonation', () => {
    const origin = { domain: 'example.com', hostname: 'id.example.com' }

    const people = async () => {
      const { db, config } = await open()
      const subjectId = await account(db, { userName: 'Alice', email: 'alice@example.com' })
      const actorId = await account(db, { userName: 'Bob', email: 'bob@example.com' })
      const notice = async (subject = subjectId) => {
        const accounts = await findAccounts(db, [subject, actorId])
        const told = { subject: accounts.get(subject), actor: accounts.get(actorId) }
        if (!told.subject || !told.actor) throw new Error('both are there')
        const revision = await readRevision(db)
        const { subject: whom, actor } = told
        const application = { name: 'Shop' }
        return startedNotice(db, origin, { revision, subject: whom, actor, application }, 'i-1', started)
      }
      return { db, config, subjectId, actorId, notice }
    }

    test('it goes to the impersonated user with the address of that moment', async () => {
      const { db, subjectId, notice } = await people()
      const { writes, missingAddress } = await notice()
      expect(missingAddress).toBeFalse()
      expect(await commit(db, writes)).toBe('committed')
      await commit(db, [
        write(db.updateTable('account').set({ email: 'new@example.com' }).where('id', '=', subjectId)),
      ])
      const row = await only(db)
      expect(row).toMatchObject({
        recipient: 'alice@example.com',
        template: 'impersonation-started',
        impersonation_id: 'i-1',
        created_at: started.toISOString(),
        next_attempt_at: started.toISOString(),
        sender: mailSender(db).id,
      })
      expect(JSON.parse(row.data)).toEqual({
        userName: 'Alice',
        impersonatorUserName: 'Bob',
        application: 'Shop',
        hostname: 'id.example.com',
        startedAt: started.toISOString(),
      })
    })

    test.each([undefined, 'a@example.com, b@example.com'])(
      'it is missed, and that is told, when the address is %p',
      async (email) => {
        const { db, notice } = await people()
        const id = await account(db, { userName: 'Nobody', ...(email ? { email } : {}) })
        expect(await notice(id)).toEqual({ writes: [], missingAddress: true })
      },
    )

    test('it obeys the setting as everybody reads it, whatever a script wrote', async () => {
      const { db, notice } = await people()
      const agree = async (enabled: boolean) => {
        expect(await isEmailNotificationEnabled(db)).toBe(enabled)
        expect((await notice()).writes).toHaveLength(enabled ? 1 : 0)
      }
      await agree(true)
      const caller = systemCaller('10084a8d-113f-4211-a0d5-efe36b082211', 1, { id: 't', address: 'test' })
      const type = await createConfigurationType(db, caller, started, seedType)
      if ('refused' in type) throw new Error('the type is there already')
      await agree(true)
      expect(await setEmailNotification(db, caller, started, false)).toBe('stored')
      await agree(false)
      for (const [value, enabled] of [
        ['true', true],
        ['TRUE', true],
        ['yes', false],
        [null, false],
      ] as const) {
        await commit(db, [bump, write(db.updateTable('idn_config_attribute').set({ attr_value: value }))])
        await agree(enabled)
      }
      await commit(db, [
        bump,
        write(
          db
            .updateTable('idn_config_attribute')
            .set({ attr_key: 'enableemailnotification', attr_value: 'true' }),
        ),
      ])
      await agree(false)
      await commit(db, [bump, write(db.deleteFrom('idn_config_attribute'))])
      await agree(false)
      await commit(db, [bump, write(db.updateTable('idn_config_resource').set({ tenant_id: 5 }))])
      await agree(true)
    })
  })
})

test('it works in a compiled binary', async () => {
  const directory = mkdtempSync(join(temporaryDirectory(), 'binary-'))
  const script = join(directory, 'send.ts')
  const lib = join(import.meta.dir, '..', 'lib')
  await Bun.write(
    script,
    `import { smtpTransport } from ${JSON.stringify(join(lib, 'email', 'smtp.ts'))}
     import { fileTransport } from ${JSON.stringify(join(lib, 'email', 'files.ts'))}
     const { email, message, folder } = JSON.parse(process.argv[2])
     message.date = new Date(message.date)
     const patience = { connect: 2000, answer: 2000 }
     for (const transport of [smtpTransport(email, patience), fileTransport(folder)]) {
       await transport.send(message, new AbortController().signal)
       transport.close()
     }`,
  )
  const binary = join(directory, 'send')
  const flags = ['--compile', '--minify', '--bytecode', '--format=esm']
  const build = Bun.spawn([process.execPath, 'build', ...flags, script, '--outfile', binary], {
    cwd: join(import.meta.dir, '..'),
    stdout: 'ignore',
    stderr: 'inherit',
  })
  expect(await build.exited).toBe(0)
  const server = await mailServer()
  const message = {
    subject: 's',
    text: 't',
    html: '<p>t</p>',
    messageId: '<1@example.com>',
    from: { name: '', address: 'no-reply@example.com' },
    recipient: 'alice@example.com',
    date: started,
  }
  const folder = join(directory, 'outbox')
  const argument = JSON.stringify({ email: await emailFor(server.port), message, folder })
  const sent = Bun.spawn([binary, argument], { cwd: directory, stdout: 'inherit', stderr: 'inherit' })
  expect(await sent.exited).toBe(0)
  expect(server.messageIds()).toEqual(['<1@example.com>'])
  expect(readdirSync(folder)).toEqual(['1@example.com.eml'])
})
