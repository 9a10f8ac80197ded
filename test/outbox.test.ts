/** The outbox as administrators see it: its list, what is shown of a mail, trying again, and the same from the shell. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listenForCommands } from '../lib/commands/control.ts'
import { mailTasks } from '../lib/commands/mail.ts'
import { commit, write } from '../lib/database/commit.ts'
import { startMailer } from '../lib/email/mailer.ts'
import { enqueue } from '../lib/email/outbox.ts'
import type { ShownMail } from '../lib/email/outbox-list.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { certificateAuthority, credentials, startMailServer } from './mail-server.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

const base = '/api/server/v1/notification/outbox'
const nobody = '0199aaaa-0000-7000-8000-000000000000'
const log = createLog({ level: 'silent', format: 'text' })
const root = new URL('..', import.meta.url).pathname

interface Page {
  readonly mails: readonly ShownMail[]
  readonly links: readonly { readonly rel: string; readonly href: string }[]
}

describe.each(databases)('the outbox on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterEach(() => commit(server.db, [write(server.db.deleteFrom('outbox'))]))
  afterAll(() => server.stop())

  const started = new Date()
  const mail = (recipient: string) =>
    ({
      recipient,
      template: 'impersonation-started',
      data: { userName: 'alice', impersonatorUserName: 'bob', startedAt: started.toISOString() },
      domain: 'id.example.com',
    }) as const

  /** Mails in that order; answers their ids. */
  const add = async (...recipients: string[]) => {
    const rows = recipients.map((recipient) => enqueue(server.db, mail(recipient), started))
    expect(await commit(server.db, rows)).toBe('committed')
    const found = await server.db.selectFrom('outbox').select('id').orderBy('id').execute()
    return found.map(({ id }) => id)
  }
  const set = async (id: string | undefined, values: Readonly<Record<string, string | number | null>>) => {
    const update = server.db.updateTable('outbox').set(values).where('id', '=', String(id))
    expect(await commit(server.db, [write(update)])).toBe('committed')
  }
  const sent = (id: string | undefined) =>
    set(id, { sent_at: started.toISOString(), next_attempt_at: null, attempts: 1 })
  const failed = (id: string | undefined, error = '550 5.1.1 no such user') =>
    set(id, {
      gave_up_at: started.toISOString(),
      next_attempt_at: null,
      attempts: 3,
      last_error: error,
    })
  const list = async (query: Readonly<Record<string, string>> = {}): Promise<Page> => {
    const response = await server.send('GET', `${base}?${new URLSearchParams(query)}`)
    expect(response.status).toBe(200)
    return (await response.json()) as Page
  }

  test('a mail is shown with its state and last error, its recipient masked, and never what it says', async () => {
    const [id] = await add('alice@example.com')
    await failed(id, '550 5.1.1 <alice@example.com>: no such user')
    const response = await server.send('GET', `${base}/${id}`)
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(await response.json()).toEqual({
      id,
      state: 'failed',
      template: 'impersonation-started',
      recipient: 'a***e@example.com',
      messageId: `<${id}@id.example.com>`,
      impersonation: null,
      attempts: 3,
      created: started.toISOString(),
      nextAttempt: null,
      sent: null,
      gaveUp: started.toISOString(),
      retried: null,
      lastError: '550 5.1.1 <a***e@example.com>: no such user',
    })
  })

  test('the list has the newest first, by state and by pages', async () => {
    const ids = await add('a@x.example', 'b@x.example', 'c@x.example', 'd@x.example', 'e@x.example')
    await sent(ids[0])
    await failed(ids[1])
    await failed(ids[3])
    const idsOf = ({ mails }: Page) => mails.map((one) => one.id)
    expect(idsOf(await list())).toEqual(ids.toReversed())
    expect(idsOf(await list({ state: 'queued' }))).toEqual([ids[4], ids[2]] as string[])
    expect(idsOf(await list({ state: 'sent' }))).toEqual([ids[0]] as string[])
    const first = await list({ state: 'failed', limit: '1' })
    expect([idsOf(first), first.links.map(({ rel }) => rel)]).toEqual([[ids[3]] as string[], ['next']])
    const { pathname, search } = new URL(first.links[0]?.href ?? '')
    const second = (await (await server.send('GET', pathname + search)).json()) as Page
    expect([idsOf(second), second.links.map(({ rel }) => rel)]).toEqual([[ids[1]] as string[], ['previous']])
    const back = new URL(second.links[0]?.href ?? '')
    expect(idsOf((await (await server.send('GET', back.pathname + back.search)).json()) as Page)).toEqual(
      idsOf(first),
    )
    expect((await list({ state: '', limit: '1000' })).mails).toHaveLength(5)
  })

  test('what was given up is due again, with one audit row; it begins anew with patience', async () => {
    const [id] = await add('alice@example.com')
    await failed(id)
    const { result, changes } = await nothingElse(
      server.db,
      { outbox: { changed: 1 }, audit: { added: 1 } },
      () => server.send('POST', `${base}/${id}/retry`),
    )
    expect([result.status, await result.json()]).toMatchObject([
      202,
      { id, state: 'queued', gaveUp: null, attempts: 3, retried: expect.any(String) },
    ])
    expect(changes.added.audit).toMatchObject([{ event: 'mail-retried', target: id, outcome: 'Success' }])
    expect(changes.changed.outbox).toMatchObject([{ sender: '', sent_at: null }])
    // due already: nothing to do, nothing to record
    const again = await nothingElse(server.db, {}, () => server.send('POST', `${base}/${id}/retry`))
    expect(again.result.status).toBe(202)
  })

  test('a mail that waits for its next attempt need not wait', async () => {
    const [id] = await add('alice@example.com')
    await set(id, { next_attempt_at: new Date(Date.now() + 3_600_000).toISOString(), attempts: 5 })
    const response = await server.send('POST', `${base}/${id}/retry`)
    const { nextAttempt } = (await response.json()) as ShownMail
    expect(Date.parse(nextAttempt ?? '')).toBeLessThanOrEqual(Date.now())
  })

  test('all that were given up are due again by one call and one audit row', async () => {
    const ids = await add('a@x.example', 'b@x.example', 'c@x.example')
    await failed(ids[0])
    await failed(ids[1])
    const { result, changes } = await nothingElse(
      server.db,
      { outbox: { changed: 2 }, audit: { added: 1 } },
      () => server.send('POST', `${base}/retry`),
    )
    expect([result.status, await result.json()]).toEqual([202, { retried: 2 }])
    expect(changes.added.audit).toMatchObject([
      { event: 'mails-retried', target: 'outbox', data: '{"mails":2}' },
    ])
    const none = await nothingElse(server.db, {}, () => server.send('POST', `${base}/retry`))
    expect(await none.result.json()).toEqual({ retried: 0 })
  })

  test('a dead letter goes out after a retry, under the Message-ID that it always had', async () => {
    const full = new Set(['alice@example.com'])
    const smtp = await startMailServer({
      recipient: (address) => (full.has(address) ? [552, '5.2.2 mailbox full'] : undefined),
    })
    const email = {
      hostname: 'localhost',
      port: smtp.port,
      fromAddress: 'no-reply@id.example.com',
      security: 'starttls',
      authentication: true,
      ...credentials,
      certificateAuthority: await certificateAuthority(),
      messagesPerSecond: 100,
    } as const
    const mailer = startMailer(
      server.db,
      { email, dataDirectory: server.directory, hostname: 'id.example.com' },
      log,
    )
    try {
      const [id] = await add('alice@example.com')
      await mailer.flush()
      expect((await list({ state: 'failed' })).mails).toMatchObject([{ id, attempts: 1 }])
      full.clear()
      await server.send('POST', `${base}/${id}/retry`)
      await mailer.flush()
      expect((await list({ state: 'sent' })).mails).toMatchObject([{ id, attempts: 2, lastError: null }])
      expect(smtp.messageIds()).toEqual([`<${id}@id.example.com>`])
      await expectRefusal(server, () => server.send('POST', `${base}/${id}/retry`), {
        status: 409,
        code: 'OBX-60003',
      })
    } finally {
      await mailer.stop()
      await smtp.stop()
    }
  })

  test.each([
    ['GET', '?state=dead', 400, 'OBX-60001'],
    ['GET', '?state=sent&state=failed', 400, 'OBX-60001'],
    ['GET', '?limit=0', 400, 'OBX-60001'],
    ['GET', '?limit=-1', 400, 'OBX-60001'],
    ['GET', '?after=%00', 400, 'OBX-60001'],
    ['GET', '?after=YQ&before=YQ', 400, 'OBX-60001'],
    ['GET', `/${nobody}`, 404, 'OBX-60002'],
    ['GET', '/a%00b', 404, 'OBX-60002'],
    ['POST', `/${nobody}/retry`, 404, 'OBX-60002'],
  ])('%s %s is refused with %d %s', (method, path, status, code) =>
    expectRefusal(server, () => server.send(method, `${base}${path}`), { status, code }),
  )

  test('seeing and trying again need a permission each, and nobody does it in the name of another', async () => {
    const view = await operator(server, `v${crypto.randomUUID()}`, ['internal_notification_outbox_view'])
    const update = await operator(server, `u${crypto.randomUUID()}`, ['internal_notification_outbox_update'])
    const status = async (headers: Record<string, string>, method: string, path = '') =>
      (await server.send(method, `${base}${path}`, undefined, headers)).status
    expect(await status(view, 'GET')).toBe(200)
    expect(await status(view, 'POST', '/retry')).toBe(403)
    expect(await status(view, 'POST', `/${nobody}/retry`)).toBe(403)
    expect(await status(update, 'GET')).toBe(403)
    expect(await status(update, 'GET', `/${nobody}`)).toBe(403)
    expect(await status(update, 'POST', '/retry')).toBe(202)
    expect(await status({}, 'GET')).toBe(401)
  })

  test('the shell lists and tries again, through the server where there is one', async () => {
    const file = join(server.directory, 'mail.toml')
    const to = server.config.database
    const place = 'path' in to ? `path = "${to.path}"` : `url = "${to.url}"`
    writeFileSync(
      file,
      `[server]\ndata = "${server.directory}"\n[database.identity_db]\ntype = "${to.type}"\n${place}\n`,
    )
    const run = async (...words: string[]) => {
      const child = Bun.spawn([process.execPath, join(root, 'server.ts'), ...words, '--config', file], {
        stdout: 'pipe',
        stderr: 'pipe',
        timeout: 20_000,
      })
      const out = await new Response(child.stdout).text()
      return [await child.exited, out + (await new Response(child.stderr).text())]
    }
    const tasks: string[] = []
    const { '/mail': task } = mailTasks(server.db)
    const stop = await listenForCommands(server.db, server.directory, log, {
      '/mail': async (body) => {
        tasks.push(body)
        return (await task?.(body)) ?? ''
      },
    })
    try {
      const ids = await add('alice@example.com', 'bob@example.com')
      await failed(ids[0])
      await sent(ids[1])
      expect(await run('mail', 'list', '--state', 'failed')).toEqual([
        0,
        `${ids[0]}  failed  impersonation-started to a***e@example.com  ${started.toISOString()} after 3 attempts: 550 5.1.1 no such user\n`,
      ])
      const [code, json] = await run('mail', 'list', '--json')
      expect([code, json]).toEqual([0, expect.stringMatching(/^\[/)])
      expect((JSON.parse(String(json)) as ShownMail[]).map(({ id }) => id)).toEqual(ids.toReversed())
      expect(await run('mail', 'retry')).toEqual([0, '1 will be tried again.\n'])
      expect(await list({ state: 'queued' })).toMatchObject({ mails: [{ id: ids[0] }] })
      await failed(ids[0])
      expect(await run('mail', 'retry', String(ids[0]))).toEqual([0, `${ids[0]} will be tried again.\n`])
      expect(await run('mail', 'retry', nobody)).toEqual([65, `mayact: there is no mail ${nobody}\n`])
      expect(await run('mail', 'retry', String(ids[1]))).toEqual([
        65,
        `mayact: the mail ${ids[1]} was sent\n`,
      ])
      expect((await run('mail', 'list', '--state', 'dead'))[0]).toBe(64)
      expect(tasks).toHaveLength(to.type === 'sqlite' ? 6 : 0)
    } finally {
      stop?.()
    }
  }, 60_000)
})
