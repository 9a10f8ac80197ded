import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { bump, commit } from '../../lib/database/commit.ts'
import { nonces } from '../../lib/tokens/dpop-nonce.ts'
import { findToken } from '../../lib/tokens/token.ts'
import { type Booted, basic, boot, origin } from '../boot.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { createApplication } from '../scenario.ts'
import {
  askToken,
  type Client,
  newClient,
  newCode,
  newPerson,
  redeem,
  redirectUri,
  refresh,
  tokensOf,
  verifier,
} from './granted.ts'
import { type Key, newKey, type ProofChanges } from './proof.ts'

const withoutNonces = '[oauth.dpop]\nrequire_nonce = false'
const users = '/scim2/Users'

describe.each(databases)('DPoP on $name', (database) => {
  let server: Booted
  /** Another process on the same database. */
  let beside: Booted
  let client: Client
  let person: Awaited<ReturnType<typeof newPerson>>
  let key: Key

  beforeAll(async () => {
    server = await boot(database, { toml: withoutNonces })
    beside = await boot(database, { toml: withoutNonces, beside: server })
    client = await newClient(server)
    person = await newPerson(server, client)
    key = await newKey()
  }, 60_000)
  afterAll(async () => {
    await beside.stop()
    await server.stop()
  })

  const scope = 'internal_user_mgt_list internal_user_mgt_view'
  const own = (dpop: string | undefined, asking = client, at = server) =>
    askToken(
      at,
      asking,
      { grant_type: 'client_credentials', scope },
      { headers: dpop === undefined ? {} : { DPoP: dpop } },
    )
  const tokenProof = (changes: ProofChanges = {}, by = key) => by.proof('POST', '/oauth2/token', changes)
  const bound = async (by = key) => (await tokensOf(await own(await tokenProof({}, by)))).access_token
  const call = (
    token: string,
    dpop: string | undefined,
    options: { scheme?: string; path?: string; at?: Booted } = {},
  ) =>
    (options.at ?? server).request(options.path ?? users, {
      headers: {
        Authorization: `${options.scheme ?? 'DPoP'} ${token}`,
        ...(dpop === undefined ? {} : { DPoP: dpop }),
      },
    })
  const bodyOf = async (response: Response) => (await response.json()) as Record<string, unknown>

  test.each(['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'PS512', 'EdDSA', 'Ed25519'])(
    'a proof by %s binds the token, which says so',
    async (alg) => {
      const by = await newKey(alg)
      const tokens = await tokensOf(await own(await tokenProof({}, by)))
      expect(tokens.token_type).toBe('DPoP')
      expect(jose.decodeJwt(tokens.access_token).cnf).toEqual({ jkt: by.jkt })
      const found = await findToken(server.db, tokens.access_token, new Date())
      expect(found?.confirmation).toEqual({ jkt: by.jkt })
      const proof = await by.proof('GET', users, { token: tokens.access_token })
      expect((await call(tokens.access_token, proof)).status).toBe(200)
    },
  )

  test('without a proof a token is Bearer, and bound to nothing', async () => {
    const tokens = await tokensOf(await own(undefined))
    expect(tokens.token_type).toBe('Bearer')
    expect(jose.decodeJwt(tokens.access_token).cnf).toBeUndefined()
  })

  test('a proof is used up with the token that it gives, and nothing else is written', async () => {
    const proof = await tokenProof()
    await nothingElse(
      server.db,
      { token: { added: 1 }, lineage: { added: 1 }, audit: { added: 1 }, used_value: { added: 1 } },
      () => own(proof),
    )
    const { changes } = await nothingElse(server.db, { audit: { added: 1 } }, async () => {
      const response = await own(proof)
      expect([response.status, await bodyOf(response)]).toEqual([
        400,
        { error: 'invalid_dpop_proof', error_description: 'The DPoP proof is not valid.' },
      ])
      expect(response.headers.get('cache-control')).toBe('no-store')
    })
    const [row] = changes.added.audit ?? []
    expect([row?.event, row?.initiator]).toEqual(['token-refused', client.clientId])
    expect(String(row?.data)).toContain('the proof was used before')
  })

  test('another process refuses it, too', async () => {
    const proof = await tokenProof()
    expect((await own(proof)).status).toBe(200)
    expect((await own(proof, client, beside)).status).toBe(400)
    const token = await bound()
    const use = await key.proof('GET', users, { token })
    expect((await call(token, use, { at: beside })).status).toBe(200)
    expect((await call(token, use)).status).toBe(401)
  })

  test('of a hundred requests with one proof, sent to two processes, one gets a token', async () => {
    const proof = await tokenProof()
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => own(proof, client, index % 2 ? server : beside)),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([200, ...Array.from({ length: 99 }, () => 400)])
  }, 60_000)

  test('and of a hundred calls of an API one gets through', async () => {
    const token = await bound()
    const proof = await key.proof('GET', users, { token })
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => call(token, proof, { at: index % 2 ? server : beside })),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([200, ...Array.from({ length: 99 }, () => 401)])
  }, 60_000)

  describe('a wrong proof gives no token', () => {
    const now = () => Math.floor(Date.now() / 1000)
    const wrong: readonly (readonly [string, () => Promise<string> | string])[] = [
      ['for another method', () => tokenProof({ htm: 'GET' })],
      ['with its method in small letters', () => tokenProof({ htm: 'post' })],
      ['for another path', () => tokenProof({ htu: `${origin}/oauth2/par` })],
      ['for another host', () => tokenProof({ htu: 'https://evil.example/oauth2/token' })],
      ['for another name of this host', () => tokenProof({ htu: 'https://127.0.0.1:9443/oauth2/token' })],
      ['for http', () => tokenProof({ htu: 'http://localhost:9443/oauth2/token' })],
      ['for an address with a user', () => tokenProof({ htu: 'https://a@localhost:9443/oauth2/token' })],
      ['for what is no address', () => tokenProof({ htu: '/oauth2/token' })],
      ['without htm', () => tokenProof({ htm: undefined })],
      ['without htu', () => tokenProof({ htu: undefined })],
      ['without iat', () => tokenProof({ iat: undefined })],
      ['with iat as text', () => tokenProof({ iat: String(now()) })],
      ['older than a minute', () => tokenProof({ iat: now() - 62 })],
      ['from the future', () => tokenProof({ iat: now() + 18 })],
      ['without jti', () => tokenProof({ jti: undefined })],
      ['with an empty jti', () => tokenProof({ jti: '' })],
      ['with a jti that is too long', () => tokenProof({ jti: 'j'.repeat(257) })],
      ['with a jti that is a number', () => tokenProof({ jti: 7 })],
      ['that has expired', () => tokenProof({ more: { exp: now() - 100 } })],
      ['of another typ', () => tokenProof({ header: { typ: 'JWT' } })],
      ['without typ', () => tokenProof({ header: { typ: undefined } })],
      ['that has crit', () => tokenProof({ header: { crit: ['x'], x: 1 } }).catch(() => 'x.y.z')],
      ['without its key', () => tokenProof({ header: { jwk: undefined } })],
      ['with a key that is text', () => tokenProof({ header: { jwk: 'key' } })],
      ['with another key', async () => tokenProof({ header: { jwk: (await newKey()).jwk } })],
      [
        'with its private key',
        async () => tokenProof({ header: { jwk: await jose.exportJWK(key.privateKey) } }),
      ],
      ['with an empty private member', () => tokenProof({ header: { jwk: { ...key.jwk, d: '' } } })],
      ['with a key of another curve', () => tokenProof({ header: { jwk: { ...key.jwk, crv: 'P-384' } } })],
      [
        'signed by a shared secret',
        () => {
          const secret = new Uint8Array(32).fill(7)
          return new jose.SignJWT({ jti: 'a', htm: 'POST', htu: `${origin}/oauth2/token` })
            .setIssuedAt()
            .setProtectedHeader({
              typ: 'dpop+jwt',
              alg: 'HS256',
              // jose's types know that no secret belongs there
              jwk: { kty: 'oct', k: Buffer.from(secret).toString('base64url') } as jose.JWK,
            })
            .sign(secret)
        },
      ],
      [
        'signed by nobody',
        () => {
          const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
          const claims = { jti: 'a', htm: 'POST', htu: `${origin}/oauth2/token`, iat: now() }
          return `${encode({ typ: 'dpop+jwt', alg: 'none', jwk: key.jwk })}.${encode(claims)}.`
        },
      ],
      ['with a changed signature', async () => `${(await tokenProof()).slice(0, -4)}AAAA`],
      [
        'with another payload',
        async () => {
          const [header, , signature] = (await tokenProof()).split('.')
          const [, payload] = (await tokenProof()).split('.')
          return `${header}.${payload}.${signature}`
        },
      ],
      ['sent twice', async () => `${await tokenProof()}, ${await tokenProof()}`],
      ['that is empty', () => ''],
      ['that is no JWT', () => 'abc'],
      ['that is too long', () => tokenProof({ more: { x: 'x'.repeat(9_000) } })],
      [
        'with an RSA key that takes long',
        async () => {
          const by = await newKey('RS256')
          return tokenProof({ header: { jwk: { ...by.jwk, e: 'A'.repeat(600) } } }, by)
        },
      ],
    ]
    test.each(wrong)('%s', async (_, make) => {
      const proof = await make()
      const { changes } = await nothingElse(server.db, { audit: { added: 1 } }, async () => {
        const response = await own(proof)
        expect([response.status, (await bodyOf(response)).error]).toEqual([400, 'invalid_dpop_proof'])
        expect(response.headers.get('dpop-nonce')).toBeNull()
      })
      expect(changes.added.audit?.[0]?.event).toBe('token-refused')
    })
  })

  test('the address is compared without query, fragment and superfluous port, and by either name of the tenant', async () => {
    for (const htu of [
      `${origin}/oauth2/token?a=b`,
      `${origin}/oauth2/token#f`,
      'HTTPS://LOCALHOST:9443/oauth2/token',
      `${origin}/t/carbon.super/oauth2/token`,
    ]) {
      expect((await own(await tokenProof({ htu }))).status).toBe(200)
    }
    const response = await server.request('/t/carbon.super/oauth2/token', {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
      headers: {
        Authorization: basic(client.clientId, client.clientSecret),
        DPoP: await tokenProof({ htu: `${origin}/t/carbon.super/oauth2/token` }),
      },
    })
    expect(response.status).toBe(200)
  })

  test('clocks may differ a little', async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const iat of [now - 55, now - 1, now + 10, now + 0.5]) {
      expect((await own(await tokenProof({ iat }))).status).toBe(200)
    }
  })

  test('nothing is said of a proof to who is no client', async () => {
    await nothingElse(server.db, {}, async () => {
      const response = await server.request('/oauth2/token', {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
        headers: { Authorization: basic('nobody', 'x'), DPoP: 'abc' },
      })
      expect((await bodyOf(response)).error).toBe('invalid_client')
    })
  })

  test('an application whose tokens are bound gets none without a proof', async () => {
    const strict = await newClient(server, { mayact: { dpopBoundAccessTokens: true } })
    const response = await own(undefined, strict)
    expect([response.status, await bodyOf(response)]).toEqual([
      400,
      { error: 'invalid_dpop_proof', error_description: 'This client has to send a DPoP proof.' },
    ])
    expect((await tokensOf(await own(await tokenProof(), strict))).token_type).toBe('DPoP')
  })

  describe('at an API of ours', () => {
    const refused = async (response: Response, error: string) => {
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toStartWith(`DPoP error="${error}", algs="ES256 `)
    }

    test('a bound token is not taken as Bearer, with its proof or without', async () => {
      const token = await bound()
      await nothingElse(server.db, {}, async () => {
        const proof = await key.proof('GET', users, { token })
        expect((await call(token, proof, { scheme: 'Bearer' })).status).toBe(401)
        expect((await call(token, undefined, { scheme: 'Bearer' })).status).toBe(401)
      })
    })

    test('a Bearer token is not taken as DPoP', async () => {
      const token = (await tokensOf(await own(undefined))).access_token
      await nothingElse(server.db, {}, async () => {
        await refused(await call(token, await key.proof('GET', users, { token })), 'invalid_token')
      })
      expect((await call(token, undefined, { scheme: 'Bearer' })).status).toBe(200)
    })

    const wrong: readonly (readonly [string, (token: string) => Promise<string | undefined>])[] = [
      ['no proof', async () => undefined],
      ['no ath', () => key.proof('GET', users)],
      ['ath of another token', () => key.proof('GET', users, { token: 'other' })],
      ['another method', (token) => key.proof('POST', users, { token })],
      ['another path', (token) => key.proof('GET', '/scim2/Me', { token })],
      [
        'an old proof',
        (token) => key.proof('GET', users, { token, iat: Math.floor(Date.now() / 1000) - 70 }),
      ],
    ]
    test.each(wrong)('%s is refused, and nothing happens', async (_, make) => {
      const token = await bound()
      const proof = await make(token)
      await nothingElse(server.db, {}, async () => {
        await refused(await call(token, proof), 'invalid_dpop_proof')
      })
    })

    test('the proof of another key is refused, and not even remembered', async () => {
      const token = await bound()
      const other = await newKey()
      const proof = await other.proof('GET', users, { token })
      await nothingElse(server.db, {}, async () => refused(await call(token, proof), 'invalid_token'))
    })

    test('what is no token of ours writes nothing, however good its proof', async () => {
      const proof = await key.proof('GET', users, { token: 'garbage' })
      await nothingElse(server.db, {}, async () => refused(await call('garbage', proof), 'invalid_token'))
    })

    test('a call that has to be decided again is still one use of its proof', async () => {
      const writer = await createApplication(server, {
        name: 'WRITER',
        oidc: { grantTypes: ['client_credentials'] },
        apis: { [users]: ['internal_user_mgt_create'] },
      })
      const given = await askToken(
        server,
        writer,
        { grant_type: 'client_credentials', scope: 'internal_user_mgt_create' },
        { headers: { DPoP: await tokenProof() } },
      )
      const { access_token: token } = await tokensOf(given)
      const create = async (index: number) =>
        server.request(users, {
          method: 'POST',
          body: JSON.stringify({ schemas: [], userName: `Made${index}`, password: 'Made@12345' }),
          headers: {
            Authorization: `DPoP ${token}`,
            DPoP: await key.proof('POST', users, { token }),
            'Content-Type': 'application/json',
          },
        })
      const bumps = (async () => {
        for (let index = 0; index < 20; index += 1) {
          await commit(server.db, [bump])
          await Bun.sleep(5)
        }
      })()
      const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => create(index)))
      await bumps
      // who was overtaken three times hears 503, and nobody of a proof
      expect(answers.filter(({ status }) => status !== 201 && status !== 503)).toEqual([])
      expect(answers.some(({ status }) => status === 201)).toBeTrue()
    }, 60_000)
  })

  test('userinfo takes a bound token with its proof alone', async () => {
    const code = await newCode(server, client, person, { confirmation: { jkt: key.jkt } })
    const answer = await askToken(
      server,
      client,
      {
        grant_type: 'authorization_code',
        code: code.value,
        redirect_uri: redirectUri,
        code_verifier: verifier,
      },
      { headers: { DPoP: await tokenProof() } },
    )
    const { access_token: token, token_type } = await tokensOf(answer)
    expect(token_type).toBe('DPoP')
    const ask = (scheme: string, dpop: string | undefined) =>
      call(token, dpop, { scheme, path: '/oauth2/userinfo' })
    const proof = await key.proof('GET', '/oauth2/userinfo', { token })
    const bearer = await ask('Bearer', undefined)
    expect([bearer.status, bearer.headers.get('www-authenticate')?.slice(0, 26)]).toEqual([
      401,
      'DPoP error="invalid_token"',
    ])
    await nothingElse(server.db, { used_value: { added: 1 } }, async () => {
      const good = await ask('DPoP', proof)
      expect([good.status, (await bodyOf(good)).sub]).toEqual([200, person.id])
    })
    await nothingElse(server.db, {}, async () => {
      const again = await ask('DPoP', proof)
      expect([again.status, (await bodyOf(again)).error]).toEqual([401, 'invalid_dpop_proof'])
      expect(again.headers.get('www-authenticate')).toStartWith('DPoP error="invalid_dpop_proof"')
    })
    expect((await ask('DPoP', undefined)).status).toBe(401)
    expect((await ask('DPoP', await key.proof('GET', '/oauth2/userinfo'))).status).toBe(401)
  })

  test('a code bound by dpop_jkt is redeemed by its key alone', async () => {
    const confirmation = { jkt: key.jkt }
    const other = await newKey()
    const ask = (code: string, dpop: string | undefined) =>
      askToken(
        server,
        client,
        { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier },
        { headers: dpop === undefined ? {} : { DPoP: dpop } },
      )
    const code = await newCode(server, client, person, { confirmation })
    expect((await bodyOf(await ask(code.value, await tokenProof({}, other)))).error).toBe('invalid_grant')
    const second = await newCode(server, client, person, { confirmation })
    expect((await bodyOf(await ask(second.value, undefined))).error).toBe('invalid_grant')
    const third = await newCode(server, client, person, { confirmation })
    expect((await tokensOf(await ask(third.value, await tokenProof()))).token_type).toBe('DPoP')
  })

  test('the refresh token of a public client is bound to its key', async () => {
    const app = await newClient(server, { publicClient: true })
    const code = await newCode(server, app, person)
    const fields = { client_id: app.clientId }
    const ask = (more: Record<string, string>, dpop: string) =>
      askToken(server, undefined, { ...fields, ...more }, { headers: { DPoP: dpop } })
    const first = await tokensOf(
      await ask(
        {
          grant_type: 'authorization_code',
          code: code.value,
          redirect_uri: redirectUri,
          code_verifier: verifier,
        },
        await tokenProof(),
      ),
    )
    const again = { grant_type: 'refresh_token', refresh_token: first.refresh_token ?? '' }
    const other = await newKey()
    const stolen = await ask(again, await tokenProof({}, other))
    expect([stolen.status, (await bodyOf(stolen)).error]).toEqual([400, 'invalid_grant'])
    const unproven = await askToken(server, undefined, { ...fields, ...again })
    expect([unproven.status, (await bodyOf(unproven)).error]).toEqual([400, 'invalid_grant'])
    const second = await tokensOf(await ask(again, await tokenProof()))
    expect(jose.decodeJwt(second.access_token).cnf).toEqual({ jkt: key.jkt })
  })

  test('who knows the id of a public client leaves no rows by proofs that are none', async () => {
    const { clientId } = await newClient(server, { publicClient: true })
    const fields = { client_id: clientId, grant_type: 'refresh_token', refresh_token: 'x' }
    for (const DPoP of ['x.y.z', await tokenProof({ htm: 'GET' })]) {
      const { result } = await nothingElse(server.db, {}, () =>
        askToken(server, undefined, fields, { headers: { DPoP } }),
      )
      expect([result.status, (await bodyOf(result)).error]).toEqual([400, 'invalid_dpop_proof'])
    }
  })

  test('a request that was overtaken by changes has used nothing up', async () => {
    const ask = (code: string, dpop: string) =>
      askToken(
        server,
        client,
        { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier },
        { headers: { DPoP: dpop } },
      )
    let overtaken: readonly [string, string] | undefined
    for (let n = 0; n < 50 && !overtaken; n += 1) {
      const [{ value }, proof] = [await newCode(server, client, person), await tokenProof()]
      let done = false
      const bumps = (async () => {
        while (!done) await commit(server.db, [bump])
      })()
      const { status } = await ask(value, proof)
      done = true
      await bumps
      expect([200, 503]).toContain(status)
      if (status === 503) overtaken = [value, proof]
    }
    if (!overtaken) throw new Error('nobody was overtaken')
    const tokens = await tokensOf(await ask(...overtaken))
    expect(jose.decodeJwt(tokens.access_token).cnf).toEqual({ jkt: key.jkt })
    expect((await ask(...overtaken)).status).toBe(400)
  }, 60_000)

  test('a confidential client may refresh with another key', async () => {
    const code = await newCode(server, client, person)
    const first = await tokensOf(await redeem(server, client, code.value))
    const next = await newKey()
    const response = await askToken(
      server,
      client,
      { grant_type: 'refresh_token', refresh_token: first.refresh_token },
      { headers: { DPoP: await tokenProof({}, next) } },
    )
    const tokens = await tokensOf(response)
    expect(jose.decodeJwt(tokens.access_token).cnf).toEqual({ jkt: next.jkt })
    expect((await refresh(server, client, tokens.refresh_token ?? '')).status).toBe(200)
  })

  test('used proofs are forgotten after they would be too old', async () => {
    await own(await tokenProof({ jti: 'remembered' }))
    const rows = await server.db.selectFrom('used_value').select('expires_at').execute()
    for (const { expires_at } of rows) {
      const seconds = (new Date(expires_at).getTime() - Date.now()) / 1000
      expect(seconds).toBeGreaterThan(120)
      expect(seconds).toBeLessThan(600)
    }
  })
})

