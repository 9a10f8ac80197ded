/** The management API of webhooks: what it takes, what it answers, and everything that it refuses. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { addDeliveries, newDeliveries } from '../lib/webhooks/deliveries.ts'
import { mostWebhooks } from '../lib/webhooks/webhook.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken } from './fixtures.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

const base = '/api/server/v1/webhooks'
const nobody = '0199aaaa-0000-7000-8000-000000000000'
const all = [
  'impersonation.authorized',
  'impersonation.started',
  'impersonation.ended',
  'impersonation.refused',
]

interface Shown {
  readonly id: string
  readonly [member: string]: unknown
}

for (const database of databases) {
  describe(`the API of webhooks on ${database.name}`, () => {
    let server: Booted
    const valid = { name: 'Receiver', url: 'https://receiver.example/told' }

    beforeAll(async () => {
      server = await boot(database)
    })
    afterEach(() => commit(server.db, [write(server.db.deleteFrom('webhook'))]))
    afterAll(() => server.stop())

    const create = async (asked: object = valid) => {
      const response = await server.send('POST', base, asked)
      expect(response.status).toBe(201)
      return { response, made: (await response.json()) as Shown }
    }

    const deliver = async (webhook: Shown, n: number) => {
      const one = { webhook_id: webhook.id, event: 'webhook.test', body: '{}', impersonation_id: null }
      const rows = newDeliveries(
        server.db,
        Array.from({ length: n }, () => one),
        new Date(),
      )
      expect(await commit(server.db, addDeliveries(server.db, rows))).toBe('committed')
      return rows.map(({ id }) => id)
    }

    test('one of another organization is not there, nor are its deliveries', async () => {
      const { db } = server
      const { made } = await create()
      const [delivery = ''] = await deliver(made, 1)
      await commit(db, [
        write(
          db
            .insertInto('organization')
            .values({ id: nobody, name: 'Other', parent_id: null, created_at: new Date().toISOString() }),
        ),
        write(db.updateTable('webhook').set({ organization_id: nobody }).where('id', '=', made.id)),
      ])
      const at = `${base}/${made.id}`
      await nothingElse(db, {}, async () => {
        const list = (await (await server.send('GET', base)).json()) as { webhooks: unknown[] }
        expect(list.webhooks).toEqual([])
        for (const [method, path, body] of [
          ['GET', at],
          ['PATCH', at, { name: 'Mine' }],
          ['DELETE', at],
          ['POST', `${at}/test`],
          ['POST', `${at}/rotate-secret`],
          ['GET', `${at}/deliveries`],
          ['GET', `${at}/deliveries/${delivery}`],
          ['POST', `${at}/deliveries/${delivery}/retry`],
        ] as const)
          expect([method, path, (await server.send(method, path, body)).status]).toEqual([method, path, 404])
      })
    })

    test('one is made with its secret, read without it, changed, and removed, each with one audit row', async () => {
      const { result, changes } = await nothingElse(
        server.db,
        { webhook: { added: 1 }, audit: { added: 1 } },
        () => create(),
      )
      const { response, made } = result
      const { secret, ...shown } = made
      expect(secret).toMatch(/^whsec_[\w+/]{43}=$/)
      expect(shown).toEqual({
        id: expect.any(String),
        kind: 'webhook',
        ...valid,
        events: all,
        enabled: true,
        hasBearerToken: false,
        created: expect.any(String),
        lastModified: expect.any(String),
        self: `/t/carbon.super${base}/${made.id}`,
      })
      expect(response.headers.get('location')).toBe(`https://localhost:9443${shown.self}`)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(changes.added.audit).toMatchObject([
        { event: 'webhook-created', target: made.id, outcome: 'Success' },
      ])
      const tag = response.headers.get('etag') ?? ''
      const read = await server.send('GET', `${base}/${made.id}`)
      expect([read.status, read.headers.get('etag'), await read.json()]).toEqual([200, tag, shown])
      const known = await server.request(`${base}/${made.id}`, {
        headers: { Authorization: `Basic ${btoa('admin:admin')}`, 'If-None-Match': tag },
      })
      expect(known.status).toBe(304)
      const edit = { name: 'Other', events: [all[2], all[2]], enabled: false, bearerToken: 'abc' }
      const seen = await nothingElse(server.db, { webhook: { changed: 1 }, audit: { added: 1 } }, () =>
        server.send('PATCH', `${base}/${made.id}`, edit),
      )
      expect(await seen.result.json()).toEqual({
        ...shown,
        name: 'Other',
        events: [all[2]],
        enabled: false,
        hasBearerToken: true,
        lastModified: expect.any(String),
      })
      const data = JSON.parse(String(seen.changes.added.audit?.[0]?.data)) as object
      expect(data).toEqual({
        name: 'Receiver',
        renamedTo: 'Other',
        events: [all[2]],
        enabled: false,
        bearerToken: 'changed',
      })
      await nothingElse(server.db, {}, () => server.send('PATCH', `${base}/${made.id}`, { name: 'Other' }))
      const removed = await nothingElse(server.db, { webhook: { removed: 1 }, audit: { added: 1 } }, () =>
        server.send('DELETE', `${base}/${made.id}`),
      )
      expect(removed.result.status).toBe(204)
      expect((await server.send('GET', `${base}/${made.id}`)).status).toBe(404)
    })

    test('a CAEP receiver has an audience, one event and no secret', async () => {
      const { made } = await create({ ...valid, kind: 'caep', audience: 'https://receiver.example' })
      expect(made).toMatchObject({
        kind: 'caep',
        events: ['session-revoked'],
        audience: 'https://receiver.example',
      })
      expect(made.secret).toBeUndefined()
      const changed = await server.send('PATCH', `${base}/${made.id}`, { audience: 'other' })
      expect(await changed.json()).toMatchObject({ audience: 'other' })
      await expectRefusal(server, () => server.send('POST', `${base}/${made.id}/rotate-secret`), {
        status: 409,
        code: 'WHK-60006',
      })
      await expectRefusal(server, () => server.send('PATCH', `${base}/${made.id}`, { events: all }), {
        status: 400,
        code: 'WHK-60004',
      })
    })

    test('a rotation shows the new secret once and says until when the former one signs', async () => {
      const { made } = await create()
      const rotated = await server.send('POST', `${base}/${made.id}/rotate-secret`)
      const body = (await rotated.json()) as Shown
      expect(rotated.status).toBe(200)
      expect(body.secret).not.toBe(made.secret)
      const left = Date.parse(String(body.formerSecretUntil)) - Date.now()
      expect(Math.abs(left - 86_400_000)).toBeLessThan(60_000)
      const again = await server.send('POST', `${base}/${made.id}/rotate-secret`, { overlapSeconds: 0 })
      expect(await again.json()).not.toHaveProperty('formerSecretUntil')
    })

    test.each([
      [{}, 'UE-10000'],
      [{ ...valid, name: '' }, 'UE-10000'],
      [{ ...valid, name: 'a\u202eb' }, 'UE-10000'],
      [{ ...valid, name: 'x'.repeat(256) }, 'UE-10000'],
      [{ ...valid, name: 7 }, 'UE-10000'],
      [{ ...valid, url: ['https://receiver.example'] }, 'UE-10000'],
      [{ ...valid, unknown: 1 }, 'UE-10000'],
      [{ ...valid, events: [] }, 'UE-10000'],
      [{ ...valid, events: ['everything'] }, 'UE-10000'],
      [{ ...valid, bearerToken: 'a b' }, 'UE-10000'],
      [{ ...valid, bearerToken: 'a\r\nX: y' }, 'UE-10000'],
      [{ ...valid, kind: 'other' }, 'UE-10000'],
      [{ ...valid, kind: 'caep' }, 'WHK-60005'],
      [{ ...valid, audience: 'a' }, 'WHK-60005'],
      [{ ...valid, kind: 'caep', audience: 'a', events: all }, 'WHK-60004'],
      [{ ...valid, url: 'receiver.example' }, 'WHK-60003'],
      [{ ...valid, url: 'ftp://receiver.example' }, 'WHK-60003'],
      [{ ...valid, url: 'http://receiver.example' }, 'WHK-60003'],
      [{ ...valid, url: 'https://user:password@receiver.example' }, 'WHK-60003'],
      [{ ...valid, url: 'http://localhost:1/x' }, 'WHK-60003'],
      [{ ...valid, url: 'https://127.0.0.1/x' }, 'WHK-60003'],
      [{ ...valid, url: 'https://[::1]/x' }, 'WHK-60003'],
      [{ ...valid, url: 'https://169.254.169.254/latest' }, 'WHK-60003'],
      [{ ...valid, url: 'https://2130706433/x' }, 'WHK-60003'],
      [{ ...valid, url: 'https://[::ffff:10.0.0.1]/x' }, 'WHK-60003'],
    ])('%j is refused with %s', async (asked, code) => {
      await expectRefusal(server, () => server.send('POST', base, asked), { status: 400, code })
    })

    test('what is not there is 404, and a stale edition 412', async () => {
      const { made, response } = await create()
      const paths: readonly (readonly [string, string, unknown])[] = [
        ['GET', '', undefined],
        ['PATCH', '', { name: 'x' }],
        ['DELETE', '', undefined],
        ['POST', '/test', undefined],
        ['POST', '/rotate-secret', undefined],
        ['GET', '/deliveries', undefined],
        ['GET', `/deliveries/${nobody}`, undefined],
        ['POST', `/deliveries/${nobody}/retry`, undefined],
      ]
      for (const [method, path, body] of paths) {
        for (const id of [nobody, 'x%00', encodeURIComponent("' or 1=1 --")]) {
          await expectRefusal(server, () => server.send(method, `${base}/${id}${path}`, body), {
            status: 404,
            code: 'WHK-60002',
          })
        }
      }
      for (const [method, path] of [
        ['GET', `/deliveries/${nobody}`],
        ['POST', `/deliveries/${nobody}/retry`],
      ] as const) {
        await expectRefusal(server, () => server.send(method, `${base}/${made.id}${path}`), {
          status: 404,
          code: 'WHK-60007',
        })
      }
      const stale = { Authorization: `Basic ${btoa('admin:admin')}`, 'If-Match': 'W/"99"' }
      for (const [method, path, body] of [
        ['PATCH', '', { name: 'x' }],
        ['DELETE', '', undefined],
        ['POST', '/rotate-secret', undefined],
      ] as const) {
        await expectRefusal(server, () => server.send(method, `${base}/${made.id}${path}`, body, stale), {
          status: 412,
          code: 'UE-10012',
        })
      }
      const current = { ...stale, 'If-Match': response.headers.get('etag') ?? '' }
      expect((await server.send('DELETE', `${base}/${made.id}`, undefined, current)).status).toBe(204)
    })

    test('lists are pages, the newest first, whose links lead to all of it and back', async () => {
      const made: string[] = []
      for (let n = 0; n < 5; n += 1) made.push((await create({ ...valid, name: `${n}` })).made.id)
      const page = async (path: string) => {
        const response = await server.send('GET', path)
        expect(response.status).toBe(200)
        const body = (await response.json()) as {
          links: { rel: string; href: string }[]
          webhooks: Shown[]
          deliveries: Shown[]
        }
        const link = (rel: string) =>
          body.links.find((one) => one.rel === rel)?.href.replace('https://localhost:9443', '')
        return { body, link }
      }
      const first = await page(`${base}?limit=2`)
      const second = await page(first.link('next') ?? '')
      const third = await page(second.link('next') ?? '')
      const ids = [first, second, third].flatMap(({ body }) => body.webhooks.map(({ id }) => id))
      expect(ids).toEqual(made.toReversed())
      expect([first.link('previous'), third.link('next')]).toEqual([undefined, undefined])
      expect((await page(third.link('previous') ?? '')).body.webhooks).toEqual(second.body.webhooks)
      const [webhook] = first.body.webhooks
      if (!webhook) throw new Error('there is one')
      const delivered = await deliver(webhook, 3)
      const deliveries = `${base}/${webhook.id}/deliveries`
      const some = await page(`${deliveries}?limit=2&status=pending`)
      const rest = await page(some.link('next') ?? '')
      expect([...some.body.deliveries, ...rest.body.deliveries].map(({ id }) => id)).toEqual(
        delivered.toReversed(),
      )
      expect((await page(`${deliveries}?status=dead`)).body.deliveries).toEqual([])
      for (const query of ['limit=0', 'limit=-1', 'limit=x', 'after=%00', 'after=YQ&before=YQ']) {
        for (const path of [base, deliveries])
          await expectRefusal(server, () => server.send('GET', `${path}?${query}`), {
            status: 400,
            code: 'WHK-60001',
          })
      }
      await expectRefusal(server, () => server.send('GET', `${deliveries}?status=lost`), {
        status: 400,
        code: 'WHK-60001',
      })
    })

    test('there can be no more than a hundred', async () => {
      const { made } = await create()
      const row = await server.db
        .selectFrom('webhook')
        .selectAll()
        .where('id', '=', made.id)
        .executeTakeFirstOrThrow()
      const more = Array.from({ length: mostWebhooks - 1 }, () => ({ ...row, id: Bun.randomUUIDv7() }))
      await commit(server.db, [write(server.db.insertInto('webhook').values(more))])
      await expectRefusal(server, () => server.send('POST', base, valid), { status: 403, code: 'WHK-60009' })
    })

    test('each permission opens its own routes, and nobody who acts for somebody else gets in (S19)', async () => {
      const { made } = await create()
      const [delivery] = await deliver(made, 1)
      const routes: readonly (readonly [string, string, string, unknown, number])[] = [
        ['view', 'GET', '', undefined, 200],
        ['view', 'GET', `/${made.id}`, undefined, 200],
        ['view', 'GET', `/${made.id}/deliveries`, undefined, 200],
        ['view', 'GET', `/${made.id}/deliveries/${delivery}`, undefined, 200],
        ['create', 'POST', '', valid, 201],
        ['update', 'PATCH', `/${made.id}`, { name: 'y' }, 200],
        ['update', 'POST', `/${made.id}/test`, undefined, 202],
        ['update', 'POST', `/${made.id}/rotate-secret`, undefined, 200],
        ['update', 'POST', `/${made.id}/deliveries/${delivery}/retry`, undefined, 202],
        ['delete', 'DELETE', `/${made.id}`, undefined, 204],
      ]
      const verbs = ['view', 'create', 'update', 'delete']
      const headers = new Map<string, Record<string, string>>()
      for (const verb of verbs)
        headers.set(verb, await operator(server, `Webhooks ${verb}`, [`internal_webhook_${verb}`]))
      const scopes = verbs.map((verb) => `internal_webhook_${verb}`)
      const { value } = await impersonatedToken(server.db, {
        application: await application(server.db, { name: 'Acting' }),
        subjectId: await account(server.db, { userName: 'acted-for' }),
        impersonatorId: await account(server.db, { userName: 'acts' }),
        scopes,
      })
      for (const [verb, method, path, body, status] of routes) {
        for (const other of verbs) {
          if (other === verb) continue
          await expectRefusal(server, () => server.send(method, `${base}${path}`, body, headers.get(other)), {
            status: 403,
            code: 403,
          })
        }
        const acting = await server.send(method, `${base}${path}`, body, { Authorization: `Bearer ${value}` })
        expect([method, path, acting.status]).toEqual([method, path, 403])
        const anonymous = await server.send(method, `${base}${path}`, body, {})
        expect(anonymous.status).toBe(401)
        const answered = await server.send(method, `${base}${path}`, body, headers.get(verb))
        expect([method, path, answered.status]).toEqual([method, path, status])
      }
    })
  })
}
