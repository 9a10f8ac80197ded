/** Webhooks and CAEP receivers: who is told of an impersonation, how it is proved, and that nothing that fails loses it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { startFollowing } from '../lib/audit/follower.ts'
import { type Sealer, startSealer } from '../lib/audit/sealer.ts'
import { type AuditEntry, record } from '../lib/audit.ts'
import { commit, write } from '../lib/database/commit.ts'
import { createLog } from '../lib/log.ts'
import { webhookFollower } from '../lib/webhooks/follower.ts'
import { startWebhookSender, type WebhookSenderOptions } from '../lib/webhooks/sender.ts'
import { type Booted, boot } from './boot.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { blocksOf } from './markdown.ts'
import { authorizePath, basic, exchange, obtainSubjectToken, type Scenario, setUp } from './scenario.ts'
import { eventually, isSigned, newReceiver, type Receiver } from './webhook-receiver.ts'

const log = createLog({ level: 'silent', format: 'json' })
const base = '/api/server/v1/webhooks'
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'

interface Made {
  readonly id: string
  readonly path: string
  readonly secret: string
}

interface Delivery {
  readonly id: string
  readonly event: string
  readonly status: string
  readonly attempts: number
  readonly lastError?: string
  readonly nextAttempt?: string
}

const document = 'docs/webhooks.md'

/** The function that the document gives receivers. */
const [verifier] = (await blocksOf(document)).filter(({ kind }) => kind === 'js')
const verifierFile = join(temporaryDirectory(), 'verify.mjs')
await Bun.write(verifierFile, verifier?.text ?? '')
const { isFromMayact } = (await import(verifierFile)) as {
  isFromMayact(headers: object, body: string, secret: string): boolean
}

const examplesOf = async () =>
  (await blocksOf(document))
    .filter(({ kind }) => kind === 'json')
    .map(({ text }) => JSON.parse(text) as Record<string, object>)