describe.each(databases)('nonces of DPoP on $name', (database) => {
  let server: Booted
  let beside: Booted
  let client: Client
  let key: Key

  beforeAll(async () => {
    server = await boot(database)
    beside = await boot(database, { beside: server })
    client = await newClient(server)
    key = await newKey()
  }, 60_000)
  afterAll(async () => {
    await beside.stop()
    await server.stop()
  })

  const own = async (changes: ProofChanges, at = server) =>
    askToken(
      at,
      client,
      { grant_type: 'client_credentials', scope: 'internal_user_mgt_list' },
      { headers: { DPoP: await key.proof('POST', '/oauth2/token', changes) } },
    )
  const nonceOf = async () => (await own({})).headers.get('dpop-nonce') ?? ''

  test('a proof without one is asked for it, nothing is used up, and another process takes it', async () => {
    await nothingElse(server.db, {}, async () => {
      const first = await own({})
      expect([first.status, await first.json()]).toEqual([
        400,
        {
          error: 'use_dpop_nonce',
          error_description: 'The DPoP proof needs a nonce of this server.',
        },
      ])
      expect(first.headers.get('dpop-nonce')).toMatch(/^[\w-]{43}$/)
      expect(first.headers.get('cache-control')).toBe('no-store')
    })
    const nonce = await nonceOf()
    for (const at of [server, beside]) {
      const second = await own({ nonce }, at)
      expect([second.status, second.headers.get('dpop-nonce')]).toEqual([200, null])
    }
  })

  test.each([
    ['made up', 'x'.repeat(43)],
    ['empty', ''],
    ['too long', 'n'.repeat(4_000)],
  ])('one that is %s is answered with a good one', async (_, nonce) => {
    const response = await own({ nonce })
    expect(((await response.json()) as { error: string }).error).toBe('use_dpop_nonce')
    expect((await own({ nonce: response.headers.get('dpop-nonce') ?? '' })).status).toBe(200)
  })

  test('a nonce that gets old is good and its successor is told; older ones are not', async () => {
    const made = nonces(server.vault.derive('DPoP nonces'))
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1000)
    expect(made.current(new Date())).toBe(await nonceOf())
    const old = await own({ nonce: made.current(ago(120)) })
    expect([old.status, old.headers.get('dpop-nonce')]).toEqual([200, made.current(new Date())])
    expect((await own({ nonce: made.current(ago(240)) })).status).toBe(400)
    // a process whose clock is ahead
    expect((await own({ nonce: made.current(ago(-120)) })).status).toBe(200)
    expect((await own({ nonce: made.current(ago(-240)) })).status).toBe(400)
    expect(nonces(new Uint8Array(32)).current(new Date())).not.toBe(made.current(new Date()))
  })

  test('at an API and at userinfo it is a 401 with the challenge', async () => {
    const nonce = await nonceOf()
    const { access_token: token } = await tokensOf(await own({ nonce }))
    for (const path of [users, '/oauth2/userinfo']) {
      const ask = async (changes: ProofChanges) =>
        server.request(path, {
          headers: {
            Authorization: `DPoP ${token}`,
            DPoP: await key.proof('GET', path, { token, ...changes }),
          },
        })
      await nothingElse(server.db, {}, async () => {
        const challenged = await ask({})
        expect(challenged.status).toBe(401)
        expect(challenged.headers.get('www-authenticate')).toStartWith('DPoP error="use_dpop_nonce", algs="')
        expect(challenged.headers.get('dpop-nonce')).toBe(nonce)
      })
      const response = await ask({ nonce })
      // a client's own token gets as far as what userinfo is about
      expect(response.headers.get('www-authenticate') ?? '').not.toContain('use_dpop_nonce')
      expect(response.status).toBe(path === users ? 200 : 401)
    }
  })
})
