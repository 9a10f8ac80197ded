/**
 * Forged tokens, and good ones at the wrong place: at the gate of the APIs, userinfo, introspection, revocation and as
 * hints. The token exchange, client assertions, request objects and DPoP proofs have theirs beside their other tests.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { retire, rotate } from '../../lib/keys/rotation.ts'
import { assertionType } from '../../lib/oauth/presented-client.ts'
import { type Booted, basic, boot } from '../boot.ts'
import { type Browser, locationOf } from '../browser.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { createPerson, logIn, type Person, redirectUri } from '../scenario.ts'
import { requestOf } from './authorizing.ts'
import { bookingsToml, type Client, createService, userTokens } from './exchanged-tokens.ts'
import { forgeries } from './forgeries.ts'
import { newKey } from './proof.ts'

/** A place that takes tokens, and how it says that one is none. */
interface Place {
  readonly title: string
  readonly takes: 'access' | 'id'
  present(value: string): Promise<unknown>
  /** What it says to a good one, and to any other value. */
  readonly good: unknown
  readonly refused: unknown
}

/** What no header can carry. */
const isHeaderValue = (value: string) => /^[\x21-\x7e]+$/.test(value)

for (const database of databases) {
  describe(`a forged token on ${database.name}`, () => {
    let server: Booted
    let client: Client
    let person: Person
    let browser: Browser
    let keys: jose.GenerateKeyPairResult
    let tokens: Awaited<ReturnType<typeof userTokens>>

    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      person = await createPerson(server, 'AdaLovelace')
      keys = await jose.generateKeyPair('ES256', { extractable: true })
      const jwk = { ...(await jose.exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' }
      client = await createService(server, 'Service', [person.id], {
        grantTypes: ['authorization_code', 'implicit', 'refresh_token', 'client_credentials'],
        subjectToken: { enable: false },
        mayact: { jwks: { keys: [jwk] }, userinfoSignedResponseAlg: 'RS256' },
      })
      browser = server.browser()
      const first = await logIn(browser, await browser.get(requestOf(client)), person)
      expect(locationOf(first).searchParams.has('code')).toBe(true)
      tokens = await userTokens(server, client, person.id, {
        scopes: ['openid', 'internal_login', 'offline_access'],
      })
    })
    afterAll(() => server.stop())

    const authorization = () => basic(client.clientId, client.clientSecret)
    const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
      server.request(path, { method: 'POST', body: new URLSearchParams(fields), headers })
    const hinted = (hint: string) =>
      browser.get(requestOf(client, { prompt: 'none', response_type: 'id_token', id_token_hint: hint }))

    const places: readonly Place[] = [
      {
        title: 'at the gate of the APIs',
        takes: 'access',
        async present(value) {
          const headers = { Authorization: `Bearer ${value}` }
          const response = await server.request('/scim2/Me', { headers })
          return [response.status, response.status === 200 || response.headers.get('www-authenticate')]
        },
        good: [200, true],
        refused: [401, expect.stringContaining('realm=')],
      },
      {
        title: 'at userinfo, in the header',
        takes: 'access',
        async present(value) {
          const headers = { Authorization: `Bearer ${value}` }
          const response = await server.request('/oauth2/userinfo', { headers })
          return response.headers.get('content-type') === 'application/jwt'
            ? response.status
            : [response.status, ((await response.json()) as { error: string }).error]
        },
        good: 200,
        refused: [401, 'invalid_token'],
      },
      {
        title: 'at userinfo, in the form',
        takes: 'access',
        async present(value) {
          const response = await form('/oauth2/userinfo', { access_token: value })
          return response.headers.get('content-type') === 'application/jwt'
            ? response.status
            : [response.status, ((await response.json()) as { error: string }).error]
        },
        good: 200,
        refused: [401, 'invalid_token'],
      },
      {
        title: 'at introspection',
        takes: 'access',
        async present(value) {
          const response = await form(
            '/oauth2/introspect',
            { token: value },
            { Authorization: authorization() },
          )
          const said = (await response.json()) as { active: boolean }
          return [response.status, said.active ? 'active' : said]
        },
        good: [200, 'active'],
        refused: [200, { active: false }],
      },
      {
        title: 'as a hint at the authorization endpoint',
        takes: 'id',
        async present(value) {
          const response = await hinted(value)
          // too long for any request
          if (response.status === 400) return 'invalid_request'
          return new URLSearchParams(locationOf(response).hash.slice(1)).get('error')
        },
        good: null,
        refused: 'invalid_request',
      },
      {
        title: 'as a hint at logout',
        takes: 'id',
        async present(value) {
          // a browser without a session: a good one is answered, and nobody is signed out by it
          const response = await form('/oidc/logout', {
            id_token_hint: value,
            post_logout_redirect_uri: redirectUri,
          })
          return response.status
        },
        good: 303,
        refused: 400,
      },
    ]
    const goodAt = ({ takes }: Place) => (takes === 'access' ? tokens.accessToken : tokens.idToken)

    for (const [title, forge] of forgeries) {
      test(`with ${title} is refused everywhere, revokes nothing, and nothing happens`, async () => {
        await nothingElse(server.db, {}, async () => {
          for (const place of places) {
            const forged = await forge(goodAt(place), server)
            expect(forged).not.toBe(goodAt(place))
            if (/gate|header/.test(place.title) && !isHeaderValue(forged)) continue
            expect([place.title, await place.present(forged)]).toEqual([place.title, place.refused])
          }
          const token = await forge(tokens.accessToken, server)
          const revoked = await form('/oauth2/revoke', { token }, { Authorization: authorization() })
          expect([revoked.status, await revoked.text()]).toEqual([200, ''])
        })
      })
    }

    test('while the one it was made of is good', async () => {
      for (const place of places) {
        expect([place.title, await place.present(goodAt(place))]).toEqual([place.title, place.good])
      }
    })

    test('nor is a good one followed by something', async () => {
      const headers = { Authorization: `Bearer ${tokens.accessToken} garbage` }
      expect((await server.request('/scim2/Me', { headers })).status).toBe(401)
      expect((await server.request('/oauth2/userinfo', { headers })).status).toBe(401)
      const twice = { Authorization: `Bearer ${tokens.accessToken}, Bearer ${tokens.accessToken}` }
      expect((await server.request('/scim2/Me', { headers: twice })).status).toBe(401)
      expect((await server.request('/oauth2/userinfo', { headers: twice })).status).toBe(401)
    })

    test('nor one of another kind, though we signed it', async () => {
      const bearer = { Authorization: `Bearer ${tokens.accessToken}` }
      const userinfo = await (await server.request('/oauth2/userinfo', { headers: bearer })).text()
      expect(jose.decodeJwt(userinfo)).toMatchObject({ iss: server.config.issuer, aud: client.clientId })
      const introspection = await form(
        '/oauth2/introspect',
        { token: tokens.accessToken },
        { Authorization: authorization(), Accept: 'application/token-introspection+jwt' },
      )
      const jarm = locationOf(
        await browser.get(requestOf(client, { response_type: 'code', response_mode: 'query.jwt' })),
      ).searchParams.get('response')
      const code = locationOf(await browser.get(requestOf(client))).searchParams.get('code')
      const claims = jose.decodeJwt(tokens.idToken)
      const key = await newKey()
      const kinds: Readonly<Record<string, string | null>> = {
        'a userinfo response': userinfo,
        'an introspection response': await introspection.text(),
        'an authorization response': jarm,
        'a code': code,
        'a logout token': await server.keys.sign({ ...claims, events: {} }, 'logout+jwt'),
        'a DPoP proof': await key.proof('GET', '/scim2/Me', { token: tokens.accessToken }),
        'an ID token of another issuer': await server.keys.sign({ ...claims, iss: 'https://x.example' }),
        'an ID token for another client': await server.keys.sign({ ...claims, aud: 'x', azp: 'x' }),
        'an ID token for others only': await server.keys.sign({ ...claims, aud: 'x' }),
        'an ID token of the future': await server.keys.sign({ ...claims, nbf: Number(claims.iat) + 600 }),
        'an ID token without an end': await server.keys.sign({ ...claims, exp: undefined }),
      }
      await nothingElse(server.db, {}, async () => {
        for (const [kind, value] of Object.entries(kinds)) {
          for (const place of places) {
            expect([place.title, kind, await place.present(value ?? '')]).toEqual([
              place.title,
              kind,
              place.refused,
            ])
          }
        }
      })
      // nor is an ID token an access token, or the other way round
      for (const place of places) {
        const other = place.takes === 'access' ? tokens.idToken : tokens.accessToken
        expect([place.title, await place.present(other)]).toEqual([place.title, place.refused])
      }
    })

    test('and what the client signed for another purpose authenticates it nowhere', async () => {
      const strict = await createService(server, 'Asserting', [], {
        grantTypes: ['client_credentials', 'authorization_code'],
        clientAuthentication: { tokenEndpointAuthMethod: 'private_key_jwt' },
        mayact: {
          jwks: { keys: [{ ...(await jose.exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' }] },
        },
      })
      const sign = (header: Partial<jose.JWTHeaderParameters>) =>
        new jose.SignJWT({ jti: crypto.randomUUID(), response_type: 'code' })
          .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
          .setIssuer(strict.clientId)
          .setSubject(strict.clientId)
          .setAudience(server.config.issuer)
          .setIssuedAt()
          .setExpirationTime('1m')
          .sign(keys.privateKey)
      const ask = (client_assertion: string) =>
        form('/oauth2/token', {
          grant_type: 'client_credentials',
          client_assertion,
          client_assertion_type: assertionType,
        })
      for (const typ of ['oauth-authz-req+jwt', 'dpop+jwt', 'at+jwt', 'logout+jwt']) {
        const assertion = await sign({ typ })
        const { result } = await nothingElse(
          server.db,
          { audit: { added: 1 }, login_failure: { added: 1 } },
          () => ask(assertion),
        )
        expect([typ, result.status]).toEqual([typ, 401])
      }
      for (const typ of [undefined, 'JWT', 'jwt', 'client-authentication+jwt']) {
        const answer = await ask(await sign(typ === undefined ? {} : { typ }))
        expect([typ, answer.status]).toEqual([typ, 200])
      }
    })

    test('nor one of a key that was withdrawn, while one of a key that was only retired is', async () => {
      const hints = places.filter(({ takes }) => takes === 'id')
      const [jwk] = server.keys.jwks().keys
      const trace = { id: 'trace-of-a-test', address: '127.0.0.1' }
      // never issued, so that its signature alone speaks for it
      const own = await server.keys.sign({ ...jose.decodeJwt(tokens.idToken), jti: 'x' })
      const presented = () => Promise.all(hints.map(({ present }) => present(own)))
      expect(await presented()).toEqual(hints.map(({ good }) => good))
      await rotate(server.db, server.vault, server.keys.algorithms, 0, trace, new Date())
      await server.keys.refresh()
      expect(await presented()).toEqual(hints.map(({ good }) => good))
      expect(await retire(server.db, jwk?.kid ?? '', { withdraw: true }, trace, new Date())).toBe(true)
      await server.keys.refresh()
      expect(await presented()).toEqual(hints.map(({ refused }) => refused))
    })
  })
}
