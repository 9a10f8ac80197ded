/** SMTP with mail servers that are wrong, forged, strict or overrun: nothing leaks, nothing is lost, nothing comes twice. */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createServer, type Socket } from 'node:net'
import pino from 'pino'
import type { Email } from '../lib/config/email.ts'
import { close, commit, readRevision, write } from '../lib/database/commit.ts'
import { connect, type Db } from '../lib/database/connect.ts'
import { migrate, rootOrganization } from '../lib/database/migrate.ts'
import { systemCaller } from '../lib/directory/caller.ts'
import { startMailer } from '../lib/email/mailer.ts'
import { enqueue } from '../lib/email/outbox.ts'
import { retryFailedMail } from '../lib/email/retry.ts'
import { databases, temporaryDirectory } from './databases.ts'
import {
  certificateAuthority,
  credentials,
  expiredAuthority,
  type MailServerOptions,
  startMailServer,
} from './mail-server.ts'

setDefaultTimeout(20_000)

const started = new Date('2024-06-18T07:30:00.000Z')
const hour = 3_600_000
const patience = { connect: 1_000, answer: 1_000, whole: 3_000, stop: 300 }

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

const mailServer = async (options: MailServerOptions = {}) => {
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
  messagesPerSecond: 100_000,
  ...more,
})

