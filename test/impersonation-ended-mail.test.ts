/** The mail that an impersonation is over: what it says, whom it reaches, and that each goes out once. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { startFollowing } from '../lib/audit/follower.ts'
import { type Sealer, startSealer } from '../lib/audit/sealer.ts'
import { type AuditEntry, record } from '../lib/audit.ts'
import { bump, commit, write } from '../lib/database/commit.ts'
import { startMailer } from '../lib/email/mailer.ts'
import { endedNoticeFollower } from '../lib/impersonation/ended-notice.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { path, start } from './impersonations.ts'
import { certificateAuthority, credentials, readMail, startMailServer } from './mail-server.ts'
import { createPerson, patchCountry, type Scenario, seedType, setUp } from './scenario.ts'
import { eventually } from './webhook-receiver.ts'

const log = createLog({ level: 'silent', format: 'json' })
const origin = { domain: 'id.example.com', hostname: 'id.example.com' }
const said = { impersonation_reason: 'He cannot see his invoice', impersonation_ticket: 'CASE-42' }
const startedAt = '2026-03-01T10:00:00.000Z'

describe.each(databases)('the mail of the end on $name', (database) => {
  let server: Booted
  let scenario: Scenario
  let sealer: Sealer

  beforeAll(async () => {
    server = await boot(database)
    scenario = await setUp(server)
    sealer = startSealer({
      db: server.db,
      log,
      file: `${server.directory}/checkpoints`,
      sign: async () => 'signed',
    })
    await address(scenario.subject.id, 'bob@example.com')
  })
  afterEach(() => commit(server.db, [write(server.db.deleteFrom('outbox'))]))
  afterAll(async () => {
    await sealer.stop()
    await server.stop()
  })

  const address = (id: string, email: string | null) =>
    commit(server.db, [write(server.db.updateTable('account').set({ email }).where('id', '=', id))])

  const follower = () => endedNoticeFollower(server.db, origin, log)

  const rows = async (event: string) =>
    server.db.selectFrom('audit').selectAll().where('event', '=', event).orderBy('id').execute()

  /** What the follower makes of what happened, without waiting for the sealer. */
  const take = async (impersonationId: string) => {
    const ended = (await rows('impersonation-ended')).filter(
      (row) => row.impersonation_id === impersonationId,
    )
    expect(await commit(server.db, await follower().take(ended))).toBe('committed')
    return mails()
  }

  const mails = async () => {
    const found = await server.db
      .selectFrom('outbox')
      .selectAll()
      .where('template', '=', 'impersonation-ended')
      .execute()
    return found.map((row) => ({ ...row, data: JSON.parse(row.data) as Record<string, unknown> }))
  }

  const entry = (id: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
    event: 'impersonation-ended',
    initiator: 'system',
    target: scenario.subject.id,
    data: { reason: 'expired', startedAt, endedAt: '2026-03-01T10:30:00.000Z', requests: 25 },
    outcome: 'Success',
    actorId: scenario.impersonator.id,
    subjectId: scenario.subject.id,
    applicationId: scenario.applicationId,
    impersonationId: id,
    ...more,
  })

  const happened = async (...entries: readonly AuditEntry[]) => {
    const at = new Date('2026-03-01T10:30:00.000Z')
    const trace = () => ({ id: crypto.randomUUID(), address: 'test' })
    const writes = entries.map((one) => record(server.db, at, trace(), one))
    expect(await commit(server.db, writes)).toBe('committed')
  }

  test('it reaches the one acted for with who, when, through what, why, how long and what was changed', async () => {
    const smtp = await startMailServer()
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
    const following = startFollowing(server.db, 'mail-under-test', log)
    following.follow([follower()])
    const mailer = startMailer(server.db, { email, dataDirectory: server.directory, hostname: 'h' }, log)
    try {
      // from now on it follows
      const cursor = () =>
        server.db.selectFrom('meta').select('value').where('name', '=', 'trail-cursor ended-notice').execute()
      await eventually(async () => (await cursor()).length === 1)
      const live = await start(server, scenario, undefined, said)
      expect((await patchCountry(server, live.access)).status).toBe(200)
      expect((await server.send('POST', `${path}/${live.id}/end`)).status).toBe(204)
      const ended = () => smtp.deliveries.filter(({ raw }) => raw.includes('Session Ended'))
      await eventually(() => ended().length === 1)
      const { headers, alternatives } = readMail(ended()[0]?.raw ?? '')
      expect(headers.get('to')).toBe('bob@example.com')
      const [row] = (await rows('impersonation-ended')).filter((one) => one.impersonation_id === live.id)
      expect(headers.get('message-id')).toBe(`<${row?.id}@id.example.com>`)
      const text = alternatives[0]?.content ?? ''
      const { impersonator, subject } = scenario
      for (const expected of [
        `${impersonator.userName} started on`,
        subject.userName,
        'POSTMAN_SBA',
        'He cannot see his invoice',
        'CASE-42',
        /\d+ seconds?/,
        'an administrator (it was ended)',
        /UTC: PATCH \/scim2\/Me \(user-claims-changed\)/,
      ])
        expect(text).toMatch(expected)
    } finally {
      await mailer.stop()
      await following.stop()
      await smtp.stop()
    }
  })

  test('it goes out once, even when the trail is followed again', async () => {
    const id = crypto.randomUUID()
    await happened(entry(id))
    const [first, ...others] = await take(id)
    expect(others).toEqual([])
    expect(await take(id)).toEqual(first ? [first] : [])
    const [row] = (await rows('impersonation-ended')).filter((one) => one.impersonation_id === id)
    expect(first).toMatchObject({
      id: row?.id,
      message_id: `<${row?.id}@id.example.com>`,
      recipient: 'bob@example.com',
      impersonation_id: id,
      data: { endedBy: 'the server (its time was over)', changes: [] },
    })
  })

  test('of many requests it has the latest twenty and how many there were before them', async () => {
    const id = crypto.randomUUID()
    const use = (n: number): AuditEntry =>
      entry(id, {
        event: 'resource-modification-via-impersonation',
        initiator: scenario.impersonator.id,
        data: { httpMethod: 'PATCH', ResourcePath: `/scim2/Users/${n}${'x'.repeat(n === 24 ? 5000 : 0)}` },
        outcome: n === 23 ? '403' : 'AUTHORIZED',
      })
    await happened(...Array.from({ length: 25 }, (_, n) => use(n)), entry(id))
    const [mail] = await take(id)
    const changes = mail?.data.changes as string[]
    expect(changes).toHaveLength(21)
    expect(changes[0]).toBe('and 5 more before these')
    expect(changes[1]).toBe('March 01, 2026 at 10:30 AM UTC: PATCH /scim2/Users/5')
    expect(changes[19]).toBe('March 01, 2026 at 10:30 AM UTC: PATCH /scim2/Users/23 (refused, 403)')
    expect(changes[20]?.length).toBeLessThan(300)
  })

  test('who is deleted meanwhile keeps the name that the mail of the start had', async () => {
    const gone = crypto.randomUUID()
    const id = crypto.randomUUID()
    const live = await start(server, scenario)
    const by = entry(live.id, {
      actorId: gone,
      applicationId: gone,
      data: { reason: 'account-deleted', startedAt: new Date().toISOString(), requests: 0 },
    })
    await happened(by)
    expect(await take(live.id)).toMatchObject([
      {
        data: {
          impersonatorUserName: scenario.impersonator.userName,
          application: 'POSTMAN_SBA',
          endedBy: 'the server (an account was deleted)',
        },
      },
    ])
    await commit(server.db, [write(server.db.deleteFrom('outbox'))])
    await happened({ ...by, impersonationId: id })
    expect(await take(id)).toMatchObject([
      { data: { impersonatorUserName: 'a deleted user', application: 'a deleted application' } },
    ])
  })

  test.each([
    ['the subject', () => scenario.subject.id, () => scenario.subject.userName],
    ['the impersonator', () => scenario.impersonator.id, () => scenario.impersonator.userName],
    ['the application', () => 'client-of-it', () => 'the application'],
    ['somebody else', () => crypto.randomUUID(), () => 'an administrator'],
  ])('an end by %s is told as such', async (_, initiator, name) => {
    const id = crypto.randomUUID()
    await happened(
      entry(id, { initiator: initiator(), data: { reason: 'revoked', startedAt, clientId: 'client-of-it' } }),
    )
    expect(await take(id)).toMatchObject([
      { data: { endedBy: `${name()} (the application gave its access back)` } },
    ])
  })

  test('who has no address, or is gone, is not told, and the others are', async () => {
    const other = await createPerson(server, `Other-${database.name}`)
    await address(other.id, null)
    const ids = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()] as const
    await happened(
      entry(ids[0], { subjectId: other.id }),
      entry(ids[1], { subjectId: crypto.randomUUID() }),
      entry(ids[2]),
    )
    const ended = (await rows('impersonation-ended')).filter((row) =>
      ids.some((id) => id === row.impersonation_id),
    )
    await commit(server.db, await follower().take(ended))
    expect((await mails()).map((mail) => mail.impersonation_id)).toEqual([ids[2]])
  })

  test('where notices are switched off by /configs/impersonation nobody is told', async () => {
    expect(await follower().idle?.()).toBe(false)
    await server.send('POST', '/api/identity/config-mgt/v1.0/resource-type', seedType)
    const set = (value: boolean) =>
      server.send('PATCH', '/api/server/v1/configs/impersonation', [
        { operation: 'REPLACE', path: '/enableEmailNotification', value },
      ])
    expect((await set(false)).status).toBe(200)
    expect(await follower().idle?.()).toBe(true)
    expect((await set(true)).status).toBe(200)
    expect(await follower().idle?.()).toBe(false)
    await commit(server.db, [bump])
  })
})
