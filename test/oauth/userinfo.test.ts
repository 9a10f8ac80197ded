/** Userinfo: what a token tells of its user, how it may be presented, and whom it is refused to. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { bump, commit, write } from '../../lib/database/commit.ts'
import { findToken } from '../../lib/tokens/token.ts'
import { type Booted, boot, origin } from '../boot.ts'
import { databases } from '../databases.ts'
import { impersonatedToken, userToken } from '../fixtures.ts'
import { nothingElse } from '../nothing-else.ts'
import { impersonate, obtainSubjectToken, type Scenario, setLocked, setUp } from '../scenario.ts'
import { type Client, clientToken, codeFlow, createClient, malformedForms, type Tokens } from './tokens.ts'

const path = '/oauth2/userinfo'
const issuer = `${origin}/oauth2/token`
const shipped = await Bun.file(new URL('../../deployment.toml', import.meta.url)).text()
const withoutFeature = shipped.replace(/\[\[oauth\.custom_response_type\]\]\n(?:\w+ *= .*\n)+/g, '')

for (const database of databases) {
  describe(`userinfo on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let client: Client
    let tokens: Tokens
    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      client = await createClient(server, 'Shop')
      tokens = await codeFlow(server, client, scenario.subject)
    })
    afterAll(() => server.stop())

    const get = (token: string, scheme = 'Bearer') =>
      server.request(path, { headers: { Authorization: `${scheme} ${token}` } })
    const post = (body: string | Uint8Array<ArrayBuffer>, headers: Readonly<Record<string, string>> = {}) =>
      server.request(path, {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      })
    const claimsOf = async (response: Response) => {
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      return (await response.json()) as Record<string, unknown>
    }
    const expectRefused = async (response: Response, status: number, error: string) => {
      const body = (await response.json()) as Record<string, unknown>
      expect([response.status, body.error, typeof body.error_description]).toEqual([status, error, 'string'])
      expect(response.headers.get('www-authenticate')).toStartWith(`Bearer error="${error}"`)
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
    const profile = {
      name: 'EndUser Example',
      family_name: 'Example',
      given_name: 'EndUser',
      preferred_username: 'EndUser',
      updated_at: expect.any(Number),
      email: 'enduser@example.com',
      email_verified: false,
    }

    test('tells the claims of the scopes, by header and by form, and changes nothing', async () => {
      const expected = { ...profile, sub: scenario.subject.id }
      const token = tokens.access_token
      await nothingElse(server.db, {}, async () => {
        expect(await claimsOf(await get(token))).toEqual(expected)
        expect(await claimsOf(await get(token, 'bearer'))).toEqual(expected)
        expect(await claimsOf(await post(`access_token=${token}`))).toEqual(expected)
        const header = { Authorization: `Bearer ${token}` }
        expect(await claimsOf(await post('', header))).toEqual(expected)
        expect(await claimsOf(await server.request(path, { method: 'POST', headers: header }))).toEqual(
          expected,
        )
      })
      expect((await claimsOf(await get(token))).sub).toBe(jose.decodeJwt(tokens.id_token).sub)
    })

    test('the request may ask for claims one by one', async () => {
      const claims = JSON.stringify({
        userinfo: {
          email: { essential: true },
          nickname: null,
          unknown: null,
          given_name: { value: 'Other' },
        },
        id_token: { phone_number: null },
      })
      const { access_token } = await codeFlow(server, client, scenario.subject, { scope: 'openid', claims })
      expect(await claimsOf(await get(access_token))).toEqual({
        sub: scenario.subject.id,
        email: 'enduser@example.com',
      })
    })

    test('is signed where the application wants it, with the claims and for it', async () => {
      const signing = await createClient(server, 'Signing', {
        mayact: { userinfoSignedResponseAlg: 'RS256' },
      })
      const { access_token } = await codeFlow(server, signing, scenario.subject)
      const response = await get(access_token)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe('application/jwt')
      const keys = jose.createLocalJWKSet(server.keys.jwks() as jose.JSONWebKeySet)
      const { payload, protectedHeader } = await jose.jwtVerify(await response.text(), keys, {
        issuer,
        audience: signing.clientId,
      })
      expect(payload).toEqual({
        ...profile,
        sub: scenario.subject.id,
        iss: issuer,
        aud: signing.clientId,
      })
      expect(protectedHeader.alg).toBe('RS256')
    })

    test('while somebody acts it is about the subject, and says who acts', async () => {
      const asked = {
        application: { id: scenario.applicationId, clientId: scenario.clientId },
        subjectId: scenario.subject.id,
        scopes: ['openid', 'profile', 'email'],
        impersonatorId: scenario.impersonator.id,
      }
      const { value } = await impersonatedToken(server.db, asked)
      const expected = { ...profile, sub: scenario.subject.id, act: { sub: scenario.impersonator.id } }
      await nothingElse(server.db, {}, async () => {
        expect(await claimsOf(await get(value))).toEqual(expected)
      })
      const { result, changes } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
        post(`access_token=${value}`),
      )
      expect(await claimsOf(result)).toEqual(expected)
      expect(changes.added.audit?.[0]).toMatchObject({
        event: 'resource-creation-via-impersonation',
        initiator: scenario.impersonator.id,
        target: scenario.subject.id,
        actor_id: scenario.impersonator.id,
        outcome: 'AUTHORIZED',
      })
    })

    test('an impersonated token of the flow works the same', async () => {
      const { access_token } = await impersonate(server, scenario)
      expect(await claimsOf(await get(access_token))).toEqual({
        sub: scenario.subject.id,
        act: { sub: scenario.impersonator.id },
      })
      await setLocked(server, scenario.impersonator.id, true)
      await expectRefused(await get(access_token), 401, 'invalid_token')
      await setLocked(server, scenario.impersonator.id, false)
      await expectRefused(await get(access_token), 401, 'invalid_token')
    })

    test('who shows nothing is told nothing but how', async () => {
      for (const request of [
        server.request(path),
        server.request(path, { method: 'POST' }),
        server.request(`${path}?access_token=${tokens.access_token}`),
        server.request(`${path}?access_token=${tokens.access_token}`, { method: 'POST' }),
        server.request(path, { headers: { Authorization: 'Basic YTpi' } }),
        server.request(path, { headers: { Authorization: 'Bearer' } }),
        server.request(path, { headers: { Authorization: 'Bearer a b' } }),
        post('other=x'),
        post('access_token='),
      ]) {
        const response = await request
        expect([response.status, await response.text()]).toEqual([401, ''])
        expect(response.headers.get('www-authenticate')).toBe('Bearer realm="localhost"')
      }
    })

    test('refuses two ways at once, and malformed forms', async () => {
      const token = tokens.access_token
      await expectRefused(
        await post(`access_token=${token}`, { Authorization: `Bearer ${token}` }),
        400,
        'invalid_request',
      )
      for (const [, sent] of malformedForms('access_token', token)) {
        await expectRefused(await post(sent), 400, 'invalid_request')
      }
      const json = await server.request(path, {
        method: 'POST',
        body: JSON.stringify({ access_token: token }),
        headers: { 'Content-Type': 'application/json' },
      })
      expect([json.status, await json.text()]).toEqual([401, ''])
    })

    test('takes access tokens of users with openid only', async () => {
      const { subjectToken, idToken } = await obtainSubjectToken(server, scenario)
      for (const value of [
        tokens.refresh_token,
        tokens.id_token,
        subjectToken,
        idToken,
        'nonsense',
        `${tokens.access_token}x`,
        await clientToken(server, client),
      ]) {
        await expectRefused(await get(value), 401, 'invalid_token')
      }
      const asked = {
        application: { id: client.applicationId, clientId: client.clientId },
        subjectId: scenario.subject.id,
        scopes: ['profile', 'email'],
      }
      const response = await get(await userToken(server.db, asked))
      expect(response.headers.get('www-authenticate')).toContain('scope="openid"')
      await expectRefused(response, 403, 'insufficient_scope')
    })

    test('a post with an impersonated token that lacks openid leaves its row, too', async () => {
      const { value } = await impersonatedToken(server.db, {
        application: { id: scenario.applicationId, clientId: scenario.clientId },
        subjectId: scenario.subject.id,
        scopes: ['profile'],
        impersonatorId: scenario.impersonator.id,
      })
      const { result, changes } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
        post(`access_token=${value}`),
      )
      await expectRefused(result, 403, 'insufficient_scope')
      expect(changes.added.audit?.[0]).toMatchObject({ outcome: '403' })
    })

    test('a token that is bound to a key is not taken without it', async () => {
      const { access_token } = await codeFlow(server, client, scenario.subject)
      const token = await findToken(server.db, access_token, new Date())
      const bind = (confirmation: string) =>
        commit(server.db, [
          write(
            server.db
              .updateTable('token')
              .set({ confirmation })
              .where('id', '=', token?.id ?? ''),
          ),
        ])
      for (const confirmation of ['{"jkt":"abc"}', '{"x5t#S256":"abc"}']) {
        await bind(confirmation)
        const refused = await get(access_token)
        expect([refused.status, await refused.json()]).toMatchObject([401, { error: 'invalid_token' }])
      }
    })

    test('a locked user, a disabled application and the feature off end it', async () => {
      const { access_token } = await codeFlow(server, client, scenario.subject)
      const disable = (at: string | null) =>
        commit(server.db, [
          write(
            server.db
              .updateTable('application')
              .set({ disabled_at: at })
              .where('id', '=', client.applicationId),
          ),
          bump,
        ])
      await disable(new Date().toISOString())
      await expectRefused(await get(access_token), 401, 'invalid_token')
      await disable(null)
      await claimsOf(await get(access_token))
      await setLocked(server, scenario.subject.id, true)
      await expectRefused(await get(access_token), 401, 'invalid_token')
      await setLocked(server, scenario.subject.id, false)
      const { access_token: impersonated } = await impersonate(server, scenario)
      const off = await boot(database, {
        insteadOfShipped: withoutFeature,
        beside: { directory: server.directory, config: server.config },
      })
      try {
        const response = await off.request(path, { headers: { Authorization: `Bearer ${impersonated}` } })
        await expectRefused(response, 401, 'invalid_token')
      } finally {
        await off.stop()
      }
    })
  })
}
