/** Who signs in, when again, and what he agreed to: prompt, max_age, hints, claims, consents, and the pages of all that. */
import { afterAll, afterEach, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import { decodeJwt } from 'jose'
import { commit, write } from '../../lib/database/commit.ts'
import { passwordContext } from '../../lib/oauth/authentication-context.ts'
import { readAnswer } from '../authorize-answer.ts'
import { type Booted, boot } from '../boot.ts'
import { type Browser, locationOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { apiResource } from '../fixtures.ts'
import { nothingElse } from '../nothing-else.ts'
import { createPerson, logIn, type Person } from '../scenario.ts'
import { ask, type Client, createClient, delivered, errorOf, requestOf, signedIn } from './authorizing.ts'

for (const database of databases) {
  describe(`on ${database.name}, the authorization endpoint`, () => {
    let server: Booted
    let person: Person
    let other: Person
    let client: Client
    let asking: Client

    beforeAll(async () => {
      server = await boot(database)
      person = await createPerson(server, 'AdaLovelace')
      other = await createPerson(server, 'CharlesBabbage')
      client = await createClient(server)
      asking = await createClient(server, {}, { skipLoginConsent: false })
    })
    afterEach(() => {
      setSystemTime()
    })
    afterAll(() => server.stop())

    const later = (milliseconds: number) => setSystemTime(new Date(Date.now() + milliseconds))

    const idTokenOf = async (browser: Browser, changes: Readonly<Record<string, string>> = {}) => {
      const { parameters } = await delivered(browser, client, { response_type: 'id_token', ...changes })
      return parameters.id_token ?? ''
    }

    describe('prompt and max_age', () => {
      test('none answers a session, and says login_required without one', async () => {
        expect(await errorOf(newBrowser(server), client, { prompt: 'none' })).toBe('login_required')
        const browser = await signedIn(server, client, person)
        expect(await errorOf(browser, client, { prompt: 'none' })).toBe('answered')
      })

      test('login and select_account ask again, and auth_time is that of the new sign-in', async () => {
        const browser = await signedIn(server, client, person)
        const before = Number(decodeJwt(await idTokenOf(browser)).auth_time)
        later(5_000)
        for (const prompt of ['login', 'select_account']) {
          const path = requestOf(client, { prompt, response_type: 'id_token' })
          const answer = await readAnswer(await logIn(browser, await browser.get(path), person))
          if (!('parameters' in answer)) throw new Error('no answer')
          expect(Number(decodeJwt(answer.parameters.id_token ?? '').auth_time)).toBeGreaterThan(before)
        }
      })

      test('max_age asks again when the sign-in is older, and at once when it is 0', async () => {
        const browser = await signedIn(server, client, person)
        expect(await errorOf(browser, client, { max_age: '10' })).toBe('answered')
        expect(await errorOf(browser, client, { max_age: '0' })).toBe('login')
        later(11_000)
        expect(await errorOf(browser, client, { max_age: '10' })).toBe('login')
        expect(await errorOf(browser, client, { max_age: '10', prompt: 'none' })).toBe('login_required')
        expect(await errorOf(browser, client, { max_age: '100' })).toBe('answered')
      })

      test('default_max_age counts where the request says nothing', async () => {
        const strict = await createClient(server, { mayact: { defaultMaxAge: 10 } })
        const browser = await signedIn(server, strict, person)
        later(11_000)
        expect(await errorOf(browser, strict)).toBe('login')
        expect(await errorOf(browser, strict, { max_age: '100' })).toBe('answered')
      })
    })

    describe('a hint', () => {
      test('login_hint is in the form, escaped, and never longer than a name', async () => {
        const browser = newBrowser(server)
        for (const [hint, shown] of [
          ['ada@example.com', 'value="ada@example.com"'],
          ['"><script>alert(1)</script>', 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"'],
          ['x'.repeat(300), `value="${'x'.repeat(255)}"`],
        ] as const) {
          const answer = await ask(browser, client, { login_hint: hint })
          if (answer.place !== 'login') throw new Error('no login page')
          expect(await (await browser.get(answer.path)).text()).toContain(shown)
        }
      })

      test('id_token_hint of the same user is answered, also when it has expired and when its row is gone', async () => {
        const browser = await signedIn(server, client, person)
        const id_token_hint = await idTokenOf(browser)
        expect(await errorOf(browser, client, { prompt: 'none', id_token_hint })).toBe('answered')
        later(7_200_000)
        const again = await signedIn(server, client, person)
        expect(await errorOf(again, client, { prompt: 'none', id_token_hint })).toBe('answered')
        const { db } = server
        await commit(db, [
          write(db.deleteFrom('token').where('id', '=', String(decodeJwt(id_token_hint).jti))),
        ])
        expect(await errorOf(again, client, { prompt: 'none', id_token_hint })).toBe('answered')
        const else_ = await signedIn(server, client, other)
        expect(await errorOf(else_, client, { prompt: 'none', id_token_hint })).toBe('login_required')
      })

      test('id_token_hint of another user asks for that user, and for nobody else', async () => {
        const id_token_hint = await idTokenOf(await signedIn(server, client, person))
        const browser = await signedIn(server, client, other)
        expect(await errorOf(browser, client, { prompt: 'none', id_token_hint })).toBe('login_required')
        const path = requestOf(client, { id_token_hint })
        const wrong = await readAnswer(await logIn(browser, await browser.get(path), other))
        expect(wrong).toMatchObject({ place: 'query', parameters: { error: 'login_required' } })
        const right = await readAnswer(await logIn(browser, await browser.get(path), person))
        expect(right).toMatchObject({ place: 'query', parameters: { code: expect.any(String) } })
      })

      test('id_token_hint that is no ID token of ours for this client is refused', async () => {
        const browser = await signedIn(server, client, person)
        const hint = await idTokenOf(browser)
        const { parameters } = await delivered(browser, client, { response_type: 'token' })
        const stranger = await createClient(server)
        const foreign = await delivered(browser, stranger, { response_type: 'id_token' })
        const [head = '', body = ''] = hint.split('.')
        const none = Buffer.from('{"alg":"none"}').toString('base64url')
        for (const id_token_hint of [
          'x',
          'a.b.c',
          `${hint}x`,
          `${head}.${body}.${'A'.repeat(342)}`,
          `${none}.${body}.`,
          parameters.access_token ?? '',
          foreign.parameters.id_token ?? '',
        ]) {
          expect(await errorOf(browser, client, { prompt: 'none', id_token_hint })).toBe('invalid_request')
        }
      })
    })

    describe('the claims parameter', () => {
      const claims = (id_token: object, more: object = {}) => JSON.stringify({ id_token, ...more })

      test('asks for a certain user by sub', async () => {
        const browser = await signedIn(server, client, person)
        const mine = claims({ sub: { value: person.id } })
        expect(await errorOf(browser, client, { prompt: 'none', claims: mine })).toBe('answered')
        const theirs = claims({ sub: { value: other.id } })
        expect(await errorOf(browser, client, { prompt: 'none', claims: theirs })).toBe('login_required')
        expect(await errorOf(browser, client, { claims: theirs })).toBe('login')
        expect(await errorOf(browser, client, { prompt: 'none', claims: claims({ sub: null }) })).toBe(
          'answered',
        )
      })

      test('gives single claims, and an essential acr only if it is ours', async () => {
        const browser = await signedIn(server, client, person)
        const asked = claims({ email: null, auth_time: { essential: true } })
        const payload = decodeJwt(await idTokenOf(browser, { claims: asked }))
        expect(payload).toMatchObject({ email: 'adalovelace@example.com', auth_time: expect.any(Number) })
        const ours = claims({ acr: { essential: true, values: ['x', passwordContext] } })
        expect(decodeJwt(await idTokenOf(browser, { claims: ours })).acr).toBe(passwordContext)
        const strange = claims({ acr: { essential: true, value: 'x' } })
        expect(await errorOf(browser, client, { claims: strange })).toBe('unmet_authentication_requirements')
        for (const value of [{ toString: 1 }, [passwordContext], { [passwordContext]: 1 }, null]) {
          const unlike = claims({ acr: { essential: true, value } })
          expect(await errorOf(browser, client, { claims: unlike })).toBe('unmet_authentication_requirements')
        }
        // a wish, and acr_values, are no demands
        expect(await errorOf(browser, client, { claims: claims({ acr: { value: 'x' } }) })).toBe('answered')
        expect(await errorOf(browser, client, { acr_values: '1 2' })).toBe('answered')
      })

      test('is kept with the code for the ID token and userinfo that follow', async () => {
        const browser = await signedIn(server, client, person)
        const asked = claims({ email: null }, { userinfo: { given_name: { essential: true } } })
        const { changes } = await nothingElse(
          server.db,
          { audit: { added: 1 }, authorization_code: { added: 1 }, lineage: { added: 1 } },
          () => delivered(browser, client, { claims: asked }),
        )
        expect(JSON.parse(String(changes.added.authorization_code?.[0]?.context))).toMatchObject({
          claims: JSON.parse(asked),
          nonce: 'n1',
          acr: passwordContext,
          sub: person.id,
        })
      })

      test('that is malformed is refused', async () => {
        const browser = await signedIn(server, client, person)
        for (const wrong of [
          'x',
          '[]',
          '"x"',
          '1',
          'null',
          '{"id_token":1}',
          '{"userinfo":{"email":1}}',
          '{"id_token":{"\\ud800":null}}',
          '{',
        ])
          expect(await errorOf(browser, client, { claims: wrong })).toBe('invalid_request')
      })
    })

    describe('consent', () => {
      const consentTo = async (browser: Browser, consent: string, changes = {}) => {
        const answer = await ask(browser, asking, changes)
        if (answer.place !== 'consent') throw new Error(`no consent page: ${JSON.stringify(answer)}`)
        const html = await (await browser.get(answer.path)).text()
        const form = { sessionDataKeyConsent: answer.key, consent }
        return { html, answer: await readAnswer(await browser.post('/oauth2/authorize', form)) }
      }
      const accepted = { place: 'query', parameters: { code: expect.any(String) } }

      test('given once is asked again; given for good it is not, until more is asked', async () => {
        const browser = await signedIn(server, client, person)
        expect(await errorOf(browser, asking, { prompt: 'none' })).toBe('consent_required')
        const once = await consentTo(browser, 'approve', { scope: 'openid email' })
        expect(once.answer).toMatchObject(accepted)
        expect(once.html).toContain('Read the e-mail address')
        expect(await errorOf(browser, asking, { scope: 'openid email' })).toBe('consent')
        const known = (await server.audit()).length
        expect((await consentTo(browser, 'approveAlways', { scope: 'openid email' })).answer).toMatchObject(
          accepted,
        )
        expect((await server.audit()).slice(known).map(({ event }) => event)).toEqual([
          'authorization-code-issued',
          'consent-given',
        ])
        for (const scope of ['openid email', 'openid', 'email openid']) {
          expect(await errorOf(browser, asking, { scope, prompt: 'none' })).toBe('answered')
        }
        expect(await errorOf(browser, asking, { prompt: 'consent' })).toBe('consent')
        for (const more of [
          { scope: 'openid email phone' },
          { scope: 'openid', claims: '{"userinfo":{"given_name":null}}' },
        ]) {
          expect(await errorOf(browser, asking, { ...more, prompt: 'none' })).toBe('consent_required')
        }
        const { html } = await consentTo(browser, 'approveAlways', {
          scope: 'openid',
          claims: '{"userinfo":{"given_name":null}}',
        })
        expect(html).toContain('<code>given_name</code>')
        const both = { scope: 'openid email', claims: '{"userinfo":{"given_name":null}}' }
        expect(await errorOf(browser, asking, { ...both, prompt: 'none' })).toBe('answered')
        // it is this person's consent to this application
        const stranger = await signedIn(server, client, other)
        expect(await errorOf(stranger, asking, { prompt: 'none' })).toBe('consent_required')
      })

      test('to a scope that is called like a claim or a resource covers neither', async () => {
        const resource = 'https://api.example/consented'
        await apiResource(server.db, resource, [])
        const cunning = await createClient(server, {}, { skipLoginConsent: false, apis: { [resource]: [] } })
        const browser = await signedIn(server, cunning, person)
        const answer = await ask(browser, cunning, { scope: `openid claim:email resource:${resource}` })
        if (answer.place !== 'consent') throw new Error('no consent page')
        const form = { sessionDataKeyConsent: answer.key, consent: 'approveAlways' }
        expect(await readAnswer(await browser.post('/oauth2/authorize', form))).toMatchObject(accepted)
        for (const more of [{ claims: '{"id_token":{"email":null}}' }, { resource }]) {
          expect(await errorOf(browser, cunning, { prompt: 'none', ...more })).toBe('consent_required')
        }
      })

      test('denied is access_denied, and leaves one audit row and nothing else', async () => {
        const browser = await signedIn(server, client, other)
        const answer = await ask(browser, asking)
        if (answer.place !== 'consent') throw new Error('no consent page')
        const form = { sessionDataKeyConsent: answer.key, consent: 'deny' }
        const { result, changes } = await nothingElse(
          server.db,
          { audit: { added: 1 }, interaction: { changed: 1 } },
          () => browser.post('/oauth2/authorize', form),
        )
        expect(await readAnswer(result)).toMatchObject({
          place: 'query',
          parameters: { error: 'access_denied', state: 's1' },
        })
        expect(changes.added.audit?.[0]).toMatchObject({ event: 'consent-denied', initiator: other.id })
      })

      test('is not needed where the application skips it, but prompt=consent asks', async () => {
        const browser = await signedIn(server, client, person)
        expect(await errorOf(browser, client, { prompt: 'consent' })).toBe('consent')
      })
    })

    test('offline_access outlives the session, and means nothing without a refresh token', async () => {
      const browser = await signedIn(server, client, person)
      const grantOf = async (of: Client, changes: Readonly<Record<string, string>>) => {
        const { changes: seen } = await nothingElse(
          server.db,
          { audit: { added: 1 }, authorization_code: { added: 1 }, lineage: { added: 1 } },
          () => delivered(browser, of, { scope: 'openid offline_access', ...changes }),
        )
        return [seen.added.authorization_code?.[0]?.scopes, seen.added.lineage?.[0]?.session_id !== null]
      }
      expect(await grantOf(client, {})).toEqual(['openid offline_access', false])
      const without = await createClient(server, { grantTypes: ['authorization_code'] })
      await signedIn(server, without, person)
      await delivered(browser, without)
      expect(await grantOf(without, {})).toEqual(['openid', true])
      const { parameters } = await delivered(browser, client, {
        response_type: 'token',
        scope: 'openid offline_access',
      })
      expect(parameters.scope).toBe('openid')
    })

    describe('the login form', () => {
      const submit = (browser: Browser, key: string, who: Person = person) =>
        browser.post('/commonauth', {
          sessionDataKey: key,
          username: who.userName,
          password: who.password,
        })
      const toLogin = async (browser: Browser) => {
        const answer = await ask(browser, client)
        if (answer.place !== 'login') throw new Error('no login page')
        return answer
      }
      const follow = async (browser: Browser, response: Response) => {
        const { pathname, search } = locationOf(response)
        return readAnswer(await browser.get(`${pathname}${search}`))
      }

      test('sent twice by a browser that dropped the first answer leads to an answer', async () => {
        const browser = newBrowser(server)
        const { key } = await toLogin(browser)
        expect(await follow(browser, await submit(browser, key))).toMatchObject({
          parameters: { code: expect.any(String) },
        })
        expect(await follow(browser, await submit(browser, key))).toMatchObject({
          parameters: { code: expect.any(String), state: 's1' },
        })
      })

      test('sent again later, by somebody else or from another browser leads nowhere', async () => {
        const browser = newBrowser(server)
        const { key } = await toLogin(browser)
        await follow(browser, await submit(browser, key))
        expect((await submit(newBrowser(server), key)).status).toBe(400)
        expect((await submit(browser, key, other)).status).toBe(400)
        later(6_000)
        expect((await submit(browser, key)).status).toBe(400)
      })

      test('gone back to after its sign-in says that it is finished, and where to go on', async () => {
        const browser = newBrowser(server)
        const { key, path } = await toLogin(browser)
        await follow(browser, await submit(browser, key))
        const response = await browser.get(path)
        const html = await response.text()
        expect(response.status).toBe(410)
        expect(html).toContain('This sign-in is finished')
        expect(html).toContain('<a href="https://client.example">')
        expect((await newBrowser(server).get(path)).status).toBe(400)
      })
    })
  })
}
