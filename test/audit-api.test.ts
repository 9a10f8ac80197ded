/** GET /api/server/v1/audit: any combination of conditions finds exactly the rows that fulfil it, page by page. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { jwtVerify } from 'jose'
import { type Sealer, startSealer } from '../lib/audit/sealer.ts'
import { type AuditEntry, record } from '../lib/audit.ts'
import { commit, runScript } from '../lib/database/commit.ts'
import { openAuditKey } from '../lib/keys/audit-key.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot } from './boot.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'
import { impersonate, patchCountry, setUp } from './scenario.ts'

const path = '/api/server/v1/audit'

interface Shown {
  readonly id: string
  readonly recordedAt: string
  readonly sealed: boolean
  readonly proven: boolean
  readonly [name: string]: unknown
}
interface Page {
  readonly count: number
  readonly links: readonly { readonly rel: string; readonly href: string }[]
  readonly events: readonly Shown[]
}

describe.each(databases)('the audit API on $name', (database) => {
  let server: Booted
  let sealer: Sealer
  let viewer: Record<string, string>

  beforeAll(async () => {
    server = await boot(database)
    viewer = await operator(server, 'auditor', ['internal_audit_view'])
    sealer = startSealer({
      db: server.db,
      log: createLog({ level: 'silent', format: 'text' }),
      file: join(temporaryDirectory(), 'audit.checkpoint'),
      sign: async (statement, typ) =>
        (await openAuditKey(server.db, server.vault, new Date())).sign(statement, typ),
    })
    // what a clock of this process does not do by itself: passes that a test did not ask for
    await sealer.stop()
  })
  afterAll(() => server.stop())

  const get = async (query: string): Promise<Page> => {
    const response = await server.send('GET', `${path}${query}`, undefined, viewer)
    expect([response.status, response.headers.get('Cache-Control')]).toEqual([200, 'no-store'])
    return (await response.json()) as Page
  }
  /** All pages of a query. */
  const walk = async (query: Readonly<Record<string, string>>, limit = 7) => {
    const events: Shown[] = []
    let pages = 0
    let next: string | undefined = `?${new URLSearchParams({ ...query, limit: String(limit) })}`
    while (next !== undefined) {
      const page: Page = await get(next)
      expect(page.count).toBe(page.events.length)
      expect(page.count).toBeLessThanOrEqual(limit)
      events.push(...page.events)
      pages += 1
      next = page.links[0]?.href.slice(path.length)
    }
    return { events, pages }
  }

  test('an impersonation is found by everybody who has to do with it, and its rows say whether they are proven', async () => {
    const scenario = await setUp(server)
    const { access_token } = await impersonate(server, scenario)
    expect((await patchCountry(server, access_token)).status).toBe(200)
    const actor = scenario.impersonator.id
    const subject = scenario.subject.id
    const before = await get(`?event=user-claims-changed&actor=${actor}&subject=${subject}`)
    expect(before).toEqual({
      count: 1,
      links: [],
      events: [
        {
          id: expect.any(String),
          recordedAt: expect.stringMatching(/Z$/),
          event: 'user-claims-changed',
          action: 'Set-User-Claim-Values',
          initiator: subject,
          target: expect.any(String),
          actor,
          subject,
          application: scenario.applicationId,
          organization: expect.any(String),
          impersonation: expect.any(String),
          outcome: 'Success',
          traceId: expect.any(String),
          data: expect.any(Object),
          sealed: false,
          proven: false,
        },
      ],
    })
    await sealer.flush()
    const [row] = before.events
    const sealed = {
      ...row,
      sealed: true,
      proven: true,
      position: expect.any(Number),
      link: expect.any(String),
    }
    expect(
      (await get(`?event=user-claims-changed&actor=${actor}&subject=${subject}`)).events as unknown[],
    ).toEqual([sealed])
    const one = await server.send('GET', `${path}/${row?.id}`, undefined, viewer)
    expect([one.status, await one.json()] as unknown[]).toEqual([200, sealed])
    const of = async (query: Readonly<Record<string, string>>) =>
      (await walk(query)).events.map(({ event }) => event)
    const whole = [
      'user-claims-changed',
      'resource-modification-via-impersonation',
      'impersonated-token-issued',
      'subject-token-issued',
    ]
    expect(await of({ impersonation: String(row?.impersonation) })).toEqual(whole)
    expect(await of({ actor })).toEqual(whole)
    expect(await of({ trace: String(row?.traceId) })).toEqual(whole.slice(0, 2))
    expect(await of({ outcome: 'AUTHORIZED' })).toEqual(whole.slice(1, 2))
  })

  test('to read the trail changes nothing, and leaves no row of its own', async () => {
    await nothingElse(server.db, {}, async () => {
      for (const query of ['', '?event=logout', '/checkpoints', '/keys']) await get(query)
    })
  })

  test('any combination of conditions finds what fulfils it, in pages, the newest first', async () => {
    await runScript(server.db, 'delete from audit_checkpoint; delete from audit')
    const start = Date.parse('2026-01-01T00:00:00.000Z')
    const pick = <One>(...of: readonly One[]): One => of[Math.floor(Math.random() * of.length)] as One
    const entry = (): AuditEntry => ({
      event: pick('logout', 'token-issued', 'user-created'),
      initiator: pick('anna', 'bert', 'carl'),
      target: pick('anna', 'bert', 'dora'),
      data: {},
      outcome: pick('Success', 'Success', 'Refused'),
      actorId: pick(undefined, 'anna', 'bert', 'dora'),
      subjectId: pick(undefined, 'anna', 'bert', 'dora', 'emil'),
      applicationId: pick(undefined, 'app'),
      impersonationId: pick(undefined, undefined, 'one', 'two'),
    })
    const happen = async (count: number) => {
      const writes = Array.from({ length: count }, () =>
        record(
          server.db,
          new Date(start + pick(...Array(50).keys()) * 1_000),
          { id: pick('t1', 't2', 't3'), address: '' },
          entry(),
        ),
      )
      expect(await commit(server.db, writes)).toBe('committed')
    }
    await happen(150)
    await sealer.flush()
    await happen(40)
    const every = (await server.db.selectFrom('audit').selectAll().execute()).sort((one, other) =>
      `${one.at} ${one.id}` < `${other.at} ${other.id}` ? 1 : -1,
    )
    const values = {
      event: ['logout', 'token-issued'],
      action: ['user-logout', 'nothing'],
      initiator: ['anna', 'carl'],
      target: ['anna', 'dora'],
      actor: ['anna', 'dora'],
      subject: ['anna', 'dora', 'emil'],
      application: ['app'],
      impersonation: ['one'],
      outcome: ['Refused', 'Success'],
      trace: ['t1'],
    } as const
    const columns: Record<string, keyof (typeof every)[0]> = {
      actor: 'actor_id',
      subject: 'subject_id',
      application: 'application_id',
      impersonation: 'impersonation_id',
      trace: 'trace_id',
    }
    const check = async (query: Record<string, string>) => {
      const wanted = every.filter((row) =>
        Object.entries(query).every(([name, value]) => {
          if (name === 'from') return row.at >= value
          if (name === 'to') return row.at < value
          return row[columns[name] ?? (name as 'event')] === value
        }),
      )
      const { events } = await walk(query, pick(1, 7, 100))
      expect([query, events.map(({ id }) => id)]).toEqual([query, wanted.map(({ id }) => id)])
    }
    await check({})
    for (const [name, all] of Object.entries(values)) for (const value of all) await check({ [name]: value })
    for (let round = 0; round < 25; round += 1) {
      const query: Record<string, string> = {}
      for (const [name, all] of Object.entries(values)) if (Math.random() < 0.25) query[name] = pick(...all)
      if (Math.random() < 0.3) query.from = '2026-01-01T00:00:10.000Z'
      if (Math.random() < 0.3) query.to = '2026-01-01T00:00:40.000Z'
      await check(query)
    }
  }, 60_000)

  test('a page looks at a few thousand rows at most, and goes on from there with the next', async () => {
    await runScript(server.db, 'delete from audit_checkpoint; delete from audit')
    const trace = { id: 't', address: '' }
    const many = (first: number, count: number) =>
      commit(
        server.db,
        Array.from({ length: count }, (_, n) =>
          record(server.db, new Date(1_700_000_000_000 + first + n), trace, {
            event: 'logout',
            initiator: 'busy',
            target: 'busy',
            data: {},
            outcome: (first + n) % 1_000 === 0 ? 'Refused' : 'Success',
          }),
        ),
      )
    for (let part = 0; part < 3; part += 1) expect(await many(part * 1_500, 1_500)).toBe('committed')
    await sealer.flush()
    const { events, pages } = await walk({ initiator: 'busy', event: 'logout', outcome: 'Refused' })
    expect(events).toHaveLength(5)
    expect(pages).toBe(3)
    // one rare condition among frequent ones is found at once
    const rare = record(server.db, new Date(1_600_000_000_000), trace, {
      event: 'logout',
      initiator: 'busy',
      target: 'rare',
      data: {},
      outcome: 'Success',
    })
    await commit(server.db, [rare])
    await sealer.flush()
    const found = await walk({ initiator: 'busy', event: 'logout', target: 'rare' })
    expect([found.events.length, found.pages]).toEqual([1, 1])
  })

  test('checkpoints and keys are handed out, and the one proves the other', async () => {
    const { keys } = (await (await server.send('GET', `${path}/keys`, undefined, viewer)).json()) as {
      keys: Record<string, string>[]
    }
    expect(keys).toHaveLength(1)
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    const key = await crypto.subtle.importKey(
      'jwk',
      keys[0] ?? {},
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['verify'],
    )
    const first = (await (
      await server.send('GET', `${path}/checkpoints?limit=1`, undefined, viewer)
    ).json()) as {
      checkpoints: { position: number; link: string; statement: string }[]
      links: { href: string }[]
    }
    const [checkpoint] = first.checkpoints
    const { payload } = await jwtVerify(checkpoint?.statement ?? '', key, { typ: 'audit-checkpoint+jwt' })
    expect(payload).toMatchObject({ position: checkpoint?.position, link: checkpoint?.link })
    const row = await get(`?limit=1&target=rare`)
    expect(row.events[0]).toMatchObject({ position: checkpoint?.position, link: checkpoint?.link })
    const next = await server.send('GET', first.links[0]?.href ?? '', undefined, viewer)
    const second = (await next.json()) as typeof first
    expect(second.checkpoints[0]?.position).toBeLessThan(checkpoint?.position ?? 0)
  })

  test('what cannot be read is refused by its own code, and who may not look sees nothing', async () => {
    const refused = (query: string, status = 400, code = 'AUD-60001') =>
      expectRefusal(server, () => server.send('GET', `${path}${query}`, undefined, viewer), { status, code })
    for (const query of [
      '?events=logout',
      '?event=logout&event=token-issued',
      '?event=',
      '?target=%00',
      `?target=${'x'.repeat(1_001)}`,
      '?limit=0',
      '?limit=-1',
      '?limit=ten',
      '?from=yesterday',
      '?from=2026-13-01T00:00:00Z',
      '?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z',
      '?after=nonsense',
      `?after=${Buffer.from("2026-01-01T00:00:00.000Z ' or 1=1").toString('base64url')}`,
      '/checkpoints?after=x',
      '/checkpoints?event=x',
    ])
      await refused(query)
    await refused('/nothing', 404, 'AUD-60002')
    await refused('/%00', 404, 'AUD-60002')
    const nobody = await operator(server, `nobody-${database.name}`, ['internal_user_mgt_view'])
    for (const query of ['', '/x', '/keys', '/checkpoints']) {
      const response = await server.send('GET', `${path}${query}`, undefined, nobody)
      expect(response.status).toBe(403)
    }
  })
})