for (const database of databases) {
  describe(`webhooks on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let receiver: Receiver
    let sealer: Sealer
    const endings: (() => unknown)[] = []
    const endsLast: (() => unknown)[] = []
    let paths = 0

    beforeAll(async () => {
      server = await boot(database, { toml: '[oauth.outbound]\nallow_private_addresses = true\n' })
      scenario = await setUp(server)
      receiver = newReceiver()
      const { db, directory } = server
      sealer = startSealer({ db, log, file: `${directory}/checkpoints`, sign: async () => 'signed' })
      const following = startFollowing(db, 'webhooks-under-test', log)
      following.follow([webhookFollower(db, server.config.issuer)])
      endsLast.push(
        () => server.stop(),
        () => receiver.stop(),
        () => sealer.stop(),
        () => following.stop(),
      )
    })
    afterEach(async () => {
      for (const end of endings.splice(0).reverse()) await end()
      await commit(server.db, [write(server.db.deleteFrom('webhook'))])
      receiver.told.length = 0
    })
    afterAll(async () => {
      for (const end of endsLast.splice(0).reverse()) await end()
    })

    const issuerOf = ({ config, keys }: Booted) => ({
      issuer: config.issuer,
      sign: keys.sign,
      algorithmFor: keys.algorithmFor,
    })

    const sender = (options: Partial<WebhookSenderOptions> = {}, on = server) => {
      const made = startWebhookSender(
        on.db,
        {
          issuer: issuerOf(on),
          vault: on.vault,
          outbound: { allowPrivateAddresses: true },
          waits: [20, 20],
          ...options,
        },
        log,
      )
      endings.push(() => made.stop())
      return made
    }

    /** A webhook at a path of its own. */
    const listening = async (asked: Readonly<Record<string, unknown>> = {}): Promise<Made> => {
      paths += 1
      const path = `/told/${paths}`
      const body = { name: `Receiver ${paths}`, url: receiver.url(path), ...asked }
      const response = await server.send('POST', base, body)
      const made = (await response.json()) as { id: string; secret?: string }
      expect([response.status, made]).toEqual([201, made])
      return { id: made.id, path, secret: made.secret ?? '' }
    }

    const deliveries = async ({ id }: Pick<Made, 'id'>): Promise<readonly Delivery[]> => {
      const response = await server.send('GET', `${base}/${id}/deliveries`)
      expect(response.status).toBe(200)
      return ((await response.json()) as { deliveries: Delivery[] }).deliveries
    }

    const settled = async (made: Made, status: string) => {
      await eventually(async () => (await deliveries(made))[0]?.status === status)
      return (await deliveries(made))[0]
    }

    const happen = async (entry: Partial<AuditEntry> & Pick<AuditEntry, 'event'>, times = 1) => {
      const row = () =>
        record(
          server.db,
          new Date(),
          { id: 'a-trace', address: '127.0.0.1' },
          {
            initiator: scenario.impersonator.id,
            target: scenario.subject.id,
            data: { clientId: scenario.clientId, scope: 'openid' },
            outcome: 'Success',
            actorId: scenario.impersonator.id,
            subjectId: scenario.subject.id,
            applicationId: scenario.applicationId,
            organizationId: server.organization.id,
            impersonationId: 'an-impersonation',
            ...entry,
          },
        )
      expect(await commit(server.db, Array.from({ length: times }, row))).toBe('committed')
    }

    const messageOf = (body: string) =>
      JSON.parse(body) as { type: string; timestamp: string; data: Record<string, unknown> }

    test('authorized, started and refused are told within two seconds, signed, by ids alone (Q5)', async () => {
      sender()
      const made = await listening()
      const began = performance.now()
      const tokens = await obtainSubjectToken(server, scenario)
      const exchanged = await exchange(server, scenario, tokens)
      expect(exchanged.status).toBe(200)
      await tokens.browser.get(authorizePath(scenario, { requested_subject: 'somebody@example.com' }))
      await eventually(() => receiver.at(made.path).length === 3)
      expect(performance.now() - began).toBeLessThan(4_000)
      const told = receiver.at(made.path)
      for (const one of told) {
        expect(one.headers.get('content-type')).toBe('application/json')
        expect(isSigned(one, made.secret)).toBe(true)
        expect(isFromMayact(Object.fromEntries(one.headers), one.body, made.secret)).toBe(true)
        expect(isFromMayact(Object.fromEntries(one.headers), `${one.body} `, made.secret)).toBe(false)
        expect(isSigned({ ...one, body: `${one.body} ` }, made.secret)).toBe(false)
        expect(one.body).not.toMatch(/EndUser|Impersonator|@/)
      }
      const messages = told.map(({ body }) => messageOf(body))
      const byType = new Map(messages.map((message) => [message.type, message]))
      const impersonation = decodeJwt(tokens.subjectToken)
      expect(impersonation.sub).toBe(scenario.subject.id)
      const row = await server.db
        .selectFrom('impersonation')
        .selectAll()
        .where('started_at', 'is not', null)
        .orderBy('id', 'desc')
        .executeTakeFirstOrThrow()
      const common = {
        event: expect.any(String),
        trace: expect.any(String),
        impersonation: row.id,
        impersonator: scenario.impersonator.id,
        subject: scenario.subject.id,
        application: scenario.applicationId,
        client: scenario.clientId,
        organization: server.organization.id,
        scopes: row.scopes.split(' '),
        reason: null,
        ticket: null,
      }
      expect(byType.get('impersonation.authorized')?.data).toEqual(common)
      expect(byType.get('impersonation.started')?.data).toEqual({
        ...common,
        authorizedAt: row.authorized_at,
      })
      expect(byType.get('impersonation.refused')?.data).toMatchObject({
        impersonator: scenario.impersonator.id,
        subject: null,
        phase: 'authorize',
        refusedBy: expect.any(String),
        code: expect.any(String),
      })
      const [documented] = await examplesOf()
      expect(Object.keys(byType.get('impersonation.started')?.data ?? {})).toEqual(
        Object.keys(documented?.data ?? {}),
      )
      const events = await server.db.selectFrom('audit').select(['id', 'at']).execute()
      for (const { timestamp, data } of messages)
        expect(events).toContainEqual({ id: String(data.event), at: timestamp })
      expect(new Set(told.map(({ headers }) => headers.get('webhook-id'))).size).toBe(3)
      await eventually(async () => (await deliveries(made)).every(({ status }) => status === 'delivered'))
    }, 15_000)

    test('an end says who ended it, why, and what was done; only what is asked for is told', async () => {
      sender()
      const made = await listening({ events: ['impersonation.ended'] })
      const all = await listening()
      await listening({ enabled: false })
      const [startedAt, endedAt] = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:10:00.000Z']
      await happen({ event: 'impersonated-token-issued' })
      await happen({
        event: 'impersonation-ended',
        initiator: 'an-administrator',
        data: {
          clientId: scenario.clientId,
          reason: 'ended',
          comment: 'enough',
          startedAt,
          endedAt,
          requests: 3,
        },
      })
      await happen({ event: 'login-succeeded' })
      await eventually(() => receiver.at(all.path).length === 2 && receiver.at(made.path).length === 1)
      const [one] = receiver.at(made.path)
      expect(messageOf(one?.body ?? '')).toMatchObject({
        type: 'impersonation.ended',
        data: {
          impersonation: 'an-impersonation',
          startedAt,
          endedAt,
          endedBy: 'an-administrator',
          endReason: 'ended',
          endComment: 'enough',
          requests: 3,
        },
      })
      await Bun.sleep(300)
      expect(receiver.told.length).toBe(3)
    })

    test('a receiver that fails is told again under the same id, newly stamped, until it has it', async () => {
      sender({ waits: [1_100, 20] })
      const made = await listening()
      let failures = 2
      receiver.answers.set(made.path, () => {
        failures -= 1
        return new Response(null, { status: failures >= 0 ? 500 : 204 })
      })
      await happen({ event: 'subject-token-issued' })
      expect(await settled(made, 'delivered')).toMatchObject({ attempts: 3 })
      const told = receiver.at(made.path)
      expect(told.length).toBe(3)
      expect(new Set(told.map(({ headers, body }) => `${headers.get('webhook-id')} ${body}`)).size).toBe(1)
      const stamps = told.map(({ headers }) => Number(headers.get('webhook-timestamp')))
      expect(stamps[1]).toBeGreaterThan(stamps[0] ?? 0)
      expect(told.every((one) => isSigned(one, made.secret))).toBe(true)
    })

    test('a message that failed too often is a dead letter, and is sent once more when somebody asks for it', async () => {
      sender()
      const made = await listening()
      receiver.answers.set(made.path, () => new Response(null, { status: 500 }))
      await happen({ event: 'subject-token-issued' })
      const dead = await settled(made, 'dead')
      expect(dead).toMatchObject({ attempts: 3, lastError: 'the receiver answered 500' })
      const path = `${base}/${made.id}/deliveries/${dead?.id}`
      const again = await server.send('POST', `${path}/retry`)
      expect(again.status).toBe(202)
      expect(await settled(made, 'dead')).toMatchObject({ attempts: 4 })
      receiver.answers.delete(made.path)
      expect((await server.send('POST', `${path}/retry`)).status).toBe(202)
      expect(await settled(made, 'delivered')).toMatchObject({ id: dead?.id, attempts: 5 })
      const refused = await server.send('POST', `${path}/retry`)
      expect([refused.status, await refused.json()]).toMatchObject([409, { code: 'WHK-60008' }])
      expect((await server.audit()).filter(({ event }) => event === 'webhook-delivery-retried').length).toBe(
        2,
      )
      expect(new Set(receiver.at(made.path).map(({ headers }) => headers.get('webhook-id')))).toEqual(
        new Set([dead?.id ?? '']),
      )
    })

    test('after a rotation both secrets sign, and after the overlap the new one alone', async () => {
      let ahead = 0
      const running = sender({ now: () => new Date(Date.now() + ahead) })
      const made = await listening()
      const rotate = async (body?: object) => {
        const response = await server.send('POST', `${base}/${made.id}/rotate-secret`, body)
        expect(response.status).toBe(200)
        return ((await response.json()) as { secret: string }).secret
      }
      const next = await rotate({ overlapSeconds: 60 })
      const told = async () => {
        receiver.told.length = 0
        expect((await server.send('POST', `${base}/${made.id}/test`)).status).toBe(202)
        await running.flush()
        const [one] = receiver.at(made.path)
        if (!one) throw new Error('it was told')
        return one
      }
      const both = await told()
      expect([isSigned(both, made.secret), isSigned(both, next)]).toEqual([true, true])
      expect(both.headers.get('webhook-signature')).toMatch(/^v1,[\w+/]{43}= v1,[\w+/]{43}=$/)
      ahead = 61_000
      const later = await told()
      expect([isSigned(later, made.secret), isSigned(later, next)]).toEqual([false, true])
      const last = await rotate({ overlapSeconds: 0 })
      const alone = await told()
      expect([made.secret, next, last].map((secret) => isSigned(alone, secret))).toEqual([false, false, true])
    })

    test('a receiver that hangs, never ends or answers 10 MB holds up nobody', async () => {
      sender({ patience: 300, waits: [60_000] })
      const hanging = await listening()
      const endless = await listening()
      const large = await listening()
      const quick = await listening()
      receiver.answers.set(hanging.path, async () => {
        await Bun.sleep(5_000)
        return new Response()
      })
      const chunk = new Uint8Array(65_536)
      receiver.answers.set(
        endless.path,
        () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) })),
      )
      receiver.answers.set(large.path, () => new Response(new Uint8Array(10_000_000)))
      await happen({ event: 'subject-token-issued' }, 30)
      await eventually(() => receiver.at(quick.path).length === 30)
      await eventually(() => receiver.at(large.path).length === 30)
      await eventually(async () =>
        (await deliveries(hanging)).some(({ lastError }) => lastError !== undefined),
      )
      expect((await deliveries(hanging)).find(({ lastError }) => lastError)?.lastError).toBe(
        'the receiver did not answer in time',
      )
      await eventually(async () => (await deliveries(endless)).some(({ status }) => status === 'delivered'))
      const [first] = receiver.at(hanging.path)
      const together = receiver.at(hanging.path).filter(({ at }) => at - (first?.at ?? 0) < 250)
      expect(together.length).toBeLessThanOrEqual(5)
    }, 20_000)

    test('no redirect is followed, "gone" disables, "later" is obeyed', async () => {
      sender()
      const elsewhere = await listening({ enabled: false })
      const moved = await listening()
      const gone = await listening()
      const busy = await listening()
      receiver.answers.set(moved.path, () => Response.redirect(receiver.url(elsewhere.path), 307))
      receiver.answers.set(gone.path, () => new Response(null, { status: 410 }))
      receiver.answers.set(
        busy.path,
        () => new Response(null, { status: 429, headers: { 'Retry-After': '600' } }),
      )
      await happen({ event: 'subject-token-issued' })
      expect(await settled(moved, 'dead')).toMatchObject({ lastError: 'the receiver answered 307' })
      expect(receiver.at(elsewhere.path)).toEqual([])
      expect(await settled(gone, 'dead')).toMatchObject({
        attempts: 1,
        lastError: 'the receiver answered 410',
      })
      expect(await (await server.send('GET', `${base}/${gone.id}`)).json()).toMatchObject({ enabled: false })
      const rows = await server.db
        .selectFrom('audit')
        .selectAll()
        .where('event', '=', 'webhook-updated')
        .where('target', '=', gone.id)
        .execute()
      expect(rows.map(({ initiator, data }) => [initiator, JSON.parse(data)])).toMatchObject([
        ['system', { disabled: true, reason: 'the receiver answered 410' }],
      ])
      await eventually(async () => (await deliveries(busy))[0]?.lastError !== undefined)
      const [waiting] = await deliveries(busy)
      expect(Date.parse(waiting?.nextAttempt ?? '') - Date.now()).toBeGreaterThan(590_000)
    })

    test('what leads to no public address is not asked, whatever was registered', async () => {
      const made = await listening()
      const other = await listening({ url: 'https://127.0.0.1:1/x' })
      const running = sender({ outbound: { allowPrivateAddresses: false } })
      for (const { id } of [made, other]) {
        expect((await server.send('POST', `${base}/${id}/test`)).status).toBe(202)
      }
      await running.flush()
      expect((await deliveries(made))[0]).toMatchObject({
        status: 'dead',
        lastError: 'its URL is not an https URL',
      })
      expect((await deliveries(other))[0]).toMatchObject({
        status: 'dead',
        lastError: 'its URL leads to an address that is not public',
      })
      expect(receiver.told).toEqual([])
    })

    test('a test is sent once, to a webhook that is disabled, too', async () => {
      const running = sender()
      const made = await listening({ enabled: false })
      receiver.answers.set(made.path, () => new Response(null, { status: 500 }))
      const response = await server.send('POST', `${base}/${made.id}/test`)
      expect(response.status).toBe(202)
      const { self, id } = (await response.json()) as { self: string; id: string }
      expect(response.headers.get('location')).toBe(`https://localhost:9443${self}`)
      await running.flush()
      const [one, ...others] = receiver.at(made.path)
      expect(others).toEqual([])
      expect(one?.headers.get('webhook-id')).toBe(id)
      expect(messageOf(one?.body ?? '')).toMatchObject({ type: 'webhook.test', data: { webhook: made.id } })
      expect(await (await server.send('GET', self)).json()).toMatchObject({
        status: 'dead',
        attempts: 1,
        body: { type: 'webhook.test' },
      })
    })

    test('a CAEP receiver gets session-revoked as a security event token when an impersonation ends', async () => {
      sender()
      const audience = 'https://receiver.example/caep'
      const made = await listening({ kind: 'caep', audience, bearerToken: 'a-token' })
      expect(made.secret).toBe('')
      const endedAt = '2026-01-01T00:10:00.500Z'
      await happen({ event: 'impersonated-token-issued' })
      await happen({
        event: 'impersonation-ended',
        initiator: 'system',
        data: { clientId: scenario.clientId, reason: 'expired', endedAt, requests: 0 },
      })
      await eventually(() => receiver.at(made.path).length > 0)
      const [one] = receiver.at(made.path)
      expect(one?.headers.get('content-type')).toBe('application/secevent+jwt')
      expect(one?.headers.get('accept')).toBe('application/json')
      expect(one?.headers.get('authorization')).toBe('Bearer a-token')
      const keys = (await (await server.request('/oauth2/jwks')).json()) as JSONWebKeySet
      const { payload } = await jwtVerify(one?.body ?? '', createLocalJWKSet(keys), {
        issuer: server.config.issuer,
        audience,
        typ: 'secevent+jwt',
        requiredClaims: ['iat', 'jti', 'txn'],
      })
      expect(payload.sub).toBeUndefined()
      expect(payload.exp).toBeUndefined()
      expect(payload.sub_id).toEqual({
        format: 'complex',
        session: { format: 'opaque', id: 'an-impersonation' },
        user: { format: 'iss_sub', iss: server.config.issuer, sub: scenario.subject.id },
        application: { format: 'opaque', id: scenario.clientId },
        tenant: { format: 'opaque', id: server.organization.id },
      })
      const [, documented] = await examplesOf()
      expect(Object.keys(payload).sort()).toEqual(Object.keys(documented ?? {}).sort())
      expect(payload.events).toEqual({
        [sessionRevoked]: {
          event_timestamp: Math.floor(Date.parse(endedAt) / 1000),
          initiating_entity: 'policy',
          reason_admin: { en: 'Impersonation an-impersonation has ended: expired' },
          reason_user: { en: 'Access in your name has ended.' },
          act: { sub: scenario.impersonator.id },
        },
      })
      expect(await settled(made, 'delivered')).toMatchObject({ id: payload.jti, event: 'session-revoked' })
      expect(receiver.at(made.path).length).toBe(1)
    })

    test.each([
      ['the subject', 'user'],
      ['an administrator', 'admin'],
      ['the client', 'system'],
      ['the server', 'system'],
    ])('a token says that %s ended it: %s', async (who, word) => {
      sender()
      const made = await listening({ kind: 'caep', audience: 'a' })
      const initiator =
        { 'the subject': scenario.subject.id, 'the client': scenario.clientId, 'the server': 'system' }[
          who
        ] ?? 'somebody-else'
      await happen({
        event: 'impersonation-ended',
        initiator,
        data: { clientId: scenario.clientId, reason: 'ended' },
      })
      await eventually(() => receiver.at(made.path).length > 0)
      const events = decodeJwt(receiver.at(made.path)[0]?.body ?? '').events as Record<string, object>
      expect(events[sessionRevoked]).toMatchObject({ initiating_entity: word })
    })

    test('202 alone is a receipt of a token; its errors are understood', async () => {
      sender()
      const answers: readonly (readonly [() => Response, number, string])[] = [
        [() => new Response(null, { status: 200 }), 3, 'the receiver answered 200 and not 202'],
        [
          () => Response.json({ err: 'invalid_audience', description: 'not\nme' }, { status: 400 }),
          1,
          'the receiver answered 400 invalid_audience: not?me',
        ],
        [
          () => Response.json({ err: 'authentication_failed' }, { status: 400 }),
          3,
          'the receiver answered 400 authentication_failed',
        ],
        [() => new Response('{'.repeat(100_000), { status: 400 }), 3, 'the receiver answered 400'],
        [() => new Response('[null]', { status: 400 }), 3, 'the receiver answered 400'],
      ]
      const made = await Promise.all(answers.map(() => listening({ kind: 'caep', audience: 'a' })))
      made.forEach(({ path }, index) => {
        const answer = answers[index]?.[0]
        if (answer) receiver.answers.set(path, answer)
      })
      await happen({ event: 'impersonation-ended', data: { reason: 'logout' } })
      for (const [index, one] of made.entries()) {
        const [, attempts, lastError] = answers[index] ?? []
        expect(await settled(one, 'dead')).toMatchObject({ attempts, lastError })
        const told = receiver.at(one.path).map(({ body }) => decodeJwt(body))
        expect(new Set(told.map(({ jti, iat }) => `${jti} ${iat}`)).size).toBe(1)
      }
    })

    test('the test of a CAEP receiver is the verification event', async () => {
      const running = sender()
      const made = await listening({ kind: 'caep', audience: 'a' })
      expect((await server.send('POST', `${base}/${made.id}/test`)).status).toBe(202)
      await running.flush()
      expect(decodeJwt(receiver.at(made.path)[0]?.body ?? '')).toMatchObject({
        aud: 'a',
        sub_id: { format: 'opaque', id: made.id },
        events: { [verification]: { state: expect.any(String) } },
      })
    })

    test('of several servers each message is made once and sent once', async () => {
      const made = await listening()
      const other = await boot(database, { beside: server })
      const beside = startFollowing(other.db, 'webhooks-under-test', log)
      beside.follow([webhookFollower(other.db, other.config.issuer)])
      endings.push(async () => {
        await beside.stop()
        await other.stop()
      })
      sender({}, other)
      sender()
      await happen({ event: 'subject-token-issued' }, 40)
      await eventually(() => receiver.at(made.path).length >= 40)
      await Bun.sleep(300)
      expect(receiver.at(made.path).length).toBe(40)
      expect(new Set(receiver.at(made.path).map(({ headers }) => headers.get('webhook-id'))).size).toBe(40)
    })

    test('neither secret nor token is in the database or in the audit', async () => {
      const made = await listening({ bearerToken: 'not-to-be-read', url: receiver.url('/secret-path?key=k') })
      expect((await server.send('POST', `${base}/${made.id}/rotate-secret`)).status).toBe(200)
      const { db } = server
      const row = await db.selectFrom('webhook').selectAll().where('id', '=', made.id).executeTakeFirst()
      const audit = await db.selectFrom('audit').selectAll().where('target', '=', made.id).execute()
      expect(JSON.stringify([row, audit])).not.toContain(made.secret)
      expect(JSON.stringify([row, audit])).not.toContain('not-to-be-read')
      expect(JSON.stringify(audit)).not.toContain('secret-path')
      expect(audit.map(({ event }) => event).sort()).toEqual(['webhook-created', 'webhook-secret-rotated'])
    })

    test('the end of a real impersonation is told', async () => {
      sender()
      const made = await listening({ events: ['impersonation.ended'] })
      const tokens = await obtainSubjectToken(server, scenario)
      const exchanged = await exchange(server, scenario, tokens)
      const { access_token: token } = (await exchanged.json()) as { access_token: string }
      const revoked = await server.request('/oauth2/revoke', {
        method: 'POST',
        headers: { Authorization: basic(scenario.clientId, scenario.clientSecret) },
        body: new URLSearchParams({ token }),
      })
      expect(revoked.status).toBe(200)
      const { startSweeper } = await import('../lib/impersonation/sweeper.ts')
      const sweeper = startSweeper({ db: server.db, log, enabled: () => true })
      endings.push(() => sweeper.stop())
      await eventually(() => receiver.at(made.path).length === 1)
      expect(messageOf(receiver.at(made.path)[0]?.body ?? '').data).toMatchObject({
        impersonator: scenario.impersonator.id,
        subject: scenario.subject.id,
        endReason: 'revoked',
        requests: 0,
      })
    })
  })
}