/** A server that answers each line as it is told to, without TLS; remembers all that it was sent. */
const scripted = async (answer: (line: string) => string | undefined) => {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write('220 forged.example ESMTP\r\n')
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1')
      heard.push(text)
      for (const line of text.split('\r\n').filter((each) => each !== '')) {
        const said = answer(line)
        if (said !== undefined) socket.write(said)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endings.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return { port: typeof address === 'object' && address ? address.port : 0, heard }
}

const takesAll = (line: string): string => {
  if (/^AUTH/.test(line)) return '235 2.7.0 welcome\r\n'
  if (/^DATA/.test(line)) return '354 go on\r\n'
  return '250 2.0.0 fine\r\n'
}

describe.each(databases)('mail servers and mail on $name', (database) => {
  let created: ReturnType<typeof database.create> | undefined
  const open = async (): Promise<Db> => {
    created ??= database.create()
    const db = await connect(await created)
    endings.push(() => close(db))
    await migrate(db, started)
    await commit(db, [write(db.deleteFrom('outbox'))])
    return db
  }

  const post = async (db: Db, recipients: readonly string[] = ['alice@example.com'], now = started) => {
    const data = { userName: 'alice', impersonatorUserName: 'bob', startedAt: started.toISOString() }
    const writes = recipients.map((recipient) =>
      enqueue(db, { recipient, template: 'impersonation-started', data, domain: 'example.com' }, now),
    )
    expect(await commit(db, writes)).toBe('committed')
  }

  const mailer = (db: Db, email: Email) => {
    const lines: string[] = []
    const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) })
    let time = started
    const options = {
      email,
      dataDirectory: temporaryDirectory(),
      hostname: 'id.example.com',
      now: () => time,
      patience,
    }
    const { flush, stop } = startMailer(db, options, log)
    let stopped: Promise<void> | undefined
    const stopOnce = () => {
      stopped ??= stop()
      return stopped
    }
    endings.push(stopOnce)
    return {
      flush,
      stop: stopOnce,
      logged: () => lines.join(''),
      now: () => time,
      advance(milliseconds: number) {
        time = new Date(time.getTime() + milliseconds)
      },
    }
  }

  const rows = (db: Db) => db.selectFrom('outbox').selectAll().orderBy('id').execute()

  test.each([
    {
      name: 'whose offer of STARTTLS somebody took away',
      answer: (line: string) =>
        /^EHLO/.test(line) ? '250-forged.example\r\n250 AUTH PLAIN LOGIN\r\n' : takesAll(line),
    },
    {
      name: 'that offers STARTTLS and then refuses it',
      answer: (line: string) => {
        if (/^EHLO/.test(line)) return '250-forged.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n'
        return /^STARTTLS/.test(line) ? '454 4.7.0 not today\r\n' : takesAll(line)
      },
    },
    {
      name: 'that agrees to STARTTLS and goes on without it',
      answer: (line: string) => {
        if (/^EHLO/.test(line)) return '250-forged.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n'
        return /^STARTTLS/.test(line)
          ? '220 2.0.0 ready\r\n250-forged.example\r\n250 AUTH PLAIN LOGIN\r\n235 2.7.0 welcome\r\n250 fine\r\n'
          : takesAll(line)
      },
    },
  ])('a server $name gets neither password nor mail', async ({ answer }) => {
    const server = await scripted(answer)
    const db = await open()
    await post(db)
    const { flush, stop, logged } = mailer(db, await emailFor(server.port))
    await flush()
    await stop()
    const heard = server.heard.join('')
    expect(heard).toContain('EHLO')
    expect(heard).not.toMatch(/AUTH|MAIL FROM|alice|DATA/i)
    for (const secret of [credentials.password, btoa(credentials.password)]) {
      expect(heard).not.toContain(secret)
      expect(logged()).not.toContain(secret)
    }
    const [row] = await rows(db)
    expect(row).toMatchObject({ attempts: 1, sent_at: null, gave_up_at: null })
    expect(row?.next_attempt_at).not.toBeNull()
  })

  test.each(['starttls', 'tls'] as const)(
    'with %s a certificate of somebody else, of another name, or that has run out is refused',
    async (security) => {
      const secure = security === 'tls'
      const right = await mailServer({ secure, host: '0.0.0.0' })
      const old = await mailServer({ secure, expired: true })
      const cases: readonly [string, Email, RegExp][] = [
        [
          'another authority',
          await emailFor(right.port, { security, certificateAuthority: await expiredAuthority() }),
          /certificate|signature|self.signed/i,
        ],
        [
          'another name',
          await emailFor(right.port, { security, hostname: '127.0.0.2' }),
          /altname|127\.0\.0\.2|certificate/i,
        ],
        [
          'run out',
          await emailFor(old.port, { security, certificateAuthority: await expiredAuthority() }),
          /certificate.*expired|CERT_HAS_EXPIRED/i,
        ],
      ]
      for (const [name, email, reason] of cases) {
        const db = await open()
        await post(db)
        const { flush, stop } = mailer(db, email)
        await flush()
        await stop()
        const [row] = await rows(db)
        expect([name, row?.sent_at, row?.attempts, row?.gave_up_at]).toEqual([name, null, 1, null])
        expect(`${name}: ${row?.last_error}`).toMatch(reason)
      }
      expect([...right.deliveries, ...old.deliveries]).toEqual([])
    },
  )

  test('a refused login is tried again, later each time, for three days; then the mail waits for somebody', async () => {
    let password = 'another'
    const server = await mailServer({ password: () => password })
    const db = await open()
    // of its three days two hours are left
    const created = new Date(started.getTime() - 70 * hour)
    await post(db, undefined, created)
    const { flush, advance, now, logged } = mailer(db, await emailFor(server.port))
    let former = 0
    for (;;) {
      await flush()
      const [row] = await rows(db)
      if (!row || row.next_attempt_at === null) break
      const wait = Date.parse(row.next_attempt_at) - now().getTime()
      expect(wait).toBeLessThanOrEqual(hour)
      expect(wait).toBeGreaterThanOrEqual(Math.min(former, 0.8 * hour) - 1)
      former = wait
      // a mail server that fails is left alone for a minute
      advance(Math.max(wait, 60_000))
    }
    const [given] = await rows(db)
    expect(given).toMatchObject({ sent_at: null, last_error: 'the mail server refused the login (535)' })
    expect(given?.gave_up_at).toBe(now().toISOString())
    const waited = now().getTime() - created.getTime()
    expect(waited).toBeGreaterThan(72 * hour)
    expect(waited).toBeLessThan(74 * hour)
    expect(logged()).not.toContain(credentials.password)

    // still wrong at first: it has three days again
    const caller = async () =>
      systemCaller(rootOrganization.id, await readRevision(db), { id: 'x', address: 'shell' })
    advance(1000)
    expect(await retryFailedMail(db, await caller(), now())).toBe(1)
    await flush()
    expect(await rows(db)).toMatchObject([{ gave_up_at: null, sent_at: null }])
    password = credentials.password
    advance(hour)
    await flush()
    const [sent] = await rows(db)
    expect(sent?.sent_at).not.toBeNull()
    expect(server.messageIds()).toEqual([String(given?.message_id)])
  })

  test('a large backlog drains whole, by two processes, each message once', async () => {
    const server = await mailServer()
    const db = await open()
    const other = await connect(await (created ?? database.create()))
    endings.push(() => close(other))
    // more than one look at the queue sees
    const recipients = Array.from({ length: 550 }, (_, index) => `user${index}@example.com`)
    await post(db, recipients)
    await commit(db, [write(db.updateTable('outbox').set({ sender: '' }))])
    const email = await emailFor(server.port)
    const mailers = [mailer(db, email), mailer(other, email)]
    await Promise.all(mailers.map(({ flush }) => flush()))
    const all = await rows(db)
    expect(all.filter(({ sent_at }) => sent_at === null)).toEqual([])
    expect(all.filter(({ attempts }) => attempts !== 1)).toEqual([])
    expect(server.messageIds().sort()).toEqual(all.map(({ message_id }) => message_id).sort())
    expect(server.deliveries.flatMap(({ to }) => to).sort()).toEqual([...recipients].sort())
  })
})
