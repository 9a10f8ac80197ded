/** OpenID Connect RP-Initiated Logout 1.0: who is asked, where the browser goes, and what a bad request never does. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose'
import { bump, commit, write } from '../../lib/database/commit.ts'
import { endSessions, findSignIns } from '../../lib/sign-in/end-session.ts'
import { rememberApplication } from '../../lib/sign-in/session-applications.ts'
import { type Booted, boot } from '../boot.ts'
import { newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { createPerson, exchange, redirectUri, type Scenario, setUp } from '../scenario.ts'
import {
  type Client,
  confirmLogout,
  createClient,
  fieldsOf,
  isAlive,
  logoutPath,
  signIn,
} from './signed-in.ts'

const back = 'https://client.example/signed-out?from=mayact'

for (const database of databases) {
  describe(`RP-initiated logout on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    /** One that needs no question, and one that does. */
    let quiet: Client
    let asking: Client

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      const oidc = { mayact: { postLogoutRedirectUris: [back] } }
      quiet = await createClient(server, scenario, { oidc })
      asking = await createClient(server, scenario, { oidc, skipLogoutConsent: false })
    })
    afterAll(() => server.stop())

    const page = async (response: Response) => {
      const html = await response.text()
      return {
        status: response.status,
        asks: html.includes('id="logoutForm"'),
        done: html.includes('id="signed-out"'),
        error: /id="error-message">([^<]*)/.exec(html)?.[1],
        location: response.headers.get('location'),
      }
    }
    const asked = { status: 200, asks: true, done: false, error: undefined, location: null }
    const done = { status: 200, asks: false, done: true, error: undefined, location: null }

    test('a hint of this sign-in and skipLogoutConsent sign out at once and go back with the state', async () => {
      const { browser, idToken, sid } = await signIn(server, scenario, quiet)
      const before = (await server.audit()).length
      const opbs = browser.cookies.get('opbs')
      const response = await browser.get(
        logoutPath({ id_token_hint: idToken, post_logout_redirect_uri: back, state: 'a b&c' }),
      )
      expect([response.status, response.headers.get('location')]).toEqual([302, `${back}&state=a%20b%26c`])
      expect(await isAlive(server, sid)).toBe(false)
      expect(browser.cookies.get('opbs')).not.toBe(opbs)
      expect(browser.cookies.get('__Host-mayact-session')).toBe('')
      const rows = (await server.audit()).slice(before)
      expect(rows.map(({ event, initiator, target, data }) => ({ event, initiator, target, data }))).toEqual([
        {
          event: 'logout',
          initiator: scenario.impersonator.id,
          target: scenario.impersonator.id,
          data: { session: sid, clientId: quiet.clientId },
        },
      ])
    })

    test('without post_logout_redirect_uri the browser stays on our page, whatever the state', async () => {
      const { browser, idToken, sid } = await signIn(server, scenario, quiet)
      const response = await browser.get(logoutPath({ id_token_hint: idToken, state: 's' }))
      expect(await page(response)).toEqual(done)
      expect(await isAlive(server, sid)).toBe(false)
    })

    test('an application without skipLogoutConsent has the person asked, and then goes back', async () => {
      const { browser, idToken, sid } = await signIn(server, scenario, asking)
      const parameters = { id_token_hint: idToken, post_logout_redirect_uri: back, state: 's1' }
      const { result } = await nothingElse(server.db, {}, () => browser.get(logoutPath(parameters)))
      expect(result.headers.get('content-security-policy')).toContain(
        "form-action 'self' https://client.example;",
      )
      expect(await page(result)).toEqual(asked)
      expect(await isAlive(server, sid)).toBe(true)
      const answer = await confirmLogout(browser, parameters)
      expect([answer.status, answer.headers.get('location')]).toEqual([302, `${back}&state=s1`])
      expect(await isAlive(server, sid)).toBe(false)
    })

    test('the hint of an application that was switched off has the person asked', async () => {
      const client = await createClient(server, scenario)
      const { browser, idToken, sid } = await signIn(server, scenario, client)
      const path = `/api/server/v1/applications/${client.applicationId}`
      expect((await server.send('PATCH', path, { applicationEnabled: false })).status).toBe(200)
      expect(await page(await browser.get(logoutPath({ id_token_hint: idToken })))).toEqual(asked)
      expect(await isAlive(server, sid)).toBe(true)
    })

    test('without a hint the person is asked, with client_id the registered address is good', async () => {
      const { browser, sid } = await signIn(server, scenario, quiet)
      expect(await page(await browser.get(logoutPath()))).toEqual(asked)
      expect(
        await page(await browser.get(logoutPath({ state: 's', ui_locales: 'de', logout_hint: 'x' }))),
      ).toEqual(asked)
      const parameters = { client_id: quiet.clientId, post_logout_redirect_uri: back }
      expect(await page(await browser.get(logoutPath(parameters)))).toEqual(asked)
      expect(await isAlive(server, sid)).toBe(true)
      const answer = await confirmLogout(browser, parameters)
      expect([answer.status, answer.headers.get('location')]).toEqual([302, back])
      expect(await isAlive(server, sid)).toBe(false)
    })

    test("another browser's or another person's hint has the person asked, even with skipLogoutConsent", async () => {
      const mine = await signIn(server, scenario, quiet)
      const other = await signIn(server, scenario, quiet)
      const parameters = { id_token_hint: other.idToken, post_logout_redirect_uri: back }
      expect(await page(await mine.browser.get(logoutPath(parameters)))).toEqual(asked)
      expect([await isAlive(server, mine.sid), await isAlive(server, other.sid)]).toEqual([true, true])
      const answer = await confirmLogout(mine.browser, parameters)
      expect(answer.headers.get('location')).toBe(back)
      // the hint names a session, but it is the browser that signs out
      expect([await isAlive(server, mine.sid), await isAlive(server, other.sid)]).toEqual([false, true])
    })

    test('a hint is good when it has expired, and when nothing but its signature is left of it', async () => {
      const first = await signIn(server, scenario, quiet)
      const past = new Date(Date.now() - 60_000).toISOString()
      const ofFirst = server.db
        .updateTable('token')
        .set({ expires_at: past })
        .where('session_id', '=', first.sid)
      await commit(server.db, [write(ofFirst)])
      const parameters = { id_token_hint: first.idToken, post_logout_redirect_uri: back }
      expect((await first.browser.get(logoutPath(parameters))).headers.get('location')).toBe(back)
      const second = await signIn(server, scenario, quiet)
      await commit(server.db, [write(server.db.deleteFrom('token').where('session_id', '=', second.sid))])
      const more = { id_token_hint: second.idToken, post_logout_redirect_uri: back }
      expect((await second.browser.get(logoutPath(more))).headers.get('location')).toBe(back)
      expect(await isAlive(server, second.sid)).toBe(false)
    })

    test('a browser that is not signed in is sent back all the same, and nothing happens', async () => {
      const { browser, idToken, sid } = await signIn(server, scenario, quiet)
      const parameters = { id_token_hint: idToken, post_logout_redirect_uri: back, state: 's1' }
      const stranger = newBrowser(server)
      const { result } = await nothingElse(server.db, {}, () => stranger.get(logoutPath(parameters)))
      expect([result.status, result.headers.get('location')]).toEqual([302, `${back}&state=s1`])
      expect(await isAlive(server, sid)).toBe(true)
      expect(await page(await stranger.get(logoutPath()))).toEqual(done)
      // and once more after it is done
      await browser.get(logoutPath(parameters))
      expect((await browser.get(logoutPath(parameters))).headers.get('location')).toBe(`${back}&state=s1`)
    })

    test('a form that an application posts comes without our cookie, so the browser is sent to bring it', async () => {
      const { browser, idToken, sid } = await signIn(server, scenario, quiet)
      const parameters = { id_token_hint: idToken, post_logout_redirect_uri: back, state: 's1' }
      const posted = await newBrowser(server).post('/oidc/logout', parameters)
      expect([posted.status, posted.headers.get('location')]).toEqual([303, logoutPath(parameters)])
      expect(await isAlive(server, sid)).toBe(true)
      const followed = await browser.get(posted.headers.get('location') ?? '')
      expect([followed.status, followed.headers.get('location')]).toEqual([302, `${back}&state=s1`])
      expect(await isAlive(server, sid)).toBe(false)
    })

    test('a form too long for that is posted once more by our page, without any secret in it', async () => {
      const { idToken } = await signIn(server, scenario, quiet)
      const parameters = { id_token_hint: idToken, logout_hint: 'x'.repeat(5_000) }
      const posted = await newBrowser(server).post('/oidc/logout', {
        ...parameters,
        logout_confirmation: 'x',
      })
      const html = await posted.text()
      expect([posted.status, fieldsOf(html)]).toEqual([200, parameters])
    })

    test('a form posted with our cookie but not from our page only asks', async () => {
      const mine = await signIn(server, scenario, asking)
      const other = await signIn(server, scenario, asking)
      const theirs = fieldsOf(await (await other.browser.get(logoutPath())).text())
      expect(theirs.logout_confirmation).toMatch(/^[\w-]{43}$/)
      const forms: Record<string, string>[] = [
        {},
        { id_token_hint: mine.idToken },
        { logout_confirmation: 'x' },
        theirs,
        { logout_confirmation: mine.sid },
      ]
      for (const form of forms) {
        const { result } = await nothingElse(server.db, {}, () => mine.browser.post('/oidc/logout', form))
        expect(await page(result)).toEqual(asked)
      }
      // nor does the right word in a link, which a page of ours never makes
      const own = fieldsOf(await (await mine.browser.get(logoutPath())).text())
      expect(await page(await mine.browser.get(logoutPath(own)))).toEqual(asked)
      expect(await isAlive(server, mine.sid)).toBe(true)
    })

    test('bad requests are told on our page, lead nowhere and sign nobody out', async () => {
      const { browser, idToken, subjectToken, sid } = await signIn(server, scenario, quiet)
      const started = await signIn(server, scenario, scenario)
      const exchanged = await exchange(server, scenario, started)
      const { access_token } = (await exchanged.json()) as { access_token: string }
      const [header = '', payload = '', signature = ''] = idToken.split('.')
      const claims: JWTPayload = JSON.parse(Buffer.from(payload, 'base64url').toString())
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const { kid = '', alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<
        string,
        string
      >
      const published = ((await (await server.request('/oauth2/jwks')).json()) as { keys: { kid: string }[] })
        .keys
      const own = published.find((key) => key.kid === kid)
      const pem = await exportSPKI(
        (await importJWK({ ...own, kty: 'RSA', alg: 'RS256' }, 'RS256')) as CryptoKey,
      )
      const confused = `${part({ alg: 'HS256', kid })}.${payload}`
      const stranger = await generateKeyPair('RS256')
      const signed = (changes: JWTPayload, more: Record<string, unknown> = {}) =>
        server.keys.sign({ ...claims, ...changes }, more.typ as string | undefined)
      const not = 'The id_token_hint is not an ID token of this server.'
      const unregistered = 'The post_logout_redirect_uri is not registered for the application.'
      const hints = [
        'x',
        'x.y.z',
        `${header}.${part({ ...claims, sub: 'somebody' })}.${signature}`,
        `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
        `${part({ alg: 'none' })}.${payload}.`,
        `${confused}.${createHmac('sha256', pem).update(confused).digest('base64url')}`,
        await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid }).sign(stranger.privateKey),
        await new SignJWT(claims)
          .setProtectedHeader({ alg: 'RS256', kid: 'unknown' })
          .sign(stranger.privateKey),
        await signed({ iss: 'https://other.example' }),
        await signed({ azp: 'another', aud: quiet.clientId }),
        await signed({ azp: undefined }),
        await signed({}, { typ: 'at+jwt' }),
        await signed({}, { typ: 'logout+jwt' }),
        subjectToken,
        access_token,
        'a'.repeat(60_000),
      ]
      expect(alg).toBe('RS256')
      const refused: readonly (readonly [Record<string, string>, string])[] = [
        ...hints.map((hint) => [{ id_token_hint: hint, post_logout_redirect_uri: back }, not] as const),
        [
          { id_token_hint: idToken, client_id: asking.clientId, post_logout_redirect_uri: back },
          'The id_token_hint was issued to another client.',
        ],
        [{ client_id: 'nobody', post_logout_redirect_uri: back }, 'The client_id is not known.'],
        [{ client_id: 'x'.repeat(60_000) }, 'The client_id is not known.'],
        [{ post_logout_redirect_uri: back }, unregistered],
        ...[
          `${back}&more=1`,
          `${back}#fragment`,
          'https://client.example/signed-out',
          'https://CLIENT.example/signed-out?from=mayact',
          'https://evil.example/',
          redirectUri,
          '//client.example/signed-out?from=mayact',
          'javascript:alert(1)',
          'data:text/html,x',
          'x',
        ].map((uri) => [{ id_token_hint: idToken, post_logout_redirect_uri: uri }, unregistered] as const),
      ]
      const counts = await nothingElse(server.db, {}, async () => {
        for (const [parameters, message] of refused) {
          const error = { status: 400, asks: false, done: false, error: message, location: null }
          const posted = await browser.post('/oidc/logout', parameters)
          expect([parameters, await page(posted)]).toEqual([parameters, error])
          if (JSON.stringify(parameters).length < 8_000) {
            expect(await page(await browser.get(logoutPath(parameters)))).toEqual(error)
          }
        }
        const post = (body: string | Uint8Array<ArrayBuffer>, type = 'application/x-www-form-urlencoded') =>
          browser.get('/oidc/logout', { method: 'POST', body, headers: { 'Content-Type': type } })
        const bad = [
          await browser.get(`/oidc/logout?state=1&state=1`),
          await browser.get('/oidc/logout?state=%ff'),
          await browser.get('/oidc/logout?state=%00'),
          await post('id_token_hint=a&id_token_hint=a'),
          await post('state=%C3%28'),
          await post(new Uint8Array([115, 61, 0xff])),
          await post(`state=${'x'.repeat(65_536)}`),
          await post('{}', 'application/json'),
          await post('x', 'text/plain'),
        ]
        for (const response of bad)
          expect(await page(response)).toMatchObject({ status: 400, location: null })
        expect((await browser.get('/oidc/logout', { method: 'HEAD' })).status).toBe(405)
      })
      expect(counts.changes.changed).toEqual({})
      expect(await isAlive(server, sid)).toBe(true)
    })

    test('empty parameters count as omitted', async () => {
      const { browser } = await signIn(server, scenario, quiet)
      const empty = 'id_token_hint=&client_id=&post_logout_redirect_uri=&state=&logout_hint=&ui_locales='
      expect(await page(await browser.get(`/oidc/logout?${empty}`))).toEqual(asked)
    })

    test("an application of WSO2's API may return to its callback URLs, until it names others", async () => {
      const landing = 'https://client.example/landing'
      const plain = await createClient(server, scenario)
      const named = await createClient(server, scenario, { model: { logoutReturnUrl: landing } })
      const pattern = 'regexp=(https://client\\.example/cb|https://client\\.example/bye)'
      const wide = await createClient(server, scenario, {
        oidc: { callbackURLs: [pattern], subjectToken: { enable: false } },
      })
      const leads = async ({ clientId }: Client, uri: string) =>
        (
          await newBrowser(server).get(logoutPath({ client_id: clientId, post_logout_redirect_uri: uri }))
        ).headers.get('location')
      expect(await leads(plain, redirectUri)).toBe(redirectUri)
      expect(await leads(plain, `${redirectUri}/more`)).toBeNull()
      expect(await leads(wide, 'https://client.example/bye')).toBe('https://client.example/bye')
      expect(await leads(wide, 'https://client.example/bye.evil.example')).toBeNull()
      expect(await leads(named, landing)).toBe(landing)
      expect(await leads(named, redirectUri)).toBeNull()
      expect(await leads(quiet, redirectUri)).toBeNull()
      // a client that registered itself has to name what it wants
      const { db } = server
      const dynamic = db
        .updateTable('application')
        .set({ registration_hash: 'x' })
        .where('id', '=', plain.applicationId)
      await commit(db, [write(dynamic), bump])
      expect(await leads(plain, redirectUri)).toBeNull()
    })

    test('what a person began in this browser before his latest login ends as well, other browsers go on', async () => {
      const first = await signIn(server, scenario, quiet)
      const elsewhere = await signIn(server, scenario, quiet)
      first.browser.cookies.delete('__Host-mayact-session')
      const second = await signIn(server, scenario, asking, first.browser)
      expect(second.sid).not.toBe(first.sid)
      expect(await isAlive(server, first.sid)).toBe(true)
      // a hint of the earlier sign-in is one of this browser's
      const response = await first.browser.get(logoutPath({ id_token_hint: first.idToken }))
      expect(await page(response)).toEqual(done)
      expect([await isAlive(server, first.sid), await isAlive(server, second.sid)]).toEqual([false, false])
      expect(await isAlive(server, elsewhere.sid)).toBe(true)
    })

    test('a session that is idle can be signed out, since what began in it lives on', async () => {
      const { browser, idToken, sid } = await signIn(server, scenario, quiet)
      const seen = new Date(Date.now() - 3_600_000).toISOString()
      const { db } = server
      await commit(db, [write(db.updateTable('session').set({ seen_at: seen }).where('id', '=', sid))])
      expect(await page(await browser.get(logoutPath({ id_token_hint: idToken })))).toEqual(done)
      expect(await isAlive(server, sid)).toBe(false)
    })

    test('of a hundred logouts at once one has done it, and all say so', async () => {
      const { browser, idToken, sid } = await signIn(server, scenario, quiet)
      const before = (await server.audit()).length
      const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ')
      const path = logoutPath({ id_token_hint: idToken, post_logout_redirect_uri: back })
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => server.request(path, { headers: { Cookie: cookie } })),
      )
      expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.get('location')}`))).toEqual(
        new Set([`302 ${back}`]),
      )
      expect((await server.audit()).slice(before).map(({ event }) => event)).toEqual(['logout'])
      expect(await isAlive(server, sid)).toBe(false)
    })

    test('an application that signs in during the logout makes it look again', async () => {
      const { db } = server
      const { browser, sid } = await signIn(server, scenario, quiet)
      const signIns = await findSignIns(db, browser.cookies.get('__Host-mayact-session') ?? '')
      const now = new Date()
      const { writes, signedIn } = await endSessions(
        db,
        0,
        signIns?.all ?? [],
        { by: scenario.impersonator.id, reason: 'ended' },
        now,
      )
      expect(signedIn.map(({ application }) => application.clientId)).toEqual([quiet.clientId])
      const late = { id: asking.applicationId, clientId: asking.clientId }
      await commit(db, [...(await rememberApplication(db, sid, late, now))])
      expect(await commit(db, writes)).toBe('lost')
      expect(await isAlive(server, sid)).toBe(true)
      const again = await endSessions(
        db,
        0,
        signIns?.all ?? [],
        { by: scenario.impersonator.id, reason: 'ended' },
        now,
      )
      expect(again.signedIn.length).toBe(2)
      expect(await commit(db, again.writes)).toBe('committed')
      expect(await isAlive(server, sid)).toBe(false)
    })

    test('an application is remembered once, however often and at once it signs in', async () => {
      const { db } = server
      const { browser, sid } = await signIn(server, scenario, quiet)
      const client = { id: asking.applicationId, clientId: asking.clientId }
      const writes = await Promise.all(
        Array.from({ length: 50 }, () => rememberApplication(db, sid, client, new Date())),
      )
      const outcomes = await Promise.all(writes.map((each) => commit(db, each)))
      expect(new Set(outcomes)).toEqual(new Set(['committed']))
      expect(await rememberApplication(db, sid, client, new Date())).toEqual([])
      const rows = await db
        .selectFrom('session_application')
        .selectAll()
        .where('session_id', '=', sid)
        .execute()
      expect(rows.map((row) => row.client_id).sort()).toEqual([quiet.clientId, asking.clientId].sort())
      await confirmLogout(browser)
    })

    test('a person who signs in in a browser of another person ends what that one began there', async () => {
      const first = await signIn(server, scenario, quiet)
      const newcomer = await createPerson(server, `Newcomer${Date.now()}`)
      first.browser.cookies.delete('__Host-mayact-session')
      const path = `/oauth2/authorize?${new URLSearchParams({
        client_id: quiet.clientId,
        redirect_uri: redirectUri,
        response_type: 'id_token subject_token',
        scope: 'openid',
        requested_subject: scenario.subject.id,
        nonce: 'n',
      })}`
      const login = await first.browser.get(path)
      const key = new URL(login.headers.get('location') ?? '', 'https://localhost').searchParams.get(
        'sessionDataKey',
      )
      const posted = await first.browser.post('/commonauth', {
        username: newcomer.userName,
        password: newcomer.password,
        sessionDataKey: key ?? '',
      })
      expect(posted.status).toBe(302)
      expect(await isAlive(server, first.sid)).toBe(false)
    })
  })
}
