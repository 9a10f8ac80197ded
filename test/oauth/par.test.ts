import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import * as jose from 'jose'
import { commit, write } from '../../lib/database/commit.ts'
import { pushRequest, spendPushedRequest, takePushedRequest } from '../../lib/sign-in/pushed-request.ts'
import { type Booted, basic, boot } from '../boot.ts'
import { type Browser, locationOf } from '../browser.ts'
import { databases } from '../databases.ts'
import { changesOf, nothingElse } from '../nothing-else.ts'
import { logIn } from '../scenario.ts'
import {
  askToken,
  type Client,
  type Fields,
  newClient,
  newPerson,
  redirectUri,
  tokensOf,
  verifier,
} from './granted.ts'
import { newKey } from './proof.ts'

const codeChallenge = createHash('sha256').update(verifier).digest('base64url')
const prefix = 'urn:ietf:params:oauth:par:request_uri:'

describe.each(databases)('pushed authorization requests on $name', (database) => {
  let server: Booted
  let beside: Booted
  let client: Client
  let other: Client
  let person: Awaited<ReturnType<typeof newPerson>>

  beforeAll(async () => {
    server = await boot(database, { toml: '[oauth.dpop]\nrequire_nonce = false' })
    beside = await boot(database, { beside: server })
    client = await newClient(server)
    other = await newClient(server)
    person = await newPerson(server, client)
  }, 60_000)
  afterAll(async () => {
    await beside.stop()
    await server.stop()
  })

  const asked = (changes: Fields = {}) => {
    const fields: Fields = {
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'openid internal_user_mgt_list',
      state: 's1',
      code_challenge: codeChallenge,
      code_challenge_method: 'S256',
      ...changes,
    }
    return Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined)
  }
  const push = (
    changes: Fields = {},
    {
      by = client,
      at = server,
      headers = {},
    }: { by?: Client; at?: Booted; headers?: Record<string, string> } = {},
  ) =>
    at.request('/oauth2/par', {
      method: 'POST',
      body: new URLSearchParams(asked(changes)),
      headers: { Authorization: basic(by.clientId, by.clientSecret), ...headers },
    })
  const pushed = async (...given: Parameters<typeof push>): Promise<string> => {
    const response = await push(...given)
    const body = (await response.json()) as { request_uri: string }
    expect([response.status, body]).toEqual([201, expect.anything()])
    return body.request_uri
  }
  const path = (requestUri: string, by = client, more: Fields = {}) =>
    `/oauth2/authorize?${new URLSearchParams({ client_id: by.clientId, request_uri: requestUri, ...more })}`
  const errorOf = async (response: Response) => {
    const { error } = (await response.json()) as { error: string }
    expect(response.headers.get('cache-control')).toBe('no-store')
    return [response.status, error]
  }
  const signedIn = async (requestUri: string, browser: Browser = server.browser()) =>
    logIn(browser, await browser.get(path(requestUri)), person)
  const codeOf = (answer: Response) => {
    const { searchParams } = locationOf(answer)
    expect([answer.status, searchParams.get('error_description')]).toEqual([302, null])
    return searchParams.get('code') ?? ''
  }
  const redeem = (code: string, headers: Record<string, string> = {}) =>
    askToken(
      server,
      client,
      { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier },
      { headers },
    )

  test('the answer is 201 with a request_uri for a minute, and one row that does not have it', async () => {
    const { result, changes } = await nothingElse(server.db, { pushed_request: { added: 1 } }, () => push())
    const body = (await result.json()) as Record<string, unknown>
    expect([result.status, Object.keys(body), body.expires_in]).toEqual([
      201,
      ['request_uri', 'expires_in'],
      60,
    ])
    expect(String(body.request_uri)).toMatch(/^urn:ietf:params:oauth:par:request_uri:[\w-]{43}$/)
    expect([result.headers.get('cache-control'), result.headers.get('pragma')]).toEqual([
      'no-store',
      'no-cache',
    ])
    const dump = JSON.stringify(changes)
    expect(dump).not.toContain(String(body.request_uri).slice(prefix.length))
    expect(dump).not.toContain(client.clientSecret)
  })

  test('it leads to a code, whatever stands beside it, from another process, too', async () => {
    const requestUri = await pushed({}, { at: beside })
    const browser = server.browser()
    const beside_ = {
      state: 'other',
      scope: 'profile',
      redirect_uri: 'https://evil.example/cb',
      prompt: 'none',
    }
    const answer = await logIn(browser, await browser.get(path(requestUri, client, beside_)), person)
    expect(locationOf(answer).href).toStartWith(redirectUri)
    expect(locationOf(answer).searchParams.get('state')).toBe('s1')
    const tokens = await tokensOf(await redeem(codeOf(answer)))
    expect(tokens.scope).toBe('openid internal_user_mgt_list')
  })

  test('it may be loaded again before it is answered, and not after', async () => {
    const requestUri = await pushed()
    const browser = server.browser()
    expect((await browser.get(path(requestUri))).status).toBe(302)
    const first = await signedIn(requestUri, browser)
    codeOf(first)
    const { changes } = await changesOf(server.db, async () => {
      const again = await browser.get(path(requestUri))
      expect([again.status, again.headers.get('location')]).toEqual([400, null])
      expect(await again.text()).toContain('answered already')
    })
    // that the session was seen may be noted
    expect([
      changes.added,
      changes.removed,
      Object.keys(changes.changed ?? {}).filter((name) => name !== 'session'),
    ]).toEqual([{}, {}, []])
  })

  test('of a hundred that answer it at once one gets a code', async () => {
    const browser = server.browser()
    codeOf(await signedIn(await pushed(), browser))
    const requestUri = await pushed()
    const answers = await Promise.all(Array.from({ length: 100 }, () => browser.get(path(requestUri))))
    const codes = answers.filter((answer) => answer.status === 302)
    expect(codes.map((answer) => locationOf(answer).searchParams.has('code'))).toEqual([true])
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(99)
  }, 60_000)

  test('and of a hundred commits that spend it one', async () => {
    const { requestUri, write } = pushRequest(
      server.db,
      'a client',
      { parameters: new Map([['a', 'b']]), signed: false },
      { jkt: 'key' },
      new Date(),
    )
    expect(await commit(server.db, [write])).toBe('committed')
    const taken = await takePushedRequest(server.db, 'a client', requestUri, new Date())
    expect([...(taken?.parameters ?? [])]).toEqual([
      ['a', 'b'],
      ['dpop_jkt', 'key'],
    ])
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        commit((index % 2 ? server : beside).db, [spendPushedRequest(server.db, requestUri, new Date())]),
      ),
    )
    expect(outcomes.filter((outcome) => outcome === 'committed')).toHaveLength(1)
    expect(await takePushedRequest(server.db, 'a client', requestUri, new Date())).toBeUndefined()
  }, 60_000)

  test('it is bound to its client, and expires', async () => {
    const requestUri = await pushed()
    for (const foreign of [path(requestUri, other), path(`${requestUri}x`), path(prefix)]) {
      const response = await server.request(foreign)
      expect([response.status, response.headers.get('location')]).toEqual([400, null])
    }
    const at = (seconds: number) => new Date(Date.now() + seconds * 1000)
    expect(await takePushedRequest(server.db, client.clientId, requestUri, at(58))).toBeDefined()
    expect(await takePushedRequest(server.db, client.clientId, requestUri, at(61))).toBeUndefined()
  })

  test('a sign-in that takes longer than the minute is still answered', async () => {
    const requestUri = await pushed()
    const browser = server.browser()
    const paused = await browser.get(path(requestUri))
    const expired = { expires_at: new Date(Date.now() - 1000).toISOString() }
    await commit(server.db, [write(server.db.updateTable('pushed_request').set(expired))])
    codeOf(await logIn(browser, paused, person))
  })

  describe('what the authorization endpoint would refuse is refused at once', () => {
    const wrong: readonly (readonly [string, Fields, number, string])[] = [
      ['another redirect URI', { redirect_uri: 'https://evil.example/cb' }, 400, 'invalid_request'],
      ['no redirect URI', { redirect_uri: undefined }, 400, 'invalid_request'],
      ['no response type', { response_type: undefined }, 400, 'invalid_request'],
      ['an unknown response type', { response_type: 'magic' }, 400, 'unsupported_response_type'],
      ['an implicit token', { response_type: 'id_token token', nonce: 'n' }, 400, 'unauthorized_client'],
      ['a malformed scope', { scope: '"' }, 400, 'invalid_scope'],
      ['an unknown response mode', { response_mode: 'smoke' }, 400, 'invalid_request'],
      ['an unknown prompt', { prompt: 'wait' }, 400, 'invalid_request'],
      ['a max_age that is no number', { max_age: 'soon' }, 400, 'invalid_request'],
      ['a request_uri', { request_uri: `${prefix}x` }, 400, 'invalid_request'],
      ['another request_uri', { request_uri: 'https://client.example/r' }, 400, 'invalid_request'],
      ['a request object that is none', { request: 'x' }, 400, 'invalid_request_object'],
      ['a dpop_jkt that is none', { dpop_jkt: 'x' }, 400, 'invalid_request'],
      ['a foreign resource', { resource: 'https://api.example' }, 400, 'invalid_target'],
      ['another client_id', { client_id: 'other' }, 400, 'invalid_request'],
      ['a second secret', { client_secret: 'x' }, 400, 'invalid_request'],
      ['a registration', { registration: '{}' }, 400, 'registration_not_supported'],
      ['what is too long', { state: 's'.repeat(8_200) }, 400, 'invalid_request'],
      ['64 KiB', { state: 's'.repeat(65_536) }, 400, 'invalid_request'],
    ]
    test.each(wrong)('%s', async (_, changes, status, error) => {
      await nothingElse(server.db, {}, async () => {
        expect(await errorOf(await push(changes))).toEqual([status, error])
      })
    })
  })

  test('each parameter repeated, not UTF-8 or in no form at all is refused', async () => {
    const headers = { Authorization: basic(client.clientId, client.clientSecret) }
    const form = { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' }
    const whole = new URLSearchParams(asked()).toString()
    await nothingElse(server.db, {}, async () => {
      for (const [name, value] of asked()) {
        for (const body of [`${whole}&${name}=${value}`, `${whole}&x=%ff`, `${name}=%`, `${name}=a%00b`]) {
          const response = await server.request('/oauth2/par', { method: 'POST', headers: form, body })
          expect(await errorOf(response)).toEqual([400, 'invalid_request'])
        }
      }
      const json = { ...headers, 'Content-Type': 'application/json' }
      const response = await server.request('/oauth2/par', { method: 'POST', headers: json, body: '{}' })
      expect(await errorOf(response)).toEqual([400, 'invalid_request'])
    })
  })

  test('it takes POST alone', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await server.request('/oauth2/par', { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    }
  })

  test('only the client itself pushes', async () => {
    const wrong = await push({}, { headers: { Authorization: basic(client.clientId, 'x') } })
    expect(await errorOf(wrong)).toEqual([401, 'invalid_client'])
    expect(wrong.headers.get('www-authenticate')).toStartWith('Basic ')
    const nobody = await push({}, { headers: { Authorization: basic('nobody', 'x') } })
    expect(await errorOf(nobody)).toEqual([401, 'invalid_client'])
    const unnamed = await server.request('/oauth2/par', {
      method: 'POST',
      body: new URLSearchParams(asked({ client_id: client.clientId })),
    })
    expect(await errorOf(unnamed)).toEqual([401, 'invalid_client'])
    const open = await newClient(server, { publicClient: true })
    const response = await server.request('/oauth2/par', {
      method: 'POST',
      body: new URLSearchParams(asked({ client_id: open.clientId })),
    })
    expect(response.status).toBe(201)
  })

  test('an application that has to push gets nowhere without, and one may want it for requested_subject', async () => {
    const strict = await newClient(server, {
      pushAuthorizationRequest: { requirePushAuthorizationRequest: true },
    })
    const open = (by: Client, changes: Fields = {}) =>
      server.request(
        `/oauth2/authorize?${new URLSearchParams([...asked(changes), ['client_id', by.clientId]])}`,
      )
    const refused = locationOf(await open(strict))
    expect(refused.href).toStartWith(redirectUri)
    expect([refused.searchParams.get('error'), refused.searchParams.get('state')]).toEqual([
      'invalid_request',
      's1',
    ])
    const requestUri = await pushed({}, { by: strict })
    expect(locationOf(await server.request(path(requestUri, strict))).pathname).toBe(
      '/authenticationendpoint/login.do',
    )

    const discreet = await newClient(server, { mayact: { requestedSubjectByParOnly: true } })
    const subject = { requested_subject: person.id }
    expect(locationOf(await open(discreet, subject)).searchParams.get('error')).toBe('invalid_request')
    expect(locationOf(await open(discreet)).pathname).toBe('/authenticationendpoint/login.do')
    const named = await pushed(subject, { by: discreet })
    expect(locationOf(await server.request(path(named, discreet))).pathname).toBe(
      '/authenticationendpoint/login.do',
    )
  })

  describe('with DPoP', () => {
    const proofFor = async (key: Awaited<ReturnType<typeof newKey>>, at = '/oauth2/par') => ({
      DPoP: await key.proof('POST', at),
    })

    test('the code is bound to the key that was proved', async () => {
      const key = await newKey()
      const requestUri = await pushed({}, { headers: await proofFor(key) })
      const code = codeOf(await signedIn(requestUri))
      const thief = await newKey()
      expect((await redeem(code, await proofFor(thief, '/oauth2/token'))).status).toBe(400)
      const another = codeOf(
        await signedIn(await pushed({ dpop_jkt: key.jkt }, { headers: await proofFor(key) })),
      )
      const tokens = await tokensOf(await redeem(another, await proofFor(key, '/oauth2/token')))
      expect(jose.decodeJwt(tokens.access_token).cnf).toEqual({ jkt: key.jkt })
    })

    test('a key that is named must be the one that was proved', async () => {
      const [key, named] = [await newKey(), await newKey()]
      const response = await push({ dpop_jkt: named.jkt }, { headers: await proofFor(key) })
      expect(await errorOf(response)).toEqual([400, 'invalid_dpop_proof'])
    })

    test('a proof is used once, here as there', async () => {
      const headers = await proofFor(await newKey())
      await pushed({}, { headers })
      expect(await errorOf(await push({}, { headers }))).toEqual([400, 'invalid_dpop_proof'])
      const elsewhere = await proofFor(await newKey(), '/oauth2/token')
      expect(await errorOf(await push({}, { headers: elsewhere }))).toEqual([400, 'invalid_dpop_proof'])
    })

    test('where nonces are wanted, one is asked for', async () => {
      const key = await newKey()
      const careful = await boot(database, { beside: server })
      try {
        const headers = {
          ...(await proofFor(key)),
          Authorization: basic(client.clientId, client.clientSecret),
        }
        const first = await push({}, { at: careful, headers })
        expect([first.status, ((await first.json()) as { error: string }).error]).toEqual([
          400,
          'use_dpop_nonce',
        ])
        const nonce = first.headers.get('dpop-nonce') ?? ''
        const DPoP = await key.proof('POST', '/oauth2/par', { nonce })
        expect((await push({}, { at: careful, headers: { DPoP } })).status).toBe(201)
      } finally {
        await careful.stop()
      }
    })

    test('a request object does not lose the key that was proved with it', async () => {
      const signing = await newKey('ES256')
      const jwk = { ...signing.jwk, kid: 'k1', use: 'sig', alg: 'ES256' }
      const signer = await newClient(server, { mayact: { jwks: { keys: [jwk] } } })
      const object = await new jose.SignJWT(Object.fromEntries(asked({ client_id: signer.clientId })))
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'oauth-authz-req+jwt' })
        .setIssuer(signer.clientId)
        .setAudience(server.config.issuer)
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(signing.privateKey)
      const key = await newKey()
      const response = await server.request('/oauth2/par', {
        method: 'POST',
        body: new URLSearchParams({ client_id: signer.clientId, request: object }),
        headers: { Authorization: basic(signer.clientId, signer.clientSecret), ...(await proofFor(key)) },
      })
      const body = (await response.json()) as { request_uri: string }
      expect([response.status, body]).toEqual([201, expect.anything()])
      const taken = await takePushedRequest(server.db, signer.clientId, body.request_uri, new Date())
      expect(taken?.signed).toBeTrue()
      expect(taken?.parameters.get('dpop_jkt')).toBe(key.jkt)
      expect(taken?.parameters.get('redirect_uri')).toBe(redirectUri)
      const login = await server.request(path(body.request_uri, signer))
      expect(locationOf(login).pathname).toBe('/authenticationendpoint/login.do')
    })
  })
})
