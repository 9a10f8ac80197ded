/** OpenID Connect Back-Channel Logout 1.0: who is told, what of, how promptly, and that nothing that fails loses it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { bump, commit, readRevision, write } from '../../lib/database/commit.ts'
import { findClient } from '../../lib/directory/applications.ts'
import { createLog } from '../../lib/log.ts'
import { addNotice } from '../../lib/sign-in/logout-notices.ts'
import { type LogoutSenderOptions, startLogoutSender } from '../../lib/sign-in/logout-sender.ts'
import { subjectIdentifier } from '../../lib/tokens/subject-identifier.ts'
import { type Booted, boot } from '../boot.ts'
import { newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { createPerson, redirectUri, type Scenario, setLocked, setUp } from '../scenario.ts'
import { type Client, confirmLogout, createClient, logoutPath, signIn } from './signed-in.ts'

const log = createLog({ level: 'silent', format: 'json' })

interface Told {
  readonly path: string
  readonly type: string | null
  readonly caching: string | null
  readonly token: string
  readonly body: readonly string[]
}

type Answer = (request: Request) => Response | Promise<Response>

/** An application that is told of logouts, each path answering as it was told to. */
const application = () => {
  const told: Told[] = []
  const answers = new Map<string, Answer>()
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 20,
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const body = new URLSearchParams(await request.clone().text())
      told.push({
        path: pathname,
        type: request.headers.get('content-type'),
        caching: request.headers.get('cache-control'),
        token: body.get('logout_token') ?? '',
        body: [...body.keys()],
      })
      return answers.get(pathname)?.(request) ?? new Response(null, { status: 200 })
    },
  })
  const url = (path: string) => `http://127.0.0.1:${server.port}${path}`
  return { told, answers, url, stop: () => server.stop(true) }
}

const eventually = async (holds: () => boolean | Promise<boolean>, milliseconds = 5_000) => {
  const until = performance.now() + milliseconds
  while (!(await holds())) {
    if (performance.now() > until) throw new Error('it never came to that')
    await Bun.sleep(10)
  }
}

