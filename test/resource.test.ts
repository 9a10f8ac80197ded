/** mayact/resource: what a resource server is told of a token, and what it may turn away while somebody acts. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createServer } from 'node:http'
import { Hono } from 'hono'
import * as jose from 'jose'
import {
  type Access,
  readOnlyWhileImpersonated,
  requireNoImpersonation,
  requireScope,
  resource,
  type Use,
} from '../lib/resource/resource.ts'
import { type Booted, basic, boot } from './boot.ts'
import { databases } from './databases.ts'
import { impersonate, type Scenario, setUp } from './scenario.ts'

const issuer = 'https://localhost:9443/oauth2/token'
const origin = 'https://api.example.com'

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly challenge: string | null
}

describe('a resource server', () => {
  let server: Booted
  let scenario: Scenario
  let token: string
  const uses: Use[] = []
  const asked: string[] = []

  beforeAll(async () => {
    const [database] = databases
    if (!database) throw new Error('no database')
    server = await boot(database)
    scenario = await setUp(server)
    token = (await impersonate(server, scenario)).access_token
  })
  afterAll(() => server.stop())

  const rules = (more: Partial<Parameters<typeof resource>[0]> = {}) =>
    resource({
      issuer,
      audience: scenario.clientId,
      origin,
      fetch: (async (input: string | URL | Request, init?: RequestInit) => {
        const url = new URL(input instanceof Request ? input.url : input)
        asked.push(url.pathname)
        return server.request(`${url.pathname}${url.search}`, init)
      }) as typeof fetch,
      onImpersonated: (use) => {
        uses.push(use)
      },
      ...more,
    })

  const shown = (access: Access | undefined) => ({
    subject: access?.subject,
    actor: access?.actor,
    impersonation: access?.impersonation,
    scopes: [...(access?.scopes ?? [])].sort(),
    client: access?.client,
  })

  const honoApp = (known = rules()) =>
    new Hono<{ Variables: { access: Access } }>()
      .get('/me', known.hono(), (c) => c.json(shown(c.get('access'))))
      .post('/notes', known.hono(readOnlyWhileImpersonated), (c) => c.json({ written: true }))
      .get('/notes', known.hono(readOnlyWhileImpersonated), (c) => c.json({ notes: [] }))
      .post('/payments', known.hono(requireNoImpersonation), (c) => c.json({ paid: true }))
      .get('/users', known.hono(requireScope('internal_user_mgt_list')), (c) => c.json({ users: [] }))
      .get('/admin', known.hono(requireScope('internal_config_update')), (c) => c.json({}))

  const call = async (
    path: string,
    { method = 'GET', authorization = `Bearer ${token}`, app = honoApp(), headers = {} } = {},
  ): Promise<Answer> => {
    const response = await app.request(`https://inside.example${path}`, {
      method,
      headers: { ...(authorization === '' ? {} : { Authorization: authorization }), ...headers },
    })
    const text = await response.text()
    return {
      status: response.status,
      body: (text ? JSON.parse(text) : {}) as Record<string, unknown>,
      challenge: response.headers.get('www-authenticate'),
    }
  }

  const expected = () => ({
    subject: scenario.subject.id,
    actor: scenario.impersonator.id,
    impersonation: { actor: scenario.impersonator.id, chain: [scenario.impersonator.id] },
    scopes: ['internal_login', 'internal_user_mgt_list', 'internal_user_mgt_view', 'openid'],
    client: scenario.clientId,
  })

  test('it is told who is acted for and by whom', async () => {
    expect(await call('/me')).toEqual({ status: 200, body: expected(), challenge: null })
  })

  test('while somebody acts it may refuse what is for the user in person, or all that changes something', async () => {
    const denied = {
      status: 403,
      body: { error: 'access_denied', error_description: 'Not while acting for somebody else.' },
      challenge: null,
    }
    expect(await call('/payments', { method: 'POST' })).toEqual(denied)
    expect(await call('/notes', { method: 'POST' })).toEqual(denied)
    expect(await call('/notes')).toEqual({ status: 200, body: { notes: [] }, challenge: null })
  })

  test('it asks for scopes', async () => {
    expect((await call('/users')).status).toBe(200)
    expect(await call('/admin')).toEqual({
      status: 403,
      body: { error: 'insufficient_scope' },
      challenge: 'Bearer error="insufficient_scope"',
    })
  })

  test('its audit hears of every request with somebody acting, the refused ones too, and of no other', async () => {
    uses.length = 0
    await call('/payments', { method: 'POST' })
    await call('/me')
    await call('/me', { authorization: '' })
    expect(uses.map(({ at: _, ...use }) => use)).toEqual(
      [
        { method: 'POST', path: '/payments', allowed: false },
        { method: 'GET', path: '/me', allowed: true },
      ].map((part) => ({
        subject: scenario.subject.id,
        actor: scenario.impersonator.id,
        chain: [scenario.impersonator.id],
        client: scenario.clientId,
        token: jose.decodeJwt(token).jti,
        ...part,
      })),
    )
  })

  test('where the audit cannot be written nothing is served', async () => {
    const app = honoApp(
      rules({
        onImpersonated: () => {
          throw new Error('the disk is full')
        },
      }),
    ).onError((_, c) => c.json({ error: 'unavailable' }, 503))
    expect((await call('/me', { app: app as never })).status).toBe(503)
  })

  test('a token of another issuer, audience, type or key, and none at all, is turned away', async () => {
    const { privateKey } = await jose.generateKeyPair('RS256')
    const forged = (header: jose.JWTHeaderParameters, claims: jose.JWTPayload) =>
      new jose.SignJWT({ ...jose.decodeJwt(token), ...claims }).setProtectedHeader(header).sign(privateKey)
    const { kid = '' } = jose.decodeProtectedHeader(token)
    const bad = [
      await forged({ alg: 'RS256', typ: 'at+jwt', kid }, {}),
      await forged({ alg: 'RS256', typ: 'at+jwt', kid: 'unknown' }, {}),
      `${token.slice(0, -3)}AAA`,
      `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${token.split('.')[1]}.`,
      'opaque',
    ]
    for (const authorization of bad.map((one) => `Bearer ${one}`)) {
      const answer = await call('/me', { authorization })
      expect([answer.status, answer.body, Object.keys(answer.body)]).toEqual([
        401,
        { error: 'invalid_token' },
        ['error'],
      ])
    }
    expect(await call('/me', { authorization: '' })).toEqual({
      status: 401,
      body: { error: 'invalid_token' },
      challenge: 'Bearer',
    })
    expect((await call('/me', { authorization: basic('admin', 'admin') })).status).toBe(401)
    expect((await call('/me', { app: honoApp(rules({ audience: 'somebody else' })) })).status).toBe(401)
  })

  test('it reads its keys once', async () => {
    asked.length = 0
    const app = honoApp()
    await call('/me', { app })
    await call('/me', { app })
    expect(asked).toEqual(['/oauth2/token/.well-known/openid-configuration', '/oauth2/jwks'])
  })

  test('with introspection a revoked token is turned away, and an opaque one understood', async () => {
    const introspection = {
      endpoint: 'https://localhost:9443/oauth2/introspect',
      clientId: scenario.clientId,
      clientSecret: scenario.clientSecret,
      cacheSeconds: 0,
    }
    const app = honoApp(rules({ introspection }))
    const mine = (await impersonate(server, scenario)).access_token
    const authorization = `Bearer ${mine}`
    expect(await call('/me', { app, authorization })).toEqual({
      status: 200,
      body: expected(),
      challenge: null,
    })
    const revoked = await server.request('/oauth2/revoke', {
      method: 'POST',
      headers: { Authorization: basic(scenario.clientId, scenario.clientSecret) },
      body: new URLSearchParams({ token: mine }),
    })
    expect(revoked.status).toBe(200)
    expect(await call('/me', { app, authorization })).toEqual({
      status: 401,
      body: { error: 'invalid_token' },
      challenge: 'Bearer error="invalid_token"',
    })
  })

  test('servers in the manner of Express are told the same', async () => {
    const known = rules()
    const listener = createServer((request, response) => {
      const guard = request.url === '/payments' ? known.express(requireNoImpersonation) : known.express()
      guard(request, response, (error) => {
        response.statusCode = error ? 500 : 200
        response.end(JSON.stringify(shown((request as { access?: Access }).access)))
      })
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const address = listener.address()
    const port = typeof address === 'object' && address ? address.port : 0
    try {
      const get = (path: string, headers: Record<string, string>) =>
        fetch(`http://127.0.0.1:${port}${path}`, { headers })
      const found = await get('/me', { Authorization: `Bearer ${token}` })
      expect([found.status, await found.json()]).toEqual([200, expected()])
      const denied = await get('/payments', { Authorization: `Bearer ${token}` })
      expect([denied.status, await denied.json()]).toEqual([
        403,
        { error: 'access_denied', error_description: 'Not while acting for somebody else.' },
      ])
      const none = await get('/me', {})
      expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    } finally {
      listener.close()
    }
  })
})
