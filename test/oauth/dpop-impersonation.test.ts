import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { type Booted, basic, boot } from '../boot.ts'
import { fragmentOf } from '../browser.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import {
  authorizePath,
  createApplication,
  exchange,
  logIn,
  obtainSubjectToken,
  type Scenario,
  setUp,
  type TokenResponse,
} from '../scenario.ts'
import { askToken, tokensOf } from './granted.ts'
import { type Key, newKey } from './proof.ts'

describe.each(databases)('an impersonation bound to a key on $name', (database) => {
  let server: Booted
  let scenario: Scenario
  let key: Key

  beforeAll(async () => {
    server = await boot(database, { toml: '[oauth.dpop]\nrequire_nonce = false' })
    scenario = await setUp(server)
    key = await newKey()
  }, 60_000)
  afterAll(() => server.stop())

  /** The exchange, with a proof of `by`. */
  const exchangeBy = async (
    by: Key | undefined,
    tokens: { readonly subjectToken: string; readonly idToken: string },
  ): Promise<Response> => {
    const proof = await by?.proof('POST', '/oauth2/token')
    const withProof = {
      request: (path: string, init: RequestInit = {}) => {
        const headers = new Headers(init.headers)
        if (proof !== undefined) headers.set('DPoP', proof)
        return server.request(path, { ...init, headers })
      },
    }
    return exchange(withProof, scenario, tokens)
  }
  const me = async (token: string, by: Key | undefined, scheme = 'DPoP', method = 'GET', body?: unknown) =>
    server.request('/scim2/Me', {
      method,
      headers: {
        Authorization: `${scheme} ${token}`,
        'Content-Type': 'application/scim+json',
        ...(by ? { DPoP: await by.proof(method, '/scim2/Me', { token }) } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  test('the subject token of a request with dpop_jkt is exchanged with that key alone, and what it becomes is used with it', async () => {
    const tokens = await obtainSubjectToken(server, scenario, { dpop_jkt: key.jkt })
    expect(jose.decodeJwt(tokens.subjectToken).cnf).toEqual({ jkt: key.jkt })
    for (const by of [undefined, await newKey()]) {
      const refused = await exchangeBy(by, tokens)
      expect(refused.status).toBe(400)
    }
    const response = await exchangeBy(key, tokens)
    const body = (await response.json()) as TokenResponse
    expect([response.status, body.token_type]).toEqual([200, 'DPoP'])
    const claims = jose.decodeJwt(body.access_token)
    expect([claims.cnf, claims.act]).toEqual([{ jkt: key.jkt }, { sub: scenario.impersonator.id }])
    expect((await me(body.access_token, key)).status).toBe(200)
    await nothingElse(server.db, {}, async () => {
      expect((await me(body.access_token, undefined, 'Bearer')).status).toBe(401)
      expect((await me(body.access_token, await newKey())).status).toBe(401)
    })
    const { changes } = await nothingElse(
      server.db,
      { account: { changed: 1 }, account_value: { added: 1 }, audit: { added: 2 }, used_value: { added: 1 } },
      async () => {
        const patched = await me(body.access_token, key, 'DPoP', 'PATCH', {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
          Operations: [{ op: 'replace', value: { nickName: `N${Date.now()}` } }],
        })
        expect(patched.status).toBe(200)
      },
    )
    expect(changes.added.audit?.map(({ event }) => event)).toContain(
      'resource-modification-via-impersonation',
    )
  })

  test('a subject token that is bound to nothing becomes bound by a proof at the exchange', async () => {
    const tokens = await obtainSubjectToken(server, scenario)
    const response = await exchangeBy(key, tokens)
    const body = (await response.json()) as TokenResponse
    expect([response.status, body.token_type]).toEqual([200, 'DPoP'])
    expect((await me(body.access_token, undefined, 'Bearer')).status).toBe(401)
  })

  test('pushed with a proof, the requested subject is in no address and the subject token is bound', async () => {
    const form = new URLSearchParams(new URL(authorizePath(scenario), 'https://x').search)
    const pushed = await server.request('/oauth2/par', {
      method: 'POST',
      body: form,
      headers: {
        Authorization: basic(scenario.clientId, scenario.clientSecret),
        DPoP: await key.proof('POST', '/oauth2/par'),
      },
    })
    const { request_uri } = (await pushed.json()) as { request_uri: string }
    expect(pushed.status).toBe(201)
    const browser = server.browser()
    const query = new URLSearchParams({ client_id: scenario.clientId, request_uri })
    expect(query.toString()).not.toContain(scenario.subject.id)
    const answer = await logIn(
      browser,
      await browser.get(`/oauth2/authorize?${query}`),
      scenario.impersonator,
    )
    const fragment = fragmentOf(answer)
    const tokens = {
      subjectToken: fragment.get('subject_token') ?? '',
      idToken: fragment.get('id_token') ?? '',
    }
    expect(jose.decodeJwt(tokens.subjectToken).cnf).toEqual({ jkt: key.jkt })
    expect((await exchangeBy(undefined, tokens)).status).toBe(400)
    expect((await exchangeBy(key, tokens)).status).toBe(200)
  })

  test('an application whose tokens are bound hands no unbound one on', async () => {
    const strict = await createApplication(server, {
      name: 'STRICT',
      oidc: { grantTypes: ['client_credentials'], mayact: { dpopBoundAccessTokens: true } },
      apis: { '/scim2/Users': ['internal_user_mgt_list'] },
    })
    const ask = { grant_type: 'client_credentials', scope: 'internal_user_mgt_list' }
    expect((await askToken(server, strict, ask)).status).toBe(400)
    const DPoP = await key.proof('POST', '/oauth2/token')
    expect((await tokensOf(await askToken(server, strict, ask, { headers: { DPoP } }))).token_type).toBe(
      'DPoP',
    )
  })
})
