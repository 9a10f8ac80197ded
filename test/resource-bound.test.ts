/** mayact/resource and tokens that are bound to a key: the impersonated token is good with its proof alone. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Hono } from 'hono'
import * as jose from 'jose'
import { type Access, type ResourceRules, resource } from '../lib/resource/resource.ts'
import { type Booted, basic, boot } from './boot.ts'
import { databases } from './databases.ts'
import { type Key, newKey, type ProofChanges } from './oauth/proof.ts'
import { exchange, obtainSubjectToken, type Scenario, setUp } from './scenario.ts'

const issuer = 'https://localhost:9443/oauth2/token'
const origin = 'https://api.example.com'

describe('a resource server and an impersonated token that is bound to a key', () => {
  let server: Booted
  let scenario: Scenario
  let key: Key
  let token: string
  let unbound: string

  beforeAll(async () => {
    const [database] = databases
    if (!database) throw new Error('no database')
    server = await boot(database, { toml: '[oauth.dpop]\nrequire_nonce = false' })
    scenario = await setUp(server)
    key = await newKey()
    const bound = await obtainSubjectToken(server, scenario, { dpop_jkt: key.jkt })
    const proof = await key.proof('POST', '/oauth2/token')
    const proving = {
      request: (path: string, init: RequestInit = {}) => {
        const headers = new Headers(init.headers)
        headers.set('DPoP', proof)
        return server.request(path, { ...init, headers })
      },
    }
    token = ((await (await exchange(proving, scenario, bound)).json()) as { access_token: string })
      .access_token
    const tokens = await obtainSubjectToken(server, scenario)
    unbound = ((await (await exchange(server, scenario, tokens)).json()) as { access_token: string })
      .access_token
  })
  afterAll(() => server.stop())

  const reached = (async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(input instanceof Request ? input.url : input)
    return server.request(`${url.pathname}${url.search}`, init)
  }) as typeof fetch

  const app = (more: Partial<ResourceRules & { origin?: string }> = {}) => {
    const known = resource({
      issuer,
      audience: scenario.clientId,
      origin,
      fetch: reached,
      ...more,
    })
    return new Hono<{ Variables: { access: Access } }>().all('*', known.hono(), (c) => {
      const { subject, impersonation } = c.get('access')
      return c.json({ subject, impersonation })
    })
  }

  const call = async (
    proof: string | undefined,
    { authorization = `DPoP ${token}`, to = app(), method = 'GET', path = '/notes' } = {},
  ) => {
    // the server stands behind a proxy: its own address is not the one that proofs are for
    const response = await to.request(`http://inside.example:8080${path}`, {
      method,
      headers: { Authorization: authorization, ...(proof === undefined ? {} : { DPoP: proof }) },
    })
    return {
      status: response.status,
      body: await response.json(),
      challenge: response.headers.get('www-authenticate'),
    }
  }

  const proofOf = (by: Key = key, changes: ProofChanges = {}, method = 'GET') =>
    by.proof(method, '', { htu: `${origin}/notes`, token, ...changes })

  test('with its proof it is taken, and who acts for whom is told', async () => {
    const { sub } = jose.decodeJwt(token)
    const actor = scenario.impersonator.id
    const good = { subject: sub, impersonation: { actor, chain: [actor] } }
    expect(await call(await proofOf())).toMatchObject({ status: 200, body: good })
    // the query and the fragment are no part of htu (RFC 9449 §4.3)
    expect((await call(await proofOf(), { path: '/notes?page=2' })).status).toBe(200)
    expect((await call(await proofOf(key, {}, 'POST'), { method: 'POST' })).status).toBe(200)
  })

  test('a path that begins like a host is no other host: what another server was sent does not serve here', async () => {
    const at = async (htu: string) => call(await proofOf(key, { htu }), { path: '//evil.example/notes' })
    expect((await at('https://evil.example/notes')).status).toBe(401)
    expect((await at(`${origin}//evil.example/notes`)).status).toBe(200)
  })

  test('nor in the manner of Express', async () => {
    const known = resource({ issuer, audience: scenario.clientId, origin, fetch: reached })
    const at = async (htu: string, originalUrl: string) => {
      const headers = { authorization: `DPoP ${token}`, dpop: await proofOf(key, { htu }) }
      const response = { statusCode: 200, setHeader: () => {}, end: () => {} }
      let failed: unknown
      await known.express()({ method: 'GET', originalUrl, headers }, response, (error) => {
        failed = error
      })
      return failed ?? response.statusCode
    }
    expect(await at('https://evil.example/notes', '//evil.example/notes')).toBe(401)
    expect(await at(`${origin}//evil.example/notes`, '//evil.example/notes')).toBe(200)
    expect(await at('https://evil.example/notes', 'https://evil.example/notes')).toBe(401)
    expect(await at(`${origin}//`, '//')).toBe(200)
    for (const place of ['http://[', '///', '*', '']) expect(await at(`${origin}/x`, place)).toBe(401)
  })

  const second = () => Math.floor(Date.now() / 1000)
  const wrong: readonly (readonly [string, () => Promise<string | undefined>])[] = [
    ['without a proof', async () => undefined],
    ['with a proof by another key', async () => proofOf(await newKey())],
    ['with a proof of another method', () => proofOf(key, { htm: 'POST' })],
    ['with a proof for another host', () => proofOf(key, { htu: 'https://evil.example/notes' })],
    [
      'with a proof for the address behind the proxy',
      () => proofOf(key, { htu: 'http://inside.example:8080/notes' }),
    ],
    ['with a proof for another path', () => proofOf(key, { htu: `${origin}/notes/1` })],
    ['with a proof of another token', () => proofOf(key, { token: unbound })],
    ['with a proof of no token', () => key.proof('GET', '', { htu: `${origin}/notes` })],
    ['with a proof that is too old', () => proofOf(key, { iat: second() - 120 })],
    ['with a proof of the future', () => proofOf(key, { iat: second() + 120 })],
    ['with a proof without iat', () => proofOf(key, { iat: undefined })],
    ['with a proof whose iat is a text', () => proofOf(key, { iat: String(second()) })],
    ['with a proof without jti', () => proofOf(key, { jti: undefined })],
    ['with a proof with an endless jti', () => proofOf(key, { jti: 'x'.repeat(300) })],
    ['with a proof of another type', () => proofOf(key, { header: { typ: 'JWT' } })],
    [
      'with a proof that carries a private key',
      async () => proofOf(key, { header: { jwk: await jose.exportJWK(key.privateKey) } }),
    ],
    [
      'with a proof that names another key',
      async () => proofOf(key, { header: { jwk: (await newKey()).jwk } }),
    ],
    ['with two proofs', async () => `${await proofOf()}, ${await proofOf()}`],
    ['with a huge proof', () => proofOf(key, { more: { filler: 'x'.repeat(9_000) } })],
    ['with rubbish', async () => 'rubbish'],
    [
      'with a proof by a shared secret',
      () =>
        new jose.SignJWT({ jti: 'x', htm: 'GET', htu: `${origin}/notes` })
          .setProtectedHeader({ typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } as jose.JWK })
          .setIssuedAt()
          .sign(new Uint8Array(32)),
    ],
  ]
  test.each(wrong)('%s it is turned away', async (_, make) => {
    const answer = await call(await make())
    expect(answer.status).toBe(401)
    expect(answer.body).toMatchObject({ error: 'invalid_dpop_proof' })
    expect(answer.challenge).toStartWith('DPoP ')
    expect(answer.challenge).toContain('error="invalid_dpop_proof"')
  })

  test('a proof is good once, and a stranger who replays it hears nothing', async () => {
    const to = app()
    const proof = await proofOf()
    expect((await call(proof, { to })).status).toBe(200)
    expect(await call(proof, { to })).toMatchObject({ status: 401, body: { error: 'invalid_dpop_proof' } })
    // one that was not good for the request is not used up
    const other = await proofOf()
    expect((await call(other, { to, method: 'PUT' })).status).toBe(401)
    expect((await call(other, { to })).status).toBe(200)
  })

  test('as a Bearer token it is turned away, with its proof too; and one that is bound to nothing is no DPoP token', async () => {
    expect((await call(undefined, { authorization: `Bearer ${token}` })).status).toBe(401)
    expect((await call(await proofOf(), { authorization: `Bearer ${token}` })).status).toBe(401)
    expect((await call(undefined, { authorization: `Bearer ${unbound}` })).status).toBe(200)
    const answer = await call(await proofOf(key, { token: unbound }), { authorization: `DPoP ${unbound}` })
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token' } })
  })

  /** A server that signs what it is told to; nothing else of it is needed. */
  const signing = async () => {
    const { privateKey, publicKey } = await jose.generateKeyPair('ES256')
    const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'k', alg: 'ES256' }
    const to = (more: Partial<ResourceRules> = {}) =>
      app({
        jwksUri: `${issuer}/jwks`,
        fetch: (async () => Response.json({ keys: [jwk] })) as unknown as typeof fetch,
        ...more,
      })
    const sign = (claims: jose.JWTPayload) =>
      new jose.SignJWT({
        sub: 'user',
        client_id: 'app',
        jti: crypto.randomUUID(),
        iss: issuer,
        aud: scenario.clientId,
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'at+jwt' })
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey)
    return { to, sign }
  }

  test('a token of a certificate is taken from who has it alone (RFC 8705)', async () => {
    const { to, sign } = await signing()
    const authorization = `Bearer ${await sign({ cnf: { 'x5t#S256': 'thumb' } })}`
    const by = (certificate: string | undefined) =>
      call(undefined, { authorization, to: to({ certificateOf: () => certificate }) })
    expect((await by('thumb')).status).toBe(200)
    for (const certificate of ['other', '', undefined]) expect((await by(certificate)).status).toBe(401)
    expect((await call(undefined, { authorization, to: to() })).status).toBe(401)
  })

  test.each([
    ['a confirmation that is not understood', { cnf: { kid: 'x' } }],
    ['no confirmation but its name', { cnf: {} }],
    ['a confirmation that is null', { cnf: null }],
    ['a confirmation that is a text', { cnf: 'x' }],
    ['a thumbprint that is a number', { cnf: { jkt: 5 } }],
    ['an actor without a name', { act: {} }],
    ['an actor that is null', { act: null }],
    ['an actor that is a text', { act: 'somebody' }],
    ['actors in a list', { act: [{ sub: 'somebody' }] }],
    ['a nested actor without a name', { act: { sub: 'somebody', act: { iss: 'x' } } }],
    [
      'a chain without end',
      { act: Array.from({ length: 40 }).reduce<object>((act) => ({ sub: 'x', act }), { sub: 'x' }) },
    ],
  ])('a token with %s is turned away, and not served as if nobody acted', async (_, claims) => {
    const { to, sign } = await signing()
    const authorization = `Bearer ${await sign(claims as jose.JWTPayload)}`
    expect((await call(undefined, { authorization, to: to() })).status).toBe(401)
  })

  test('the whole chain is told, who acts now first', async () => {
    const { to, sign } = await signing()
    const authorization = `Bearer ${await sign({ act: { sub: 'service', act: { sub: 'admin' } } })}`
    expect((await call(undefined, { authorization, to: to() })).body).toEqual({
      subject: 'user',
      impersonation: { actor: 'service', chain: ['service', 'admin'] },
    })
  })

  test('with introspection an ended impersonation is refused once the short memory is over, whatever the proof', async () => {
    const asked: string[] = []
    const introspection = { endpoint: `${issuer}/x`, clientId: 'rs', clientSecret: 's', cacheSeconds: 0.2 }
    let active = true
    const claims = jose.decodeJwt(token)
    const to = app({
      introspection,
      jwksUri: 'https://localhost:9443/oauth2/jwks',
      fetch: (async (input: string | URL | Request, init?: RequestInit) => {
        const url = new URL(input instanceof Request ? input.url : input)
        if (url.pathname.endsWith('/jwks')) return server.request(url.pathname, init)
        asked.push(new Headers(init?.headers).get('authorization') ?? '')
        return Response.json(active ? { ...claims, active, token_type: 'DPoP' } : { active })
      }) as typeof fetch,
    })
    expect((await call(await proofOf(), { to })).status).toBe(200)
    expect((await call(await proofOf(), { to })).status).toBe(200)
    // a remembered answer does not replace the proof
    expect((await call(await proofOf(await newKey()), { to })).status).toBe(401)
    expect(asked).toEqual([basic('rs', 's')])
    active = false
    await Bun.sleep(250)
    expect((await call(await proofOf(), { to })).status).toBe(401)
    // and what is not active is not remembered
    expect((await call(await proofOf(), { to })).status).toBe(401)
    expect(asked).toHaveLength(3)
  })
})
