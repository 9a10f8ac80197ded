/** Introspection: who may ask about which token, what the answer says, and that a revocation shows at once. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import * as jose from 'jose'
import { bump, commit, write } from '../../lib/database/commit.ts'
import { endLineage } from '../../lib/tokens/lineage.ts'
import { findToken } from '../../lib/tokens/token.ts'
import { admin, type Booted, basic, boot, origin } from '../boot.ts'
import { databases } from '../databases.ts'
import { userToken } from '../fixtures.ts'
import { nothingElse } from '../nothing-else.ts'
import { impersonate, obtainSubjectToken, type Scenario, setLocked, setUp } from '../scenario.ts'
import {
  type Client,
  clientToken,
  codeFlow,
  createClient,
  malformedForms,
  postForm,
  type Tokens,
} from './tokens.ts'

const path = '/oauth2/introspect'
const issuer = `${origin}/oauth2/token`
const shipped = await Bun.file(new URL('../../deployment.toml', import.meta.url)).text()
const withoutFeature = shipped.replace(/\[\[oauth\.custom_response_type\]\]\n(?:\w+ *= .*\n)+/g, '')

for (const database of databases) {
  describe(`introspection on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let client: Client
    let other: Client
    let tokens: Tokens
    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      client = await createClient(server, 'Shop')
      other = await createClient(server, 'Other')
      tokens = await codeFlow(server, client, scenario.subject)
    })
    afterAll(() => server.stop())

    const ask = async (
      token: string,
      as: Parameters<typeof postForm>[3] = client,
      form: Record<string, string> = {},
    ) => {
      const response = await postForm(server, path, { token, ...form }, as)
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      return (await response.json()) as Record<string, unknown>
    }
    const inactive = { active: false }

    test('an access token says what it itself says, and the user name', async () => {
      const { result: said } = await nothingElse(server.db, {}, () => ask(tokens.access_token))
      const claims = jose.decodeJwt(tokens.access_token)
      expect(said).toEqual({
        active: true,
        scope: claims.scope,
        client_id: client.clientId,
        username: 'EndUser',
        token_type: 'Bearer',
        exp: claims.exp,
        iat: claims.iat,
        nbf: claims.nbf,
        aut: 'APPLICATION_USER',
        sub: scenario.subject.id,
        aud: client.clientId,
        iss: issuer,
        jti: claims.jti,
        org_id: claims.org_id,
        org_name: 'Super',
      })
      expect(said.scope).toContain('openid')
    })

    test('a refresh token is active until it is rotated, a client has its own tokens', async () => {
      const { refresh_token } = await codeFlow(server, client, scenario.subject)
      const said = await ask(refresh_token)
      expect(said).toMatchObject({ active: true, client_id: client.clientId, sub: scenario.subject.id })
      expect(said).not.toHaveProperty('token_type')
      const form = { grant_type: 'refresh_token', refresh_token }
      const refreshed = await postForm(server, '/oauth2/token', form, client)
      expect(refreshed.status).toBe(200)
      expect(await ask(refresh_token)).toEqual(inactive)
      const own = await clientToken(server, client)
      const about = await ask(own)
      expect(about).toMatchObject({ active: true, aut: 'APPLICATION', sub: client.clientId })
      expect(about).not.toHaveProperty('username')
    })

    test('an impersonated token names its actor as an object, a subject token who may become it', async () => {
      const { access_token } = await impersonate(server, scenario)
      expect(await ask(access_token, scenario)).toMatchObject({
        active: true,
        sub: scenario.subject.id,
        username: 'EndUser',
        act: { sub: scenario.impersonator.id },
      })
      const { subjectToken, idToken } = await obtainSubjectToken(server, scenario)
      const about = await ask(subjectToken, scenario)
      expect(about).toMatchObject({ active: true, may_act: { sub: scenario.impersonator.id } })
      expect(about).not.toHaveProperty('act')
      expect(about).not.toHaveProperty('token_type')
      // identity is no authorization
      expect(await ask(idToken, scenario)).toEqual(inactive)
    })

    test('a token of another client is as unknown as one that never was', async () => {
      const { subjectToken } = await obtainSubjectToken(server, scenario)
      for (const value of [
        tokens.access_token,
        tokens.refresh_token,
        tokens.id_token,
        subjectToken,
        'never-issued',
        `${tokens.access_token}x`,
        'a.b.c',
      ]) {
        expect(await ask(value, other)).toEqual(inactive)
      }
    })

    test('a hint changes nothing, whatever it says', async () => {
      for (const token_type_hint of ['access_token', 'refresh_token', 'jwt', 'nonsense']) {
        expect((await ask(tokens.access_token, client, { token_type_hint })).active).toBe(true)
        expect((await ask(tokens.refresh_token, client, { token_type_hint })).active).toBe(true)
      }
    })

    test('whom a token names as its audience may ask about it', async () => {
      const token = await findToken(server.db, tokens.access_token, new Date())
      const audience = (value: string | null) =>
        commit(server.db, [
          write(
            server.db
              .updateTable('token')
              .set({ audience: value })
              .where('id', '=', token?.id ?? ''),
          ),
        ])
      await audience(`https://api.example ${other.clientId}`)
      expect(await ask(tokens.access_token, other)).toMatchObject({
        active: true,
        aud: ['https://api.example', other.clientId],
      })
      await audience('https://api.example')
      expect(await ask(tokens.access_token, other)).toEqual(inactive)
      expect((await ask(tokens.access_token)).aud).toBe('https://api.example')
      await audience(null)
    })

    test('whoever holds internal_oauth2_introspect may ask about all, as a user or with a token', async () => {
      expect((await ask(tokens.access_token, admin)).active).toBe(true)
      const bearer = await userToken(server.db, {
        application: {
          id: (await introspecting()).applicationId,
          clientId: (await introspecting()).clientId,
        },
        subjectId: scenario.impersonator.id,
        scopes: ['internal_oauth2_introspect'],
      })
      expect((await ask(tokens.access_token, `Bearer ${bearer}`)).active).toBe(true)
      const without = basic(scenario.subject.userName, scenario.subject.password)
      const refused = await postForm(server, path, { token: tokens.access_token }, without)
      expect(refused.status).toBe(403)
      expect(refused.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope"')
      expect(await refused.json()).toMatchObject({ error: 'insufficient_scope' })
      const login = await userToken(server.db, {
        application: { id: client.applicationId, clientId: client.clientId },
        subjectId: scenario.impersonator.id,
        scopes: ['internal_login'],
      })
      expect((await postForm(server, path, { token: 'x' }, `Bearer ${login}`)).status).toBe(403)
    })

    let made: Client | undefined
    const introspecting = async () => {
      made ??= await createClient(
        server,
        'Gateway',
        {},
        { '/oauth2/introspect': ['internal_oauth2_introspect'] },
      )
      return made
    }

    test('an impersonated token never asks, and leaves the row of its use', async () => {
      const { access_token } = await impersonate(server, scenario)
      const before = (await server.audit()).length
      const response = await postForm(server, path, { token: access_token }, `Bearer ${access_token}`)
      expect(response.status).toBe(403)
      const rows = (await server.audit()).slice(before)
      expect(rows).toHaveLength(1)
      expect(rows[0]).toMatchObject({
        event: 'resource-creation-via-impersonation',
        outcome: '403',
        actor_id: scenario.impersonator.id,
      })
    })

    test.each([
      ['no credentials', null, 401, 'invalid_client', /^Basic /],
      ['an unknown client', basic('nobody', 'secret'), 401, 'invalid_client', /^Basic /],
      ['Basic that is none', 'Basic ????', 401, 'invalid_client', /^Basic /],
      ['a token that is none', 'Bearer nonsense', 401, 'invalid_token', /^Bearer error="invalid_token"$/],
      ['another scheme', 'Negotiate abc', 401, 'invalid_token', /^Bearer/],
    ])('refuses %s', async (_, as, status, error, challenge) => {
      const response = await postForm(server, path, { token: tokens.access_token }, as)
      expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([status, error])
      expect(response.headers.get('www-authenticate')).toMatch(challenge)
    })

    test('refuses a wrong secret, and a public client that only says who it is', async () => {
      const wrong = await postForm(
        server,
        path,
        { token: tokens.access_token },
        basic(client.clientId, 'wrong'),
      )
      expect([wrong.status, await wrong.json()]).toMatchObject([401, { error: 'invalid_client' }])
      const open = await createClient(server, 'Open', { publicClient: true })
      const form = { token: tokens.access_token, client_id: open.clientId }
      const named = await postForm(server, path, form, null)
      expect([named.status, await named.json()]).toMatchObject([401, { error: 'invalid_client' }])
    })

    test('refuses malformed forms', async () => {
      for (const [, sent] of [
        ['absent', 'hint=x'] as const,
        ['empty', 'token='] as const,
        ...malformedForms('token', 'x'),
      ]) {
        const response = await server.request(path, {
          method: 'POST',
          body: sent,
          headers: {
            Authorization: basic(client.clientId, client.clientSecret),
            'Content-Type': 'application/x-www-form-urlencoded',
          },
        })
        expect([response.status, await response.json()]).toMatchObject([400, { error: 'invalid_request' }])
      }
      const json = await server.request(path, {
        method: 'POST',
        body: JSON.stringify({ token: tokens.access_token }),
        headers: {
          Authorization: basic(client.clientId, client.clientSecret),
          'Content-Type': 'application/json',
        },
      })
      expect([json.status, await json.json()]).toMatchObject([400, { error: 'invalid_request' }])
      const get = await server.request(`${path}?token=${tokens.access_token}`, {
        headers: { Authorization: basic(client.clientId, client.clientSecret) },
      })
      expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    })

    test('a signed answer is for whoever asked, and typed (RFC 9701)', async () => {
      const signed = async (token: string, accept: string) => {
        const response = await postForm(server, path, { token }, client, { Accept: accept })
        expect(response.status).toBe(200)
        expect(response.headers.get('content-type')).toBe('application/token-introspection+jwt')
        const keys = jose.createLocalJWKSet(server.keys.jwks() as jose.JSONWebKeySet)
        return jose.jwtVerify(await response.text(), keys, {
          issuer,
          audience: client.clientId,
          typ: 'token-introspection+jwt',
        })
      }
      const { payload } = await signed(tokens.access_token, 'application/token-introspection+jwt')
      expect(Object.keys(payload).sort()).toEqual(['aud', 'iat', 'iss', 'token_introspection'])
      expect(payload.token_introspection).toEqual(await ask(tokens.access_token))
      const none = await signed('never', 'application/json;q=0.5, application/token-introspection+jwt')
      expect(none.payload.token_introspection).toEqual(inactive)
    })

    test('what ends a token shows at once', async () => {
      const { access_token, refresh_token } = await codeFlow(server, client, scenario.subject)
      const impersonated = (await impersonate(server, scenario)).access_token
      expect((await ask(impersonated, scenario)).active).toBe(true)
      await setLocked(server, scenario.impersonator.id, true)
      expect(await ask(impersonated, scenario)).toEqual(inactive)
      await setLocked(server, scenario.impersonator.id, false)
      expect(await ask(impersonated, scenario)).toEqual(inactive)
      const found = await findToken(server.db, access_token, new Date())
      expect((await ask(access_token)).active).toBe(true)
      await commit(server.db, [
        endLineage(server.db, found?.lineageId ?? '', { by: 'test', reason: 'ended' }, new Date()),
      ])
      expect(await ask(access_token)).toEqual(inactive)
      expect(await ask(refresh_token)).toEqual(inactive)
    })

    test('a locked user has no active token, a disabled application neither', async () => {
      const { access_token } = await codeFlow(server, client, scenario.subject)
      await setLocked(server, scenario.subject.id, true)
      expect(await ask(access_token)).toEqual(inactive)
      await setLocked(server, scenario.subject.id, false)
      const again = (await codeFlow(server, client, scenario.subject)).access_token
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
      expect(await ask(again, admin)).toEqual(inactive)
      await disable(null)
      expect((await ask(again)).active).toBe(true)
    })

    test('an expired token is inactive', async () => {
      const { access_token } = await codeFlow(server, client, scenario.subject)
      const { exp = 0 } = jose.decodeJwt(access_token)
      try {
        setSystemTime(new Date((exp - 1) * 1000))
        expect((await ask(access_token)).active).toBe(true)
        setSystemTime(new Date(exp * 1000))
        expect(await ask(access_token)).toEqual(inactive)
      } finally {
        setSystemTime()
      }
    })

    test('with the feature off impersonated tokens are inactive, others are not', async () => {
      const { access_token } = await impersonate(server, scenario)
      const off = await boot(database, {
        insteadOfShipped: withoutFeature,
        beside: { directory: server.directory, config: server.config },
      })
      try {
        const askOff = async (token: string, as: Parameters<typeof postForm>[3]) =>
          (await postForm(off, path, { token }, as)).json()
        expect(await askOff(access_token, scenario)).toEqual(inactive)
        const { access_token: own } = await codeFlow(server, client, scenario.subject)
        expect(await askOff(own, client)).toMatchObject({ active: true })
      } finally {
        await off.stop()
      }
    })
  })
}
