/** Request objects by reference (OpenID Connect Core §6.2): what is read, when, for whom, and what is done with it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import * as jose from 'jose'
import { readingLimit, usualReadingLimits } from '../../lib/oauth/reading-limit.ts'
import { readAnswer } from '../authorize-answer.ts'
import { type Booted, basic, boot, origin } from '../boot.ts'
import { type Browser, fragmentOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import {
  authorizePath,
  createApplication,
  createPerson,
  createRole,
  logIn,
  redirectUri,
  type Scenario,
  setUp,
} from '../scenario.ts'
import { ask, type Client, createClient, delivered, errorOf, requestOf, signedIn } from './authorizing.ts'

const issuer = `${origin}/oauth2/token`
const unsignedToo = { requestObject: { requestObjectSigningAlg: 'none' } }
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')

test('a reading is begun only within the bounds, at once and in a minute', async () => {
  let minute = 1
  const limits = { ...usualReadingLimits, atOnce: 3, atOnceOfOne: 2 }
  const limit = readingLimit({ ...limits, perMinuteOfNetwork: 3, perMinuteOfClient: 6 }, () => minute)
  const reading = { host: 'a.example', clientId: 'a', address: '192.0.2.1' }
  const ended = Promise.withResolvers<string>()
  const running = [limit(reading, () => ended.promise), limit(reading, () => ended.promise)]
  // a third of the same host, a third by the same network, then a fourth of all
  const other = { host: 'b.example', clientId: 'a', address: '203.0.113.1' }
  expect(await limit({ ...other, host: 'a.example' }, async () => 'read')).toBeUndefined()
  expect(await limit({ ...reading, host: 'b.example' }, async () => 'read')).toBeUndefined()
  running.push(limit(other, () => ended.promise))
  const third = { host: 'c.example', clientId: 'c', address: '203.0.113.2' }
  expect(await limit(third, async () => 'read')).toBeUndefined()
  ended.resolve('read')
  expect(await Promise.all(running)).toEqual(['read', 'read', 'read'])
  // two of this network were counted; one that fails is counted and gives its place back
  const failing = limit(reading, () => Promise.reject(new Error('lost')))
  expect(await failing.catch((error: Error) => error.message)).toBe('lost')
  expect(await limit(reading, async () => 'read')).toBeUndefined()
  const elsewhere = { ...reading, address: '2001:db8::1' }
  expect(await limit(elsewhere, async () => 'read')).toBe('read')
  expect(await limit({ ...elsewhere, address: '2001:db8::2' }, async () => 'read')).toBe('read')
  expect(await limit({ ...reading, address: '198.51.100.1' }, async () => 'read')).toBeUndefined()
  expect(await limit({ ...elsewhere, clientId: 'b' }, async () => 'read')).toBe('read')
  minute += 1
  expect(await limit(reading, async () => 'read')).toBe('read')
})

for (const database of databases) {
  describe(`on ${database.name}, a request_uri`, () => {
    let server: Booted
    let host: ReturnType<typeof Bun.serve>
    let keys: jose.GenerateKeyPairResult
    let jwks: { keys: jose.JWK[] }
    let client: Client
    let browser: Browser
    let person: Awaited<ReturnType<typeof createPerson>>
    /** What was asked of the client's host. */
    let asked: string[] = []
    const served = new Map<string, () => Response | Promise<Response>>()
    const at = (path: string) => `http://127.0.0.1:${host.port}${path}`
    const serve = (path: string, content: string) => served.set(path, () => new Response(content))

    beforeAll(async () => {
      server = await boot(database, { toml: '[oauth.outbound]\nallow_private_addresses = true\n' })
      host = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        idleTimeout: 30,
        fetch: (request) => {
          const { pathname, search } = new URL(request.url)
          asked.push(`${request.method} ${pathname}${search}`)
          return served.get(pathname)?.() ?? new Response(null, { status: 404 })
        },
      })
      keys = await jose.generateKeyPair('RS256', { extractable: true })
      jwks = { keys: [{ ...(await jose.exportJWK(keys.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] }
      person = await createPerson(server, 'AdaLovelace')
      client = await createClient(server, {
        mayact: { jwks, requestUris: [at('/request'), at('/request?part=1'), at('/other#part')] },
      })
      browser = await signedIn(server, client, person)
    })
    afterAll(async () => {
      await host.stop(true)
      await server.stop()
    })
    beforeEach(() => {
      asked = []
      served.clear()
    })

    const membersOf = (of: Client, more: Readonly<Record<string, unknown>> = {}) => ({
      client_id: of.clientId,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'openid',
      state: 'inside',
      ...more,
    })
    const signed = (of: Client, more: Readonly<Record<string, unknown>> = {}, key = keys.privateKey) =>
      new jose.SignJWT({ ...membersOf(of), ...more })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'oauth-authz-req+jwt' })
        .setIssuer(of.clientId)
        .setAudience(issuer)
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(key)
    const unsigned = (of: Client, more: Readonly<Record<string, unknown>> = {}) =>
      new jose.UnsecuredJWT(membersOf(of, more)).encode()
    /** The error, with everything else as it was. */
    const refused = async (of: Client, changes: Readonly<Record<string, string | undefined>>) => {
      const { result } = await nothingElse(server.db, {}, () => errorOf(browser, of, changes))
      return result
    }

    test('is read, and what is inside the signed object wins over what is beside it', async () => {
      serve('/request', `${await signed(client, { nonce: 'inside' })}\n`)
      const { parameters } = await delivered(browser, client, {
        request_uri: at('/request'),
        state: 'beside',
      })
      expect(parameters).toMatchObject({ state: 'inside', code: expect.any(String), iss: issuer })
      expect(asked).toEqual(['GET /request'])
    })

    test('is all that is needed beside the client_id, and is read anew each time', async () => {
      const only = { redirect_uri: undefined, response_type: undefined, scope: undefined, state: undefined }
      for (const state of ['one', 'two']) {
        serve('/request', await signed(client, { state }))
        const { parameters } = await delivered(browser, client, {
          ...only,
          nonce: undefined,
          request_uri: at('/request'),
        })
        expect(parameters.state).toBe(state)
      }
      expect(asked).toHaveLength(2)
    })

    test('is not read again when the person comes back from the login page', async () => {
      serve('/request', await signed(client))
      const fresh = newBrowser(server)
      const paused = await fresh.get(requestOf(client, { request_uri: at('/request') }))
      served.clear()
      const answer = await readAnswer(await logIn(fresh, paused, person))
      expect(answer).toMatchObject({ parameters: { state: 'inside', code: expect.any(String) } })
      expect(asked).toEqual(['GET /request'])
    })

    test('is one of the registered ones to the letter, or nothing is asked of anybody', async () => {
      serve('/request', await signed(client))
      const other = await createClient(server, { mayact: { jwks, requestUris: [at('/theirs')] } })
      serve('/theirs', await signed(other))
      const foreign = [
        at('/theirs'),
        at('/request/'),
        at('/request?'),
        at('/request#'),
        at('/request#x'),
        at('/Request'),
        at('/other'),
        at('/other#Part'),
        ` ${at('/request')}`,
        at('/request').replace('127.0.0.1', 'localhost'),
        'urn:ietf:params:oauth:par:request_uri:',
        'https://client.example/request',
        'file:///etc/passwd',
        'x',
      ]
      for (const request_uri of foreign)
        expect([request_uri, await refused(client, { request_uri })]).toEqual([
          request_uri,
          request_uri.startsWith('urn:') ? 'page invalid_request_uri' : 'invalid_request_uri',
        ])
      const none = await createClient(server)
      expect(await refused(none, { request_uri: at('/request') })).toBe('request_uri_not_supported')
      expect(asked).toEqual([])
    })

    test('has its query sent and its fragment not', async () => {
      serve('/request', await signed(client))
      serve('/other', await signed(client))
      expect(await errorOf(browser, client, { request_uri: at('/request?part=1') })).toBe('answered')
      expect(await errorOf(browser, client, { request_uri: at('/other#part') })).toBe('answered')
      expect(asked).toEqual(['GET /request?part=1', 'GET /other'])
    })

    test('of a request that could not be answered where it says is not read', async () => {
      serve('/request', await signed(client))
      const request_uri = at('/request')
      const elsewhere = { request_uri, redirect_uri: 'https://attacker.example/' }
      expect(await refused(client, elsewhere)).toBe('page invalid_callback')
      expect(await refused({ ...client, clientId: 'nobody' }, { request_uri })).toBe('page invalid_client')
      expect(await refused(client, { request_uri, request: 'a.b.c' })).toBe('invalid_request')
      const pushing = await createClient(server, {
        mayact: { jwks, requestUris: [at('/request')] },
        pushAuthorizationRequest: { requirePushAuthorizationRequest: true },
      })
      expect(await refused(pushing, { request_uri })).toBe('invalid_request')
      expect(asked).toEqual([])
      // PAR takes none at all
      const pushed = await server.request('/oauth2/par', {
        method: 'POST',
        body: new URLSearchParams({ request_uri }),
        headers: { Authorization: basic(client.clientId, client.clientSecret) },
      })
      expect([pushed.status, ((await pushed.json()) as { error: string }).error]).toEqual([
        400,
        'invalid_request',
      ])
      expect(asked).toEqual([])
    })

    test('leads where the object inside says, and to registered places alone', async () => {
      serve('/request', await signed(client, { redirect_uri: 'https://attacker.example/' }))
      expect(await refused(client, { request_uri: at('/request') })).toBe('page invalid_callback')
    })

    test('without an object of the client is refused in the same words, and nothing happens', async () => {
      const request_uri = at('/request')
      const good = await signed(client)
      serve('/elsewhere', good)
      const contents: Readonly<Record<string, () => Response | Promise<Response>>> = {
        'not there': () => new Response(good, { status: 404 }),
        redirecting: () => Response.redirect(at('/elsewhere'), 302),
        huge: () => new Response(good.padEnd(70_000)),
        empty: () => new Response(''),
        'of another kind': () => new Response('<html>secret</html>'),
        'not UTF-8': () => new Response(new Uint8Array([0xff, 0xfe])),
        'two of them': () => new Response(`${good} ${good}`),
      }
      for (const [what, content] of Object.entries(contents)) {
        served.set('/request', content)
        const { result } = await nothingElse(server.db, {}, () => delivered(browser, client, { request_uri }))
        expect([what, result.to, result.parameters]).toEqual([
          what,
          redirectUri,
          expect.objectContaining({
            error: 'invalid_request_uri',
            error_description: 'There is no request object at the request_uri.',
            state: 's1',
            iss: issuer,
          }),
        ])
      }
      expect(asked).not.toContain('GET /elsewhere')
      // without a redirect_uri beside it nothing says where
      const page = await refused(client, { request_uri, redirect_uri: undefined, scope: undefined })
      expect(page).toBe('page invalid_request_uri')
    })

    test('that takes too long is given up', async () => {
      const ended = Promise.withResolvers<Response>()
      served.set('/request', () => ended.promise)
      const begun = performance.now()
      expect(await refused(client, { request_uri: at('/request') })).toBe('invalid_request_uri')
      expect(performance.now() - begun).toBeWithin(4_000, 9_000)
      ended.resolve(new Response(''))
    })

    test('is read at few at once: the others are asked to come again', async () => {
      const ended = Promise.withResolvers<void>()
      const object = await signed(client)
      served.set('/request', async () => {
        await ended.promise
        return new Response(object)
      })
      const answers = Array.from({ length: 20 }, () =>
        errorOf(browser, client, { request_uri: at('/request') }),
      )
      const later = answers.map((answer) => answer.then((error) => error === 'temporarily_unavailable'))
      const some = Array.from({ length: 12 }, () => Promise.any(later))
      await Promise.all(some)
      ended.resolve()
      const all = await Promise.all(answers)
      expect(all.filter((error) => error === 'answered')).toHaveLength(usualReadingLimits.atOnceOfOne)
      expect(all.filter((error) => error === 'temporarily_unavailable')).toHaveLength(12)
      expect(asked).toHaveLength(usualReadingLimits.atOnceOfOne)
    })

    test('of an object that is not good is refused as the object by value is', async () => {
      const stranger = await jose.generateKeyPair('RS256')
      const bad: Readonly<Record<string, string>> = {
        'of another key': await signed(client, {}, stranger.privateKey),
        'for another client': await signed(client, { client_id: 'x' }),
        'for another server': await new jose.SignJWT(membersOf(client))
          .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
          .setAudience('https://other.example')
          .sign(keys.privateKey),
        'naming another one': await signed(client, { request_uri: at('/other') }),
      }
      for (const [what, object] of Object.entries(bad)) {
        serve('/request', object)
        expect([what, await refused(client, { request_uri: at('/request') })]).toEqual([
          what,
          'invalid_request_object',
        ])
      }
      const pinned = await createClient(server, {
        mayact: { jwks, requestUris: [at('/request')] },
        requestObject: { requestObjectSigningAlg: 'ES256' },
      })
      serve('/request', await signed(pinned))
      expect(await refused(pinned, { request_uri: at('/request') })).toBe('invalid_request_object')
    })

    test('of an unsigned object is taken only where the application says so', async () => {
      const mayact = { requestUris: [at('/request')] }
      const request_uri = at('/request')
      serve('/request', unsigned(client))
      expect(await refused(client, { request_uri })).toBe('request_not_supported')
      const lax = await createClient(server, { ...unsignedToo, mayact })
      serve('/request', unsigned(lax))
      expect((await delivered(browser, lax, { request_uri })).parameters.state).toBe('inside')
      const strict: readonly Readonly<Record<string, unknown>>[] = [
        { ...unsignedToo, mayact, validateRequestObjectSignature: true },
        { ...unsignedToo, mayact: { ...mayact, requireSignedRequestObject: true } },
        { ...unsignedToo, mayact, subjectToken: { enable: true } },
      ]
      for (const oidc of strict) {
        const one = await createClient(server, oidc)
        const object = unsigned(one)
        serve('/request', object)
        expect(await refused(one, { request_uri })).toBe('request_not_supported')
        expect(await refused(one, { request: object })).toBe('request_not_supported')
      }
    })

    test('of an unsigned object with its hash as fragment is good for that content alone', async () => {
      const created = await createClient(server, unsignedToo)
      const object = unsigned(created)
      const request_uri = `${at('/hashed')}#${sha256(object)}`
      const location = `/api/server/v1/applications/${created.applicationId}/inbound-protocols/oidc`
      const settings = (await (await server.send('GET', location)).json()) as Record<string, unknown>
      const changed = await server.send('PUT', location, {
        ...settings,
        mayact: { requestUris: [request_uri] },
      })
      expect(changed.status).toBe(200)
      serve('/hashed', object)
      expect((await delivered(browser, created, { request_uri })).parameters.state).toBe('inside')
      serve('/hashed', unsigned(created, { state: 'another' }))
      expect(await refused(created, { request_uri })).toBe('invalid_request_uri')
      expect(asked).toEqual(['GET /hashed', 'GET /hashed'])
    })

    test('of a signed object is known by its signature, whatever its fragment is', async () => {
      const request_uri = `${at('/request')}#${sha256('of something else')}`
      const one = await createClient(server, { mayact: { jwks, requestUris: [request_uri] } })
      serve('/request', await signed(one))
      expect((await delivered(browser, one, { request_uri })).parameters.state).toBe('inside')
    })

    test('of a private address is not asked without leave', async () => {
      const careful = await boot(database)
      try {
        const one = await createClient(careful, { mayact: { jwks, requestUris: [at('/request')] } })
        const https = `https://127.0.0.1:${host.port}/request`
        const two = await createClient(careful, { mayact: { jwks, requestUris: [https] } })
        serve('/request', await signed(one))
        const plain = newBrowser(careful)
        expect(await errorOf(plain, one, { request_uri: at('/request') })).toBe('invalid_request_uri')
        expect(await errorOf(plain, two, { request_uri: https })).toBe('invalid_request_uri')
        expect(asked).toEqual([])
        const response = await careful.send('POST', '/api/identity/oauth2/dcr/v1.1/register', {
          redirect_uris: ['https://client.example/cb'],
          request_uris: [at('/request')],
        })
        expect([response.status, await response.json()]).toEqual([
          400,
          expect.objectContaining({ error: 'invalid_client_metadata' }),
        ])
      } finally {
        await careful.stop()
      }
    })

    describe('of an impersonation', () => {
      let scenario: Scenario
      beforeAll(async () => {
        scenario = await setUp(server)
      })
      const impersonating = async (name: string, mayact: Readonly<Record<string, unknown>>) => {
        const made = await createApplication(server, {
          name,
          oidc: { mayact: { jwks, requestUris: [at('/request')], ...mayact } },
        })
        await createRole(server, {
          name: `Impersonators by ${name}`,
          applicationId: made.applicationId,
          permissions: ['internal_user_impersonate'],
          member: scenario.impersonator.id,
        })
        const parameters = Object.fromEntries(
          new URL(authorizePath({ ...scenario, clientId: made.clientId }), origin).searchParams,
        )
        serve('/request', await signed(made, parameters))
        const { requested_subject: _, ...beside } = parameters
        return `/oauth2/authorize?${new URLSearchParams({ ...beside, request_uri: at('/request') })}`
      }

      test('names its subject in the signed object', async () => {
        const fresh = newBrowser(server)
        const paused = await fresh.get(await impersonating('By reference', {}))
        const answer = fragmentOf(await logIn(fresh, paused, scenario.impersonator))
        expect(jose.decodeJwt(answer.get('subject_token') ?? '').sub).toBe(scenario.subject.id)
      })

      test('is refused where the subject is named in pushed requests only', async () => {
        const path = await impersonating('By PAR alone', { requestedSubjectByParOnly: true })
        const { result } = await nothingElse(server.db, {}, () => newBrowser(server).get(path))
        expect(fragmentOf(result).get('error')).toBe('invalid_request')
      })
    })

    test('too often in a minute is asked to come again', async () => {
      const address = '198.51.100.7'
      serve('/request', await signed(client))
      const path = requestOf(client, { request_uri: at('/request'), prompt: 'none' })
      const errors: (string | undefined)[] = []
      for (let index = 0; index < 2 * usualReadingLimits.perMinuteOfNetwork + 1; index += 1) {
        const answer = await readAnswer(await server.request(path, { address }))
        errors.push('parameters' in answer ? answer.parameters.error : answer.place)
      }
      // a minute may begin in between
      expect(errors).toContain('temporarily_unavailable')
      expect(asked.length).toBeLessThanOrEqual(2 * usualReadingLimits.perMinuteOfNetwork)
      expect((await ask(browser, client, { request_uri: at('/theirs') })).place).not.toBe('page')
    })
  })
}
