/** How a request may come: request objects, pushed requests, resources, redirect URIs; and what is malformed about it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { readAnswer } from '../authorize-answer.ts'
import { type Booted, basic, boot, origin } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { apiResource } from '../fixtures.ts'
import { nothingElse } from '../nothing-else.ts'
import { createPerson, type Person, redirectUri } from '../scenario.ts'
import { ask, type Client, createClient, delivered, errorOf, requestOf, signedIn } from './authorizing.ts'

const issuer = `${origin}/oauth2/token`
const resource = 'https://api.example/orders'

for (const database of databases) {
  describe(`on ${database.name}, an authorization request`, () => {
    let server: Booted
    let person: Person
    let client: Client
    let browser: Browser
    let keys: jose.GenerateKeyPairResult
    let jwks: { keys: jose.JWK[] }

    beforeAll(async () => {
      server = await boot(database)
      person = await createPerson(server, 'AdaLovelace')
      keys = await jose.generateKeyPair('ES256', { extractable: true })
      jwks = { keys: [{ ...(await jose.exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] }
      client = await createClient(server, { mayact: { jwks } })
      browser = await signedIn(server, client, person)
    })
    afterAll(() => server.stop())

    interface Signing {
      readonly key?: jose.CryptoKey | Uint8Array
      readonly header?: Partial<jose.JWTHeaderParameters>
      readonly of?: Client
    }
    const object = (members: Readonly<Record<string, unknown>> = {}, signing: Signing = {}) => {
      const { clientId } = signing.of ?? client
      const claims = {
        iss: clientId,
        aud: issuer,
        exp: Math.floor(Date.now() / 1000) + 300,
        client_id: clientId,
        response_type: 'code',
        redirect_uri: redirectUri,
        scope: 'openid',
        state: 'inside',
        ...members,
      }
      const kept = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
      return new jose.SignJWT(kept)
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'oauth-authz-req+jwt', ...signing.header })
        .sign(signing.key ?? keys.privateKey)
    }

    describe('with a request object', () => {
      test('is answered by what is inside, which wins over what is beside it', async () => {
        const request = await object({
          nonce: 'inside',
          max_age: 1000,
          claims: { id_token: { email: null } },
        })
        const { parameters } = await delivered(browser, client, { request, state: 'beside' })
        expect(parameters).toMatchObject({ state: 'inside', code: expect.any(String) })
        for (const typ of [undefined, 'JWT', 'application/oauth-authz-req+jwt']) {
          const header = typ === undefined ? {} : { typ }
          const signed = await object({}, { header })
          expect(await errorOf(browser, client, { request: signed })).toBe('answered')
        }
        // without openid beside it, nothing beside it counts (RFC 9101 §6.3)
        const alone = { request: await object({ state: undefined }), scope: undefined, state: 'beside' }
        expect((await delivered(browser, client, alone)).parameters.state).toBeUndefined()
      })

      test('goes through the login page as it was', async () => {
        const request = await object()
        const answer = await ask(newBrowser(server), client, { request })
        expect(answer.place).toBe('login')
      })

      test('that is not good is refused, and nothing happens', async () => {
        const other = await jose.generateKeyPair('ES256')
        const publicPem = new TextEncoder().encode(await jose.exportSPKI(keys.publicKey))
        const now = Math.floor(Date.now() / 1000)
        const bad: Readonly<Record<string, string>> = {
          'of another key': await object({}, { key: other.privateKey }),
          'of an unknown kid': await object({}, { key: other.privateKey, header: { kid: 'k2' } }),
          'signed with the public key as a secret': await object(
            {},
            { key: publicPem, header: { alg: 'HS256' } },
          ),
          'for another server': await object({ aud: 'https://other.example' }),
          'by another issuer': await object({ iss: 'somebody' }),
          expired: await object({ exp: now - 100 }),
          'not yet valid': await object({ nbf: now + 100 }),
          'with the typ of an access token': await object({}, { header: { typ: 'at+jwt' } }),
          'that is a client assertion': await object({ sub: client.clientId }, { header: { typ: 'JWT' } }),
          'for another client_id': await object({ client_id: 'x' }),
          'for another response_type': await object({ response_type: 'id_token' }),
          'within another one': await object({ request: 'x' }),
          'with a request_uri': await object({ request_uri: 'https://client.example/r' }),
          'with a list where a text belongs': await object({ state: ['a', 'b'] }),
          'with crit': await object({}, { header: { crit: ['x'], x: 1 } }).catch(() => 'a.b.c'),
          'that is no JWT': 'x',
          'of three empty parts': '..',
        }
        const { result } = await nothingElse(server.db, {}, async () => {
          const errors: Record<string, string> = {}
          for (const [what, request] of Object.entries(bad))
            errors[what] = await errorOf(browser, client, { request })
          return errors
        })
        expect(result).toEqual(
          Object.fromEntries(Object.keys(bad).map((what) => [what, 'invalid_request_object'])),
        )
      })

      test('unsigned is taken only where the application says so', async () => {
        const members = { client_id: client.clientId, response_type: 'code', state: 'inside' }
        const request = new jose.UnsecuredJWT(members).encode()
        expect(await errorOf(browser, client, { request })).toBe('request_not_supported')
        const lax = await createClient(server, { requestObject: { requestObjectSigningAlg: 'none' } })
        const own = new jose.UnsecuredJWT({ ...members, client_id: lax.clientId }).encode()
        expect((await delivered(browser, lax, { request: own })).parameters.state).toBe('inside')
        const strict = await createClient(server, {
          requestObject: { requestObjectSigningAlg: 'none' },
          validateRequestObjectSignature: true,
        })
        const theirs = new jose.UnsecuredJWT({ ...members, client_id: strict.clientId }).encode()
        expect(await errorOf(browser, strict, { request: theirs })).toBe('request_not_supported')
      })

      test('is needed where the application has to sign, and then nothing beside it counts', async () => {
        const signing = await createClient(server, { mayact: { jwks, requireSignedRequestObject: true } })
        expect(await errorOf(browser, signing)).toBe('invalid_request')
        const request = await object({ state: undefined }, { of: signing })
        const { parameters } = await delivered(browser, signing, { request })
        expect([parameters.state, typeof parameters.code]).toEqual([undefined, 'string'])
      })
    })

    describe('that was pushed', () => {
      const push = async (of: Client, changes: Readonly<Record<string, string>> = {}) => {
        const form = { response_type: 'code', redirect_uri: redirectUri, scope: 'openid', state: 'pushed' }
        const response = await server.request('/oauth2/par', {
          method: 'POST',
          body: new URLSearchParams({ ...form, ...changes }),
          headers: { Authorization: basic(of.clientId, of.clientSecret) },
        })
        expect(response.status).toBe(201)
        return ((await response.json()) as { request_uri: string }).request_uri
      }
      const only = (request_uri: string) => ({
        request_uri,
        redirect_uri: undefined,
        response_type: undefined,
        scope: undefined,
        state: undefined,
        nonce: undefined,
      })

      test('is answered once, as it was pushed, of 20 at once too', async () => {
        const uri = await push(client)
        const answers = await Promise.all(Array.from({ length: 20 }, () => ask(browser, client, only(uri))))
        const good = answers.filter((answer) => 'parameters' in answer)
        expect(good).toHaveLength(1)
        expect(good[0]).toMatchObject({ parameters: { state: 'pushed', code: expect.any(String) } })
        expect(await ask(browser, client, only(uri))).toMatchObject({
          place: 'page',
          code: 'invalid_request_uri',
        })
        const stranger = await createClient(server)
        expect(await errorOf(browser, stranger, only(await push(client)))).toBe('page invalid_request_uri')
      })

      test('with a request object in it is opened there and here', async () => {
        const uri = await push(client, { request: await object() })
        expect((await delivered(browser, client, only(uri))).parameters.state).toBe('inside')
      })

      test('is the only way where the application says so', async () => {
        const pushing = await createClient(server, {
          pushAuthorizationRequest: { requirePushAuthorizationRequest: true },
        })
        expect(await errorOf(browser, pushing)).toBe('invalid_request')
        expect(await errorOf(browser, pushing, only(await push(pushing)))).toBe('answered')
        const elsewhere = { ...only('https://client.example/r'), redirect_uri: redirectUri }
        expect(await errorOf(browser, client, elsewhere)).toBe('request_uri_not_supported')
      })
    })

    describe('for a resource', () => {
      let api: Client

      beforeAll(async () => {
        for (const identifier of [resource, `${resource}/other`, 'https://api.example/foreign']) {
          await apiResource(server.db, identifier, [])
        }
        api = await createClient(server, {}, { apis: { [resource]: [], [`${resource}/other`]: [] } })
      })

      test('gives tokens for it, also for several', async () => {
        const one = await delivered(browser, api, { response_type: 'token', resource })
        expect(jose.decodeJwt(one.parameters.access_token ?? '').aud).toBe(resource)
        const two = await delivered(browser, api, {
          response_type: 'token',
          resource: [resource, `${resource}/other`, resource],
        })
        expect(jose.decodeJwt(two.parameters.access_token ?? '').aud).toEqual([resource, `${resource}/other`])
      })

      test('that is none of the application’s is invalid_target', async () => {
        for (const wrong of [
          'https://api.example/foreign',
          'https://api.example/unknown',
          `${resource}#x`,
          `${resource}/`,
          '/orders',
          'orders',
          'ä',
          [resource, 'https://api.example/foreign'],
        ])
          expect(await errorOf(browser, api, { resource: wrong })).toBe('invalid_target')
      })
    })

    describe('and its redirect URI', () => {
      const at = async (of: Client, redirect_uri: string | undefined, scope = 'openid') => {
        const answer = await ask(browser, of, { redirect_uri, scope })
        return 'parameters' in answer ? answer.to : `page ${'code' in answer ? answer.code : ''}`
      }

      test('may be any of several exact ones', async () => {
        const second = 'https://client.example/second?a=b'
        const several = await createClient(server, { mayact: { redirectUris: [second] } })
        expect(await at(several, redirectUri)).toBe(redirectUri)
        const location = (await browser.get(requestOf(several, { redirect_uri: second }))).headers.get(
          'location',
        )
        expect(location).toStartWith(`${second}&`)
        expect(await at(several, `${second}c`)).toBe('page invalid_callback')
        expect(await at(several, undefined, 'profile')).toBe('page invalid_callback')
      })

      test('may be left out in OAuth when there is one, and never in OpenID Connect', async () => {
        expect(await at(client, undefined, 'profile')).toBe(redirectUri)
        expect(await at(client, undefined)).toBe('page invalid_callback')
        const { changes } = await nothingElse(
          server.db,
          { audit: { added: 1 }, authorization_code: { added: 1 }, lineage: { added: 1 } },
          () => at(client, undefined, 'profile'),
        )
        expect(changes.added.authorization_code?.[0]?.redirect_uri).toBeNull()
      })

      test('may have any port on a loopback address, and nothing else that differs', async () => {
        const native = await createClient(server, {
          callbackURLs: ['http://127.0.0.1/cb'],
          mayact: { redirectUris: ['http://[::1]:4000/cb', 'http://localhost/cb', 'com.example.app:/cb'] },
        })
        for (const good of [
          'http://127.0.0.1/cb',
          'http://127.0.0.1:49152/cb',
          'http://[::1]/cb',
          'http://[::1]:1/cb',
          'http://localhost/cb',
        ])
          expect(await at(native, good)).toBe(good)
        for (const bad of [
          'http://127.0.0.1:49152/cb/',
          'http://127.0.0.1:49152/',
          'http://127.0.0.2:49152/cb',
          'http://127.0.0.1:49152@evil.example/cb',
          'http://127.0.0.1:499999/cb',
          'https://127.0.0.1:49152/cb',
          'http://localhost:49152/cb',
        ])
          expect(await at(native, bad)).toBe('page invalid_callback')
        const web = await createClient(server, {
          callbackURLs: ['http://127.0.0.1/cb'],
          mayact: { applicationType: 'web' },
        })
        expect(await at(web, 'http://127.0.0.1:49152/cb')).toBe('page invalid_callback')
      })

      test('may be of the regexp= form, where a dot is a dot', async () => {
        const pattern = await createClient(server, {
          callbackURLs: ['regexp=(https://a.example/cb|https://b.example/cb)'],
        })
        expect(await at(pattern, 'https://b.example/cb')).toBe('https://b.example/cb')
        expect(await at(pattern, 'https://bxexample/cb')).toBe('page invalid_callback')
        expect(await at(pattern, 'https://b.example/cb2')).toBe('page invalid_callback')
      })
    })

    test('binds what it gives to the key it names', async () => {
      const dpop_jkt = 'j'.repeat(43)
      const { parameters } = await delivered(browser, client, { response_type: 'token', dpop_jkt })
      expect(parameters.token_type).toBe('DPoP')
      expect(jose.decodeJwt(parameters.access_token ?? '').cnf).toEqual({ jkt: dpop_jkt })
      expect(await errorOf(browser, client, { dpop_jkt: 'short' })).toBe('invalid_request')
      const bound = await createClient(server, { mayact: { dpopBoundAccessTokens: true } })
      expect(await errorOf(browser, bound, { response_type: 'token' })).toBe('invalid_request')
      expect(await errorOf(browser, bound, { response_type: 'code' })).toBe('answered')
    })

    for (const name of [
      'client_id',
      'redirect_uri',
      'response_type',
      'response_mode',
      'scope',
      'state',
      'nonce',
      'prompt',
      'max_age',
      'login_hint',
      'id_token_hint',
      'acr_values',
      'ui_locales',
      'display',
      'claims',
      'request',
      'request_uri',
      'registration',
      'resource',
      'code_challenge',
      'code_challenge_method',
      'dpop_jkt',
    ]) {
      test(`never fails, whatever ${name} is`, async () => {
        const rest = requestOf(client, { [name]: undefined })
        const values = [
          '',
          'x',
          '%FF',
          '%C3%28',
          '%00',
          '%0d%0a',
          'x'.repeat(65_536),
          '%F0%9F%98%80',
          '{}',
          '[]',
        ]
        for (const query of [
          ...values.map((value) => `${name}=${value}`),
          `${name}=x&${name}=y`,
          `${name}`,
        ]) {
          const response = await browser.get(`${rest}&${query}`)
          expect([200, 302, 400]).toContain(response.status)
          const answer = await readAnswer(response)
          if ('parameters' in answer) expect(answer.parameters.error).not.toBe('server_error')
        }
      })
    }
  })
}