for (const database of databases) {
  describe(`back-channel logout on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let rp: ReturnType<typeof application>
    const endings: (() => unknown)[] = []
    let paths = 0

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      rp = application()
    })
    afterEach(async () => {
      for (const end of endings.splice(0).reverse()) await end()
      const { db } = server
      await commit(db, [write(db.deleteFrom('logout_notice'))])
      rp.told.length = 0
    })
    afterAll(async () => {
      await rp.stop()
      await server.stop()
    })

    const sender = (options: Partial<LogoutSenderOptions> = {}) => {
      const issuer = {
        issuer: server.config.issuer,
        sign: server.keys.sign,
        algorithmFor: server.keys.algorithmFor,
      }
      const made = startLogoutSender(
        server.db,
        { issuer, outbound: { allowPrivateAddresses: false }, ...options },
        log,
      )
      endings.push(() => made.stop())
      return made
    }

    /** A client that wants to be told, at a path of its own. */
    const listening = async (oidc: Readonly<Record<string, unknown>> = {}) => {
      paths += 1
      const path = `/told/${paths}`
      const client = await createClient(server, scenario, {
        oidc: { logout: { backChannelLogoutUrl: rp.url(path) }, ...oidc },
      })
      return { ...client, path }
    }

    const notices = () => server.db.selectFrom('logout_notice').selectAll().orderBy('created_at').execute()

    const notice = (client: Client, url: string) =>
      addNotice(
        server.db,
        { client_id: client.clientId, url, subject: 'somebody', session_id: 'a-session' },
        new Date(),
      )

    test('within a second the application gets a token that says who signed out of which session', async () => {
      sender()
      const client = await listening()
      const { browser, idToken, sid } = await signIn(server, scenario, client)
      const before = performance.now()
      const response = await browser.get(logoutPath({ id_token_hint: idToken }))
      expect(response.status).toBe(200)
      await eventually(() => rp.told.length > 0, 1_000)
      expect(performance.now() - before).toBeLessThan(1_000)
      const [told] = rp.told
      expect(told).toMatchObject({
        path: client.path,
        type: expect.stringContaining('application/x-www-form-urlencoded'),
        caching: 'no-store',
        body: ['logout_token'],
      })
      const keys = (await (await server.request('/oauth2/jwks')).json()) as Parameters<
        typeof createLocalJWKSet
      >[0]
      const { payload } = await jwtVerify(told?.token ?? '', createLocalJWKSet(keys), {
        issuer: server.config.issuer,
        audience: client.clientId,
        typ: 'logout+jwt',
        requiredClaims: ['iat', 'exp', 'jti'],
      })
      const { iat = 0, exp = 0, jti, ...rest } = payload
      expect(rest).toEqual({
        iss: server.config.issuer,
        aud: client.clientId,
        sub: scenario.impersonator.id,
        sid,
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      })
      expect(exp - iat).toBe(120)
      await eventually(async () => (await notices())[0]?.sent_at !== null)
      expect(await notices()).toMatchObject([
        { id: jti, attempts: 1, next_attempt_at: null, last_error: null },
      ])
      await Bun.sleep(300)
      expect(rp.told.length).toBe(1)
    })

    test('each application of the session is told by the sub that it knows, others are not', async () => {
      const first = await listening()
      const second = await listening({ subject: { subjectType: 'pairwise' } })
      const silent = await createClient(server, scenario)
      await listening()
      const { browser, sid } = await signIn(server, scenario, first)
      await signIn(server, scenario, second, browser)
      await signIn(server, scenario, silent, browser)
      await confirmLogout(browser)
      expect((await notices()).map((row) => row.session_id)).toEqual([sid, sid])
      await sender().flush()
      expect(rp.told.map(({ path }) => path).sort()).toEqual([first.path, second.path].sort())
      const bySecond = rp.told.find(({ path }) => path === second.path)
      const claims = decodeJwt(bySecond?.token ?? '')
      expect(claims).toMatchObject({ aud: second.clientId, sid })
      const known = await findClient(server.db, await readRevision(server.db), second.clientId)
      if (!known) throw new Error('the client is there')
      expect(claims.sub).toBe(await subjectIdentifier(server.db, known, scenario.impersonator.id))
      expect(claims.sub).not.toBe(scenario.impersonator.id)
    })

    test('a new application with the client id of one that was deleted is told of no sign-in of that one', async () => {
      const client = await listening()
      const { browser } = await signIn(server, scenario, client)
      const register = '/api/identity/oauth2/dcr/v1.1/register'
      expect((await server.send('DELETE', `${register}/${client.clientId}`)).status).toBe(204)
      const again = await server.send('POST', register, {
        ext_param_client_id: client.clientId,
        redirect_uris: [redirectUri],
        backchannel_logout_uri: 'https://newcomer.example/told',
        frontchannel_logout_uri: `${new URL(redirectUri).origin}/told`,
      })
      expect(again.status).toBe(201)
      const page = await confirmLogout(browser)
      expect(await page.text()).not.toContain('<iframe')
      expect(await notices()).toEqual([])
    })

    test('another person who signs in in the browser, a lock and a new password tell them as well', async () => {
      const client = await listening()
      const { db } = server
      const person = await createPerson(server, `Signed${Date.now()}`)
      const asked = {
        client_id: client.clientId,
        redirect_uri: redirectUri,
        response_type: 'id_token',
        nonce: 'n',
      }
      const logIn = async (browser = newBrowser(server), who = person) => {
        browser.cookies.delete('__Host-mayact-session')
        const login = await browser.get(
          `/oauth2/authorize?${new URLSearchParams({ ...asked, scope: 'openid', response_type: 'id_token subject_token', requested_subject: scenario.subject.id })}`,
        )
        const key = new URL(login.headers.get('location') ?? '', 'https://localhost').searchParams.get(
          'sessionDataKey',
        )
        await browser.post('/commonauth', {
          username: who.userName,
          password: who.password,
          sessionDataKey: key ?? '',
        })
        const session = await db
          .selectFrom('session')
          .select('id')
          .where('account_id', '=', who.id)
          .orderBy('id', 'desc')
          .executeTakeFirstOrThrow()
        const row = {
          session_id: session.id,
          application_id: client.applicationId,
          client_id: client.clientId,
        }
        await commit(db, [
          write(db.insertInto('session_application').values({ ...row, since: new Date().toISOString() })),
        ])
        return { browser, sid: session.id }
      }
      const first = await logIn()
      await logIn(first.browser, scenario.impersonator)
      expect((await notices()).map((row) => row.session_id)).toEqual([first.sid])
      const second = await logIn()
      await setLocked(server, person.id, true)
      expect((await notices()).map((row) => row.session_id)).toEqual([first.sid, second.sid])
      await setLocked(server, person.id, false)
      // it ended with the lock, and does so no second time
      await setLocked(server, person.id, true)
      expect((await notices()).length).toBe(2)
      await setLocked(server, person.id, false)
      const third = await logIn()
      const changed = await server.send('PATCH', `/scim2/Users/${person.id}`, {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'replace', value: { password: 'Another@1234' } }],
      })
      expect(changed.status).toBe(200)
      expect((await notices()).map((row) => row.session_id)).toEqual([first.sid, second.sid, third.sid])
      await sender().flush()
      expect(rp.told.map(({ token }) => decodeJwt(token).sub)).toEqual([person.id, person.id, person.id])
    })

    test('an application that fails is told again with a new token of the same jti, until it knows', async () => {
      const client = await listening()
      let failures = 2
      rp.answers.set(client.path, () => {
        failures -= 1
        return new Response('x', { status: failures >= 0 ? 503 : 204 })
      })
      sender({ waits: [10, 10, 10] })
      await commit(server.db, [notice(client, rp.url(client.path))])
      await eventually(async () => (await notices())[0]?.sent_at !== null)
      expect(await notices()).toMatchObject([{ attempts: 3, last_error: null, gave_up_at: null }])
      expect(new Set(rp.told.map(({ token }) => decodeJwt(token).jti)).size).toBe(1)
      expect(rp.told.length).toBe(3)
    })

    test('what will do no better is given up: a refusal, a redirect, too many failures, an application that is gone', async () => {
      const { db } = server
      const client = await listening()
      const elsewhere = await listening()
      const answers: readonly (readonly [string, Answer, number, string])[] = [
        [
          '/refuses',
          () => Response.json({ error: 'invalid_request' }, { status: 400 }),
          1,
          'the application answered 400',
        ],
        ['/moves', () => Response.redirect(rp.url(elsewhere.path), 307), 1, 'the application answered 307'],
        ['/fails', () => new Response(null, { status: 500 }), 3, 'the application answered 500'],
        ['/later', () => new Response(null, { status: 429 }), 3, 'the application answered 429'],
      ]
      sender({ waits: [5, 5] })
      for (const [path, answer, attempts, reason] of answers) {
        rp.answers.set(path, answer)
        await commit(db, [notice(client, rp.url(path))])
        await eventually(async () => (await notices()).every((row) => row.next_attempt_at === null))
        expect((await notices()).at(-1)).toMatchObject({ attempts, last_error: reason, sent_at: null })
        expect(rp.told.filter((told) => told.path === path).length).toBe(attempts)
      }
      expect(rp.told.some(({ path }) => path === elsewhere.path)).toBe(false)
      await commit(db, [notice({ ...client, clientId: 'gone' }, rp.url('/x'))])
      await commit(db, [notice(client, 'ftp://127.0.0.1/x')])
      await commit(db, [notice(client, 'file:///etc/hosts')])
      await commit(db, [notice(client, 'x')])
      await commit(db, [notice(client, 'http://127.0.0.1:1/x')])
      await eventually(async () => (await notices()).every((row) => row.next_attempt_at === null))
      const protocol = 'its URL is neither http nor https'
      expect(
        (await notices())
          .slice(4)
          .map((row) => row.last_error)
          .sort(),
      ).toEqual(
        ['the application is gone', protocol, protocol, protocol, 'the application cannot be reached'].sort(),
      )
    })

    test('an application that never answers, or never ends, holds up nobody', async () => {
      const slow = await listening()
      const endless = await listening()
      const quick = await listening()
      rp.answers.set(slow.path, async () => {
        await Bun.sleep(10_000)
        return new Response()
      })
      rp.answers.set(
        endless.path,
        () => new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65_536)) })),
      )
      sender({ patience: 300, waits: [60_000] })
      await commit(server.db, [
        notice(slow, rp.url(slow.path)),
        notice(endless, rp.url(endless.path)),
        notice(quick, rp.url(quick.path)),
      ])
      await eventually(async () =>
        (await notices()).every((row) => row.sent_at !== null || row.last_error !== null),
      )
      const byClient = new Map((await notices()).map((row) => [row.client_id, row]))
      expect(byClient.get(quick.clientId)?.sent_at).not.toBeNull()
      expect(byClient.get(endless.clientId)?.sent_at).not.toBeNull()
      expect(byClient.get(slow.clientId)?.last_error).toBe('the application did not answer in time')
    })

    test('hundreds of notices for an application that never answers keep none from the others', async () => {
      const slow = await listening()
      const quick = await listening()
      rp.answers.set(slow.path, async () => {
        await Bun.sleep(10_000)
        return new Response()
      })
      sender({ patience: 2_000, waits: [60_000] })
      await commit(
        server.db,
        Array.from({ length: 200 }, () => notice(slow, rp.url(slow.path))),
      )
      await eventually(() => rp.told.length > 0)
      for (let round = 0; round < 3; round += 1) {
        const before = performance.now()
        await commit(server.db, [notice(quick, rp.url(quick.path))])
        await eventually(() => rp.told.filter(({ path }) => path === quick.path).length > round)
        expect(performance.now() - before).toBeLessThan(1_000)
      }
    })

    test('a client that registered itself cannot have addresses of private networks called', async () => {
      const { db } = server
      const client = await listening()
      const dynamic = db
        .updateTable('application')
        .set({ registration_hash: 'x' })
        .where('id', '=', client.applicationId)
      await commit(db, [write(dynamic), bump])
      const guarded = sender()
      await commit(db, [notice(client, rp.url(client.path))])
      await commit(db, [notice(client, 'https://127.0.0.1/x')])
      await guarded.flush()
      expect((await notices()).map((row) => row.last_error).sort()).toEqual([
        'its URL is not an https URL',
        'its URL leads to an address that is not public',
      ])
      await guarded.stop()
      await sender({ outbound: { allowPrivateAddresses: true } }).flush()
      await commit(db, [notice(client, rp.url(client.path))])
      await eventually(() => rp.told.length === 1)
    })

    test('of several processes one tells, and what a dead one had claimed is taken over', async () => {
      const { db } = server
      const client = await listening()
      const other = await boot(database, { beside: server })
      endings.push(() => other.stop())
      const issuer = {
        issuer: server.config.issuer,
        sign: server.keys.sign,
        algorithmFor: server.keys.algorithmFor,
      }
      const beside = startLogoutSender(other.db, { issuer, outbound: { allowPrivateAddresses: false } }, log)
      endings.push(() => beside.stop())
      await commit(
        db,
        Array.from({ length: 40 }, () => notice(client, rp.url(client.path))),
      )
      // nobody's any more: both want them
      await commit(db, [write(db.updateTable('logout_notice').set({ sender: '' }))])
      sender()
      await eventually(async () => (await notices()).every((row) => row.sent_at !== null))
      expect(rp.told.length).toBe(40)
      expect(new Set(rp.told.map(({ token }) => decodeJwt(token).jti)).size).toBe(40)
      // the dead one claimed this and was killed before it could say what became of it
      await commit(db, [notice(client, rp.url(client.path))])
      const ago = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()
      const claimed = { sender: 'dead', attempts: 1 }
      const last = (await notices()).find((row) => row.sent_at === null)
      const set = (next: string) =>
        write(
          db
            .updateTable('logout_notice')
            .set({ ...claimed, next_attempt_at: next })
            .where('id', '=', last?.id ?? ''),
        )
      await commit(db, [set(ago(1_000))])
      await Bun.sleep(500)
      const told = rp.told.length
      await commit(db, [set(ago(16_000))])
      await eventually(async () => (await notices()).every((row) => row.sent_at !== null))
      expect(rp.told.length - told).toBeLessThanOrEqual(1)
      expect(decodeProtectedHeader(rp.told.at(-1)?.token ?? '').typ).toBe('logout+jwt')
    })

    test('a process that stops leaves what it could not tell to whoever looks next', async () => {
      const client = await listening()
      rp.answers.set(client.path, async () => {
        await Bun.sleep(10_000)
        return new Response()
      })
      const first = sender()
      await commit(server.db, [notice(client, rp.url(client.path))])
      await eventually(() => rp.told.length === 1)
      const before = performance.now()
      await first.stop()
      expect(performance.now() - before).toBeLessThan(2_000)
      expect(await notices()).toMatchObject([
        { sender: '', sent_at: null, last_error: null, gave_up_at: null },
      ])
      rp.answers.delete(client.path)
      await sender().flush()
      expect(await notices()).toMatchObject([{ attempts: 2, last_error: null, gave_up_at: null }])
      expect(rp.told.length).toBe(2)
    })
  })
}
