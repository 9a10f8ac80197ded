import { afterAll, beforeAll, describe, expect, setSystemTime, spyOn, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import * as jose from 'jose'
import { commit, write } from '../../lib/database/commit.ts'
import { certificateThumbprint } from '../../lib/oauth/client-certificate.ts'
import { assertionType } from '../../lib/oauth/presented-client.ts'
import { type Booted, boot } from '../boot.ts'
import { databases, temporaryDirectory } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { basic } from '../scenario.ts'
import { askToken, type Client, newClient, refusalOf, rowsSince, tokensOf } from './granted.ts'

const endpoint = 'https://localhost:9443/oauth2/token'
const proxy = '10.1.2.3'

const certificate = async (subject: string, days = '2') => {
  const directory = temporaryDirectory()
  const [key, file] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const made = Bun.spawnSync([
    ...'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'.split(' '),
    ...['-keyout', key, '-out', file, '-days', days, '-subj', subject],
  ])
  expect(made.exitCode).toBe(0)
  const pem = await Bun.file(file).text()
  rmSync(directory, { recursive: true, force: true })
  return new X509Certificate(pem)
}

describe.each(databases)('a client authenticates on $name', (database) => {
  let first: Booted
  let server: Booted
  beforeAll(async () => {
    first = await boot(database)
    // another password than the shipped one is what trusted proxies need; the account keeps its own, as if somebody had chosen it
    await commit(first.db, [write(first.db.updateTable('account').set({ password_shipped_at: null }))])
    server = await boot(database, {
      insteadOfShipped: `
[server]
trusted_proxies = ["10.0.0.0/8"]
[super_admin]
password = "another"
[oauth.outbound]
allow_private_addresses = true
[oauth.mutualtls]
client_certificate_header = "X-SSL-CERT"
`,
      beside: { directory: first.directory, config: first.config },
    })
  }, 60_000)
  afterAll(async () => {
    await server.stop()
    await first.stop()
  })

  const forgetAll = () => commit(server.db, [write(server.db.deleteFrom('login_failure'))])

  const grants = { grantTypes: ['client_credentials'] }
  const body = { grant_type: 'client_credentials' }

  const method = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
    clientAuthentication: { tokenEndpointAuthMethod: name, ...more },
  })

  const ask = (
    fields: Readonly<Record<string, string | undefined>>,
    init: { headers?: Record<string, string>; address?: string } = {},
  ) => askToken(server, undefined, { ...body, ...fields }, init)

  const byBasic = (client: Client, address?: string, secret = client.clientSecret) =>
    ask({}, { headers: { Authorization: basic(client.clientId, secret) }, ...(address ? { address } : {}) })

  const byPost = ({ clientId: client_id, clientSecret: client_secret }: Client) =>
    ask({ client_id, client_secret })

  test('by Basic or form where the application names no method, and by the one it names alone', async () => {
    const [either, headed, posted] = [
      await newClient(server, grants),
      await newClient(server, { ...grants, ...method('client_secret_basic') }),
      await newClient(server, { ...grants, ...method('client_secret_post') }),
    ]
    const status = async (answer: Promise<Response>) => (await answer).status
    for (const [client, basicStatus, postStatus] of [
      [either, 200, 200],
      [headed, 200, 401],
      [posted, 401, 200],
    ] as const) {
      expect([await status(byBasic(client)), await status(byPost(client))]).toEqual([basicStatus, postStatus])
    }
  })

  test('two methods at once are invalid_request, though both be right', async () => {
    const client = await newClient(server, grants)
    const { clientId, clientSecret } = client
    const headers = { Authorization: basic(clientId, clientSecret) }
    const assertion = { client_assertion: 'x.y.z', client_assertion_type: assertionType }
    for (const [fields, init] of [
      [{ client_secret: clientSecret }, { headers }],
      [assertion, { headers }],
      [{ client_id: clientId, client_secret: clientSecret, ...assertion }, {}],
      [{ client_assertion: 'x.y.z' }, {}],
      [{ client_assertion_type: assertionType }, {}],
      [
        { ...assertion, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' },
        {},
      ],
    ] as const) {
      const { result } = await nothingElse(server.db, {}, () => ask(fields, init))
      expect(await refusalOf(result)).toEqual([400, 'invalid_request'])
    }
  })

  test('wrong secrets are counted for the client at its address, then nothing is taken from there', async () => {
    const client = await newClient(server, grants)
    const from = '192.0.2.7'
    const known = (await server.audit()).length
    for (let n = 0; n < 22; n += 1) {
      expect(await refusalOf(await byBasic(client, from, `wrong${n}`))).toEqual([401, 'invalid_client'])
    }
    // as many rows as are counted, not as are tried
    expect(await rowsSince(server, known)).toEqual(
      Array(20).fill(['client-authentication-failed', 'wrong secret']),
    )
    const { result } = await nothingElse(server.db, {}, () => byBasic(client, from))
    expect(await refusalOf(result)).toEqual([401, 'invalid_client'])
    await tokensOf(await byBasic(client, '192.0.2.8'))
    setSystemTime(new Date(Date.now() + 16 * 60_000))
    try {
      await tokensOf(await byBasic(client, from))
    } finally {
      setSystemTime()
    }
    // what the right secret comes after is forgotten
    const counted = () => server.db.selectFrom('login_failure').selectAll().execute()
    const before = await counted()
    await byBasic(client, '192.0.2.9', 'wrong')
    expect(await counted()).toHaveLength(before.length + 1)
    await tokensOf(await byBasic(client, '192.0.2.9'))
    expect(await counted()).toEqual(before)
    await forgetAll()
  }, 30_000)

  describe('by a signed assertion', () => {
    let keys: jose.GenerateKeyPairResult
    let client: Client
    let jwk: jose.JWK
    beforeAll(async () => {
      keys = await jose.generateKeyPair('ES256', { extractable: true })
      jwk = { ...(await jose.exportJWK(keys.publicKey)), kid: 'k1' }
      client = await newClient(server, {
        ...grants,
        ...method('private_key_jwt'),
        mayact: { jwks: { keys: [jwk] } },
      })
    })

    const sign = async (
      changes: Readonly<Record<string, unknown>> = {},
      header: Readonly<Record<string, unknown>> = {},
      key: Parameters<jose.SignJWT['sign']>[0] = keys.privateKey,
      of = client,
    ) => {
      const now = Math.floor(Date.now() / 1000)
      const claims = {
        iss: of.clientId,
        sub: of.clientId,
        aud: endpoint,
        jti: crypto.randomUUID(),
        iat: now,
        exp: now + 60,
        ...changes,
      }
      return new jose.SignJWT(JSON.parse(JSON.stringify(claims)))
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
        .sign(key, { crit: { x: true } })
    }

    const present = (client_assertion: string, fields: Readonly<Record<string, string>> = {}) =>
      ask({ client_assertion, client_assertion_type: assertionType, ...fields })

    test('it is taken once, addressed to the issuer, the endpoint or PAR, with or without client_id', async () => {
      const one = await sign()
      const { result } = await nothingElse(
        server.db,
        { lineage: { added: 1 }, token: { added: 1 }, used_value: { added: 1 }, audit: { added: 1 } },
        () => present(one, { client_id: client.clientId }),
      )
      await tokensOf(result)
      expect(await refusalOf(await present(one))).toEqual([401, 'invalid_client'])
      for (const aud of [server.config.issuer, [endpoint], 'https://localhost:9443/oauth2/par']) {
        await tokensOf(await present(await sign({ aud })))
      }
    })

    test('of a hundred who race with one, one has a token', async () => {
      const one = await sign()
      const answers = await Promise.all(Array.from({ length: 100 }, () => present(one)))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(99)
      // those were failures, too: the count is forgotten where a secret is right, and this client has none
      await forgetAll()
    }, 60_000)

    test('it is used up, whatever becomes of the request', async () => {
      const one = await sign()
      const wrong = await present(one, { scope: '"' })
      expect(await refusalOf(wrong)).toEqual([400, 'invalid_scope'])
      expect(await refusalOf(await present(one))).toEqual([401, 'invalid_client'])
    })

    test('a forged, stale, foreign or endless one is refused, each with its audit row', async () => {
      const now = Math.floor(Date.now() / 1000)
      const stranger = await jose.generateKeyPair('ES256')
      const rsa = await jose.generateKeyPair('RS256')
      const unsigned = [
        { alg: 'none' },
        { iss: client.clientId, sub: client.clientId, aud: endpoint, exp: now + 60, jti: 'n' },
      ]
        .map((part) => jose.base64url.encode(JSON.stringify(part)))
        .join('.')
      const shared = new TextEncoder().encode(JSON.stringify(jwk))
      const forged = [
        await sign({}, {}, stranger.privateKey),
        await sign({}, { kid: 'k2' }),
        await sign({}, { alg: 'RS256' }, rsa.privateKey),
        await sign({}, { alg: 'HS256' }, shared),
        `${unsigned}.`,
        await sign({ iss: 'somebody' }),
        await sign({ aud: 'https://other.example/token' }),
        await sign({ aud: undefined }),
        await sign({ exp: now - 120 }),
        await sign({ exp: undefined }),
        await sign({ exp: now + 7_200 }),
        await sign({ nbf: now + 600 }),
        await sign({ iat: now + 600 }),
        await sign({ jti: undefined }),
        await sign({ jti: 'j'.repeat(300) }),
        await sign({}, { crit: ['x'], x: 1 }),
      ]
      for (const assertion of forged) {
        const { result } = await nothingElse(
          server.db,
          { login_failure: { added: 1 }, audit: { added: 1 } },
          () => present(assertion),
        )
        expect(await refusalOf(result)).toEqual([401, 'invalid_client'])
        await forgetAll()
      }
      for (const nobody of [
        'x',
        'a.b.c',
        await sign({ sub: 'nobody', iss: 'nobody' }),
        await sign({ sub: undefined }),
      ]) {
        const { result } = await nothingElse(server.db, {}, () => present(nobody))
        expect(await refusalOf(result)).toEqual([401, 'invalid_client'])
      }
    })

    test('its secret is of no use to such a client, nor an assertion to another', async () => {
      expect((await byBasic(client)).status).toBe(401)
      const plain = await newClient(server, { ...grants, mayact: { jwks: { keys: [jwk] } } })
      expect((await present(await sign({}, {}, keys.privateKey, plain))).status).toBe(401)
    })

    test('the algorithm may be pinned, and reuse allowed', async () => {
      const pinned = await newClient(server, {
        ...grants,
        ...method('private_key_jwt', { tokenEndpointAuthSigningAlg: 'PS256' }),
        mayact: { jwks: { keys: [jwk] } },
      })
      expect((await present(await sign({}, {}, keys.privateKey, pinned))).status).toBe(401)
      const reusing = await newClient(server, {
        ...grants,
        ...method('private_key_jwt', { tokenEndpointAllowReusePvtKeyJwt: true }),
        mayact: { jwks: { keys: [jwk] } },
      })
      const one = await sign({}, {}, keys.privateKey, reusing)
      for (let n = 0; n < 3; n += 1) await tokensOf(await present(one))
    })

    test('keys at a jwks_uri are read, kept, and read again for one that is not known', async () => {
      let [reads, published] = [0, [] as jose.JWK[]]
      const host = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch: () => {
          reads += 1
          return Response.json({ keys: published })
        },
      })
      try {
        const remote = await newClient(server, {
          ...grants,
          ...method('private_key_jwt'),
          mayact: { jwksUri: `http://127.0.0.1:${host.port}/jwks` },
        })
        published = [jwk]
        for (let n = 0; n < 3; n += 1) {
          await tokensOf(await present(await sign({}, {}, keys.privateKey, remote)))
        }
        expect(reads).toBe(1)
        // an unknown key does not make this server a hammer
        for (let n = 0; n < 3; n += 1) await present(await sign({}, { kid: 'k9' }, keys.privateKey, remote))
        expect(reads).toBe(1)
      } finally {
        await host.stop(true)
      }
    })
  })

  describe('by a certificate', () => {
    const asProxy = (cert: X509Certificate | undefined, address = proxy) => ({
      ...(cert ? { headers: { 'X-SSL-CERT': encodeURIComponent(cert.toString()) } } : {}),
      address,
    })

    test('of its registered subject, handed on by a trusted proxy alone', async () => {
      const right = await certificate('/C=AT/O=Acme, Inc/CN=client one')
      const wrong = await certificate('/C=AT/O=Acme, Inc/CN=client two')
      const client = await newClient(server, {
        ...grants,
        ...method('tls_client_auth', { tlsClientAuthSubjectDn: 'CN=client one,O=Acme\\, Inc,C=AT' }),
        mayact: { tlsClientCertificateBoundAccessTokens: true },
      })
      const client_id = client.clientId
      const scope = 'internal_user_mgt_list'
      const { access_token } = await tokensOf(await ask({ client_id, scope }, asProxy(right)))
      expect(jose.decodeJwt(access_token).cnf).toEqual({ 'x5t#S256': certificateThumbprint(right) })
      // and at our APIs the token is good over a connection with that certificate alone
      const use = ({ headers = {}, address }: { headers?: Record<string, string>; address: string }) =>
        server.request('/scim2/Users', {
          headers: { ...headers, Authorization: `Bearer ${access_token}` },
          address,
        })
      expect((await use(asProxy(right))).status).toBe(200)
      for (const init of [asProxy(wrong), asProxy(undefined), asProxy(right, '192.0.2.1')]) {
        expect((await use(init)).status).toBe(401)
      }
      const refused = [
        asProxy(wrong),
        asProxy(undefined),
        asProxy(right, '192.0.2.1'),
        { headers: { 'X-SSL-CERT': 'nonsense' }, address: proxy },
        // a proxy that adds its header to the one that the client has sent
        ...[', ', '', '%0A'].map((between) => ({
          headers: { 'X-SSL-CERT': [right, wrong].map(String).map(encodeURIComponent).join(between) },
          address: proxy,
        })),
      ]
      for (const init of refused) {
        expect(await refusalOf(await ask({ client_id }, init))).toEqual([401, 'invalid_client'])
      }
      expect((await byBasic(client)).status).toBe(401)
    })

    test('of its own making, at a jwks_uri that could not be read a while ago', async () => {
      const right = await certificate('/CN=me')
      const [key, id] = [right.publicKey.export({ format: 'jwk' }), { reads: 0 }]
      await using host = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch: () => {
          id.reads += 1
          return id.reads === 1 ? new Response('', { status: 503 }) : Response.json({ keys: [key] })
        },
      })
      const { clientId: client_id } = await newClient(server, {
        ...grants,
        ...method('self_signed_tls_client_auth'),
        mayact: { jwksUri: `http://127.0.0.1:${host.port}/jwks` },
      })
      const status = async () => (await ask({ client_id }, asProxy(right))).status
      const begun = performance.now()
      const clock = spyOn(performance, 'now')
      try {
        expect([await status(), await status(), id.reads]).toEqual([401, 401, 1])
        clock.mockImplementation(() => begun + 31_000)
        expect([await status(), await status(), id.reads]).toEqual([200, 200, 2])
        clock.mockImplementation(() => begun + 62_000)
        expect([await status(), id.reads]).toEqual([200, 2])
      } finally {
        clock.mockRestore()
      }
    })

    test('of its own making, where its key is registered', async () => {
      const [right, wrong] = [await certificate('/CN=me'), await certificate('/CN=me')]
      const key = right.publicKey.export({ format: 'jwk' })
      const client = await newClient(server, {
        ...grants,
        ...method('self_signed_tls_client_auth'),
        mayact: { jwks: { keys: [key] } },
      })
      const client_id = client.clientId
      const { access_token } = await tokensOf(await ask({ client_id }, asProxy(right)))
      expect(jose.decodeJwt(access_token).cnf).toBeUndefined()
      expect((await ask({ client_id }, asProxy(wrong))).status).toBe(401)
      setSystemTime(new Date(Date.now() + 5 * 86_400_000))
      try {
        expect((await ask({ client_id }, asProxy(right))).status).toBe(401)
      } finally {
        setSystemTime()
      }
    })
  })

  test('every parameter absent, empty, repeated, too long or not UTF-8 is a refusal of the RFC’s shape', async () => {
    const client = await newClient(server, {
      grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
    })
    const Authorization = basic(client.clientId, client.clientSecret)
    const full: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      authorization_code: { code: 'c', redirect_uri: 'https://client.example/cb', code_verifier: 'v' },
      refresh_token: { refresh_token: 'r', scope: 'openid', resource: 'https://api.example' },
      client_credentials: { scope: '"', resource: 'x' },
    }
    const post = (text: string | Uint8Array) =>
      server.request('/oauth2/token', {
        method: 'POST',
        body: text as string,
        headers: { Authorization, 'Content-Type': 'application/x-www-form-urlencoded' },
      })
    for (const [grant_type, fields] of Object.entries(full)) {
      const names = ['grant_type', ...Object.keys(fields)]
      for (const name of names) {
        const all = { grant_type, ...fields }
        const encode = (values: Readonly<Record<string, string>>) => new URLSearchParams(values).toString()
        const { [name as 'grant_type']: _, ...without } = all
        const bodies = [
          ...(name === 'scope' || name === 'resource' ? [] : [encode(without)]),
          `${encode(without)}&${name}=`,
          `${encode(all)}&${name}=x`,
          `${encode(without)}&${name}=${'x'.repeat(65_536)}`,
          `${encode(without)}&${name}=%FF`,
          new Uint8Array([...new TextEncoder().encode(`${encode(without)}&${name}=`), 0xff]),
        ]
        for (const text of bodies) {
          const response = await post(text)
          const answer = (await response.json()) as Record<string, unknown>
          if (response.status === 200) {
            // nothing was wrong with what is left of it
            expect([grant_type, Object.keys(answer)[0]]).toEqual(['client_credentials', 'access_token'])
            continue
          }
          expect(response.status).toBeGreaterThanOrEqual(400)
          expect(response.status).toBeLessThan(500)
          expect(Object.keys(answer).sort()).toEqual(['error', 'error_description'])
          expect(String(answer.error_description)).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
        }
      }
    }
  }, 30_000)
})
