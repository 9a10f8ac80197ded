/** Every refusal of the token exchange: its answer, its audit row, and that nothing else happened. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import * as jose from 'jose'
import { bump, commit, type Write, write } from '../lib/database/commit.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import type { Grant } from '../lib/oauth/grants/grant.ts'
import { token } from '../lib/oauth/token.ts'
import { endLineage } from '../lib/tokens/lineage.ts'
import { type Booted, basic, boot } from './boot.ts'
import { type Browser, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import {
  type ApplicationOptions,
  addToRole,
  createApplication,
  createPerson,
  createRole,
  exchange,
  obtainSubjectToken,
  type Person,
  removeFromRole,
  type Scenario,
  setLocked,
  setUp,
  subjectScopes,
  type TokenResponse,
  tokenExchange,
  tokenType,
} from './scenario.ts'
import { leavingOnlyAudit } from './token-exchange-snapshot.ts'

const issuer = 'https://localhost:9443/oauth2/token'
const refusedText = 'The impersonation was refused.'
const noValidToken = `No Valid subject token was found for ${tokenExchange}`
const notAuthorized = 'The authenticated client is not authorized to use this authorization grant type'

interface Tokens {
  readonly subjectToken: string
  readonly idToken: string
}

interface Expected {
  readonly error: string
  readonly description: string
  readonly status?: number
  /** The `validator` and `reason` of an impersonation's row; without it the row has what the client hears. */
  readonly audit?: { readonly validator: string; readonly reason: string }
}

/** What is refused before the client is known leaves no row. */
const ofNobody = /^Invalid request|one authentication method|differs from the authenticated client/

type Claims = Record<string, unknown>

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const partsOf = (token: string) => {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return { header, payload, signature }
}
/** The token with other claims under its old signature; `undefined` takes a claim out. */
const altered = (token: string, changes: Claims) => {
  const { header, signature } = partsOf(token)
  return `${header}.${encode({ ...jose.decodeJwt(token), ...changes })}.${signature}`
}

const foreign = await jose.generateKeyPair('RS256')
const signedElsewhere = (token: string, changes: Claims = {}) =>
  new jose.SignJWT({ ...jose.decodeJwt(token), ...changes })
    .setProtectedHeader({ ...jose.decodeProtectedHeader(token), alg: 'RS256' })
    .sign(foreign.privateKey)

/** Ways to make a token that is not ours out of one that is, with the words it is refused with. */
const forgeries = (kind: 'subject' | 'actor') => {
  const signature = `Signature or Message Authentication invalid for ${kind} token.`
  const missing = (name: string) => `Mandatory field - ${name} is empty in the given JWT`
  const titled = kind === 'subject' ? 'Subject Token' : 'Actor Token'
  type Forgery = readonly [
    title: string,
    forge: (token: string, server: Booted) => string | Promise<string>,
    description: string,
    error?: string,
  ]
  const table: Forgery[] = [
    ['that is no JWT', () => 'nonsense', noValidToken],
    ['of three parts that are no JSON', () => 'a.b.c', noValidToken],
    ['of five parts', (token) => `${token}.x.y`, noValidToken],
    ['whose claims are no object', () => `${encode({ alg: 'RS256' })}.${encode(['x'])}.AA`, noValidToken],
    [
      'without claims',
      () => `${encode({ alg: 'RS256' })}.${encode({})}.AA`,
      `Claim values are empty in the given ${titled}`,
    ],
    ['without iss', (token) => altered(token, { iss: undefined }), missing('Issuer')],
    ['with an empty iss', (token) => altered(token, { iss: '' }), missing('Issuer')],
    ['without exp', (token) => altered(token, { exp: undefined }), missing('Expiration time')],
    ['without sub', (token) => altered(token, { sub: undefined }), missing('Subject')],
    ['without aud', (token) => altered(token, { aud: undefined }), missing('Audience')],
    [
      'of another issuer',
      (token) => altered(token, { iss: 'https://elsewhere.example' }),
      'Invalid issuer values provided',
      'invalid_target',
    ],
    [
      'whose issuer is a list with ours in it',
      (token) => altered(token, { iss: [issuer] }),
      'Invalid issuer values provided',
      'invalid_target',
    ],
    [
      'for another audience',
      (token) => altered(token, { aud: 'other' }),
      `Invalid audience values provided for ${kind} token.`,
      'invalid_target',
    ],
    [
      'whose audience is null',
      (token) => altered(token, { aud: null }),
      `Invalid audience values provided for ${kind} token.`,
      'invalid_target',
    ],
    ['without its signature', (token) => `${token.slice(0, token.lastIndexOf('.'))}.`, signature],
    ['with an altered payload', (token) => altered(token, { sub: 'somebody-else' }), signature],
    [
      'with its claims in another order',
      (token) => {
        const { header, signature: old } = partsOf(token)
        return `${header}.${encode(Object.fromEntries(Object.entries(jose.decodeJwt(token)).reverse()))}.${old}`
      },
      signature,
    ],
    ['with an altered signature', (token) => token.replace(/.{8}$/, 'AAAAAAAA'), signature],
    [
      'whose signature is spelled differently but decodes the same',
      (token) => {
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
        const other = `${token.slice(0, -1)}${alphabet[alphabet.indexOf(token.at(-1) ?? '') ^ 1]}`
        expect(Buffer.from(partsOf(other).signature, 'base64url')).toEqual(
          Buffer.from(partsOf(token).signature, 'base64url'),
        )
        return other
      },
      signature,
    ],
    ['with padding behind it', (token) => `${token}==`, signature],
    ['with alg none', (token) => `${encode({ alg: 'none' })}.${partsOf(token).payload}.`, signature],
    [
      'with HS256 keyed by our public key',
      async (token, server) => {
        const [jwk] = server.keys.jwks().keys
        const pem = await jose.exportSPKI((await jose.importJWK(jwk ?? {}, 'RS256')) as CryptoKey)
        return new jose.SignJWT(jose.decodeJwt(token))
          .setProtectedHeader({ alg: 'HS256' })
          .sign(Buffer.from(pem))
      },
      signature,
    ],
    ['signed by a key of its own under our kid', (token) => signedElsewhere(token), signature],
    [
      'signed by our key but never issued',
      (token, server) => server.keys.sign({ ...jose.decodeJwt(token), jti: 'x' }, 'subject-token+jwt'),
      signature,
    ],
  ]
  const mayAct: Forgery[] = [undefined, null, 'x', {}, { sub: '' }, { sub: '  ' }, { sub: 7 }].map(
    (may_act) => [
      `whose may_act is ${JSON.stringify(may_act)}`,
      (token) => altered(token, { may_act }),
      'Impersonator is not found in subject token.',
    ],
  )
  return kind === 'subject' ? [...table, ...mayAct] : table
}

for (const database of databases) {
  describe(`a refused token exchange on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let browser: Browser

    /** One more application that the same two people may use. */
    const another = async (name: string, oidc: ApplicationOptions['oidc'] = {}): Promise<Scenario> => {
      const application = await createApplication(server, { name, oidc })
      const { applicationId } = application
      const impersonatorRole = await createRole(server, {
        name: 'ImpersonatorRole',
        applicationId,
        permissions: ['internal_user_impersonate'],
        member: scenario.impersonator.id,
      })
      const subjectRole = await createRole(server, {
        name: 'EndUserRole',
        applicationId,
        permissions: subjectScopes,
        member: scenario.subject.id,
      })
      return { ...scenario, ...application, impersonatorRole, subjectRole }
    }

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      browser = newBrowser(server)
    })
    afterAll(() => server.stop())

    const obtain = (changes: Record<string, string | undefined> = {}, of: Scenario = scenario) =>
      obtainSubjectToken(server, of, changes, browser)

    const expectRefusal = async (
      ask: () => Promise<Response>,
      { error, description, status = 400, audit }: Expected,
      of: Scenario = scenario,
    ) => {
      const { result: response, rows } = await leavingOnlyAudit(server, ask)
      expect(await response.json()).toEqual({ error_description: description, error })
      expect(response.status).toBe(status)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(response.headers.get('pragma')).toBe('no-cache')
      expect(response.headers.get('content-type')).toStartWith('application/json')
      expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Basic realm="localhost"' : null)
      // RFC 6749 §5.2
      expect(description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
      if (status === 401) {
        // of a client that is known, and only there
        expect(rows.length).toBeLessThanOrEqual(1)
        return expect(rows.every((row) => row.event === 'client-authentication-failed')).toBe(true)
      }
      if (ofNobody.test(description)) return expect(rows).toEqual([])
      if (!audit) {
        return expect(rows).toMatchObject([
          {
            event: 'token-refused',
            initiator: of.clientId,
            target: of.clientId,
            outcome: 'Refused',
            data: { clientId: of.clientId, error, reason: expect.stringMatching(/./) },
          },
        ])
      }
      const { impersonator, subject, clientId, applicationId } = of
      expect(rows).toHaveLength(1)
      expect(rows[0]).toMatchObject({
        event: 'impersonation-refused',
        action: 'impersonation-refused',
        initiator: impersonator.id,
        target: subject.id,
        outcome: 'Refused',
        actor_id: impersonator.id,
        subject_id: subject.id,
        application_id: applicationId,
        organization_id: '10084a8d-113f-4211-a0d5-efe36b082211',
        impersonation_id: expect.any(String),
        data: {
          clientId,
          subject: subject.id,
          impersonator: impersonator.id,
          phase: 'exchange',
          ...audit,
        },
      })
      expect(Object.keys(rows[0]?.data ?? {}).sort()).toEqual(
        ['clientId', 'impersonator', 'phase', 'reason', 'subject', 'validator'].sort(),
      )
    }

    /** The tokens are as good as before: they still become an access token. */
    const expectGood = async (
      tokens: Tokens,
      of: Scenario = scenario,
      changes: Record<string, string | undefined> = {},
      authorization?: string,
    ) => {
      const response = await exchange(server, of, tokens, changes, authorization)
      const body = (await response.json()) as TokenResponse
      expect([response.status, body.token_type]).toEqual([200, 'Bearer'])
      return body
    }

    const parametersOf = (tokens: Tokens, changes: Record<string, string | undefined> = {}) => {
      const parameters: Record<string, string | undefined> = {
        grant_type: tokenExchange,
        subject_token: tokens.subjectToken,
        subject_token_type: tokenType('jwt'),
        actor_token: tokens.idToken,
        actor_token_type: tokenType('id_token'),
        ...changes,
      }
      return new URLSearchParams(
        Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined),
      )
    }

    /** A body as it is, with the headers as they are. */
    const post = (body: RequestInit['body'], headers: Record<string, string> = {}) =>
      server.request('/oauth2/token', {
        method: 'POST',
        body: body ?? '',
        headers: {
          Authorization: basic(scenario.clientId, scenario.clientSecret),
          'Content-Type': 'application/x-www-form-urlencoded',
          ...headers,
        },
      })

    describe('for its form', () => {
      const required = [
        'grant_type',
        'subject_token',
        'subject_token_type',
        'actor_token',
        'actor_token_type',
      ]

      for (const name of required) {
        test(`it says that ${name} is missing, left out or empty, and spends nothing`, async () => {
          const tokens = await obtain()
          const expected = { error: 'invalid_request', description: `Missing parameters: ${name}` }
          await expectRefusal(() => exchange(server, scenario, tokens, { [name]: undefined }), expected)
          await expectRefusal(() => exchange(server, scenario, tokens, { [name]: '' }), expected)
          await expectGood(tokens)
        })
      }

      const names = [
        ...required,
        'requested_token_type',
        'scope',
        'audience',
        'code_verifier',
        'client_id',
        'unknown',
      ]
      test(`it refuses each parameter that comes twice, though it be equal, empty or unknown`, async () => {
        const tokens = await obtain()
        const description = 'Invalid request with repeated parameters.'
        for (const name of names) {
          for (const values of [
            ['x', 'x'],
            ['x', 'y'],
            ['', ''],
            ['x', ''],
          ]) {
            const body = parametersOf(tokens, { [name]: undefined })
            for (const value of values) body.append(name, value)
            await expectRefusal(() => post(body), { error: 'invalid_request', description })
          }
          // the second name is percent-encoded, the first is not
          const encoded = `${parametersOf(tokens, { [name]: 'x' })}&%${name.charCodeAt(0).toString(16)}${name.slice(1)}=x`
          await expectRefusal(() => post(encoded), { error: 'invalid_request', description })
        }
        await expectGood(tokens)
      })

      test('it says that all of several parameters are missing', () =>
        expectRefusal(() => exchange(server, scenario, { subjectToken: '', idToken: '' }), {
          error: 'invalid_request',
          description: 'Missing parameters: subject_token, actor_token',
        }))

      test('it takes nothing but a form', async () => {
        const tokens = await obtain()
        const form = parametersOf(tokens)
        const description = 'Invalid request: the body must be application/x-www-form-urlencoded.'
        for (const type of [
          'application/json',
          'text/plain',
          'multipart/form-data; boundary=x',
          'application/x-www-form-urlencodedx',
          '',
        ]) {
          await expectRefusal(() => post(form.toString(), { 'Content-Type': type }), {
            error: 'invalid_request',
            description,
          })
        }
        const json = JSON.stringify(Object.fromEntries(form))
        await expectRefusal(() => post(json, { 'Content-Type': 'application/json' }), {
          error: 'invalid_request',
          description,
        })
        await expectGood(tokens)
      })

      test('it takes no parameter from the address', async () => {
        const tokens = await obtain()
        const ask = () =>
          server.request(`/oauth2/token?${parametersOf(tokens)}`, {
            method: 'POST',
            headers: {
              Authorization: basic(scenario.clientId, scenario.clientSecret),
              'Content-Type': 'application/x-www-form-urlencoded',
            },
          })
        await expectRefusal(ask, { error: 'invalid_request', description: 'Missing parameters: grant_type' })
        await expectGood(tokens)
      })

      test('it refuses a body that is not percent-encoded UTF-8, or too long', async () => {
        const tokens = await obtain()
        const malformed = {
          error: 'invalid_request',
          description: 'Invalid request: a parameter is not percent-encoded UTF-8.',
        }
        for (const value of ['%', '%zz', '%ff', '%c3'])
          await expectRefusal(() => post(`${parametersOf(tokens)}&state=${value}`), malformed)
        const bytes = Buffer.concat([Buffer.from(`${parametersOf(tokens)}&state=`), Buffer.from([0xff])])
        await expectRefusal(() => post(bytes), {
          error: 'invalid_request',
          description: 'Invalid request: the body is not UTF-8.',
        })
        const nul = {
          error: 'invalid_request',
          description: 'Invalid request: a parameter has a NUL character.',
        }
        await expectRefusal(() => post(`${parametersOf(tokens)}&state=%00`), nul)
        const long = { error: 'invalid_request', description: 'Invalid request: the request is too long.' }
        await expectRefusal(() => post(`${parametersOf(tokens)}&state=${'x'.repeat(70_000)}`), long)
        await expectGood(tokens)
      })

      test('it knows no other grant, and none that differs in its letters', async () => {
        const tokens = await obtain()
        const expected = { error: 'unsupported_grant_type', description: 'Unsupported grant_type value' }
        for (const grant_type of [
          'password',
          tokenExchange.toUpperCase(),
          ` ${tokenExchange}`,
          '__proto__',
        ]) {
          await expectRefusal(() => exchange(server, scenario, tokens, { grant_type }), expected)
        }
        await expectGood(tokens)
      })

      test('it wants the token types of the seed', async () => {
        const tokens = await obtain()
        const cases = [
          ['subject_token_type', 'access_token', 'subject token type'],
          ['subject_token_type', 'id_token', 'subject token type'],
          ['actor_token_type', 'access_token', 'actor token type'],
          ['actor_token_type', 'saml2', 'actor token type'],
          ['requested_token_type', 'refresh_token', 'requested token type'],
          ['requested_token_type', 'id_token', 'requested token type'],
        ] as const
        for (const [name, type, words] of cases) {
          const description = `Unsupported ${words} : ${tokenType(type)} provided`
          await expectRefusal(() => exchange(server, scenario, tokens, { [name]: tokenType(type) }), {
            error: 'invalid_request',
            description,
          })
        }
        await expectRefusal(() => exchange(server, scenario, tokens, { subject_token_type: 'a"b\\c\nd' }), {
          error: 'invalid_request',
          description: 'Unsupported subject token type : a?b?c?d provided',
        })
        await expectGood(tokens)
      })

      test('it refuses a malformed scope, an audience and a resource', async () => {
        const tokens = await obtain()
        for (const scope of ['a"b', 'a\\b', 'ä', 'openid \u0001']) {
          await expectRefusal(() => exchange(server, scenario, tokens, { scope }), {
            error: 'invalid_scope',
            description: 'Invalid Scope!',
          })
        }
        for (const name of ['audience', 'resource']) {
          const description = `The ${name} parameter is not supported for an impersonation.`
          await expectRefusal(() => exchange(server, scenario, tokens, { [name]: scenario.clientId }), {
            error: 'invalid_target',
            description,
          })
        }
        // scopes that the subject token lacks are dropped without an error, to nothing if need be
        expect((await expectGood(tokens, scenario, { scope: 'internal_role_mgt_view' })).scope).toBe('')
      })
    })

    describe('for its client', () => {
      const failed = { status: 401, error: 'invalid_client', description: 'Client Authentication failed.' }

      test('it refuses an unknown client, a wrong secret and malformed credentials with one answer', async () => {
        const tokens = await obtain()
        const { clientId, clientSecret } = scenario
        const headers = [
          basic('nobody', clientSecret),
          basic(clientId, 'wrong'),
          basic(clientId, ''),
          basic(clientId, `${clientSecret} `),
          basic(clientId, clientSecret.slice(0, -1)),
          basic('', clientSecret),
          basic(`${clientId}%00`, clientSecret),
          basic(`${clientId}%`, clientSecret),
          `Basic ${Buffer.from(clientId).toString('base64')}`,
          'Basic',
          'Basic !!!',
          `Bearer ${tokens.idToken}`,
          `Digest username=${clientId}`,
        ]
        for (const header of headers)
          await expectRefusal(() => exchange(server, scenario, tokens, {}, header), failed)
        await expectGood(tokens)
      })

      test('it refuses a client without its secret, by form as by header', async () => {
        const tokens = await obtain()
        const { clientId: client_id, clientSecret } = scenario
        const ask = (changes: Record<string, string>) => () =>
          server.request('/oauth2/token', { method: 'POST', body: parametersOf(tokens, changes) })
        for (const changes of [
          {},
          { client_id },
          { client_id, client_secret: '' },
          { client_id, client_secret: 'wrong' },
          { client_id: 'nobody', client_secret: clientSecret },
          { client_id: `${client_id}ä`, client_secret: clientSecret },
          { client_id: '', client_secret: clientSecret },
          { client_secret: clientSecret },
        ]) {
          await expectRefusal(ask(changes), failed)
        }
        await expectGood(tokens)
      })

      test('it refuses two ways to authenticate at once, though both be right', async () => {
        const tokens = await obtain()
        const { clientId: client_id, clientSecret: client_secret } = scenario
        const description = 'The client must use one authentication method only.'
        for (const changes of [
          { client_id, client_secret },
          { client_secret },
          { client_id, client_secret: 'x' },
        ]) {
          await expectRefusal(() => exchange(server, scenario, tokens, changes), {
            error: 'invalid_request',
            description,
          })
        }
        await expectRefusal(() => exchange(server, scenario, tokens, { client_id: 'other' }), {
          error: 'invalid_request',
          description: 'client_id differs from the authenticated client.',
        })
        await expectGood(tokens, scenario, { client_id })
      })

      test('it takes Basic credentials form-encoded, whatever characters the secret has, and no other way', async () => {
        const clientSecret = 'a+b:c&d=e%2Bf g/"'
        const special = await another('SPECIAL', { clientId: 'special:client', clientSecret })
        expect(special).toMatchObject({ clientId: 'special:client', clientSecret })
        const tokens = await obtain({}, special)
        const encoded = basic(encodeURIComponent('special:client'), encodeURIComponent(clientSecret))
        const doubly = basic(
          encodeURIComponent('special%3Aclient'),
          encodeURIComponent(encodeURIComponent(clientSecret)),
        )
        const plus = basic('special%3Aclient', encodeURIComponent(clientSecret).replaceAll('%20', '+'))
        await expectRefusal(
          () => exchange(server, special, tokens, {}, basic('special:client', clientSecret)),
          failed,
        )
        await expectRefusal(() => exchange(server, special, tokens, {}, doubly), failed)
        await expectGood(tokens, special, {}, encoded)
        await expectGood(await obtain({}, special), special, {}, plus)
      })

      test('it refuses the client of an application that is disabled or revoked', async () => {
        const tokens = await obtain()
        const set = async (values: { disabled_at?: string | null; revoked_at?: string | null }) => {
          const update = server.db
            .updateTable('application')
            .set(values)
            .where('id', '=', scenario.applicationId)
          expect(await commit(server.db, [write(update), bump])).toBe('committed')
        }
        const path = `/api/server/v1/applications/${scenario.applicationId}`
        expect((await server.send('PATCH', path, { applicationEnabled: false })).status).toBe(200)
        await expectRefusal(() => exchange(server, scenario, tokens), failed)
        await set({ disabled_at: null, revoked_at: new Date().toISOString() })
        await expectRefusal(() => exchange(server, scenario, tokens), failed)
        await set({ revoked_at: null })
        await expectGood(tokens)
      })

      test('it answers nobody by a secret that was changed while it decided', async () => {
        const { db, vault } = server
        const app = await another('ROTATED')
        const decided: string[] = []
        const rotate = (secret: string) => {
          const sealed = vault.seal(secret, app.applicationId)
          const update = db.updateTable('application').set({ client_secret: sealed })
          return commit(db, [write(update.where('id', '=', app.applicationId)), bump])
        }
        const grant: Grant = {
          type: tokenExchange,
          async decide() {
            decided.push('decided')
            if (decided.length === 1) expect(await rotate('another-secret')).toBe('committed')
            return { response: { access_token: 'x' }, writes: [] }
          },
        }
        const trace = { id: 'trace-of-a-test', address: '127.0.0.1' }
        const proofs = { db, baseUrl: 'https://localhost:9443', nonces: undefined }
        const clients = {
          audiences: [],
          outbound: { allowPrivateAddresses: false },
          certificateOf: () => undefined,
        }
        const needs = {
          db,
          vault,
          clients,
          proofs,
          grants: new Map([[grant.type, grant]]),
          traceOf: () => trace,
        }
        const endpoint = token(needs).onError((error, c) => c.text(error.message))
        const ask = (secret: string) =>
          endpoint.request('/oauth2/token', {
            method: 'POST',
            body: new URLSearchParams({ grant_type: tokenExchange }),
            headers: { Authorization: basic(app.clientId, secret) },
          })
        expect(await (await ask(app.clientSecret)).text()).toBe(failed.description)
        expect(decided).toHaveLength(1)
        expect(await (await ask('another-secret')).json()).toEqual({ access_token: 'x' })
      })

      test('it lets a public client in by its id alone, and by a wrong secret never', async () => {
        const app = await another('PUBLIC', { publicClient: true })
        const code_verifier = 'v'.repeat(43)
        const code_challenge = await jose.base64url.encode(
          new Uint8Array(await crypto.subtle.digest('SHA-256', Buffer.from(code_verifier))),
        )
        const tokens = await obtain({ code_challenge, code_challenge_method: 'S256' }, app)
        const ask = (changes: Record<string, string | undefined>) => () =>
          server.request('/oauth2/token', {
            method: 'POST',
            body: parametersOf(tokens, { client_id: app.clientId, ...changes }),
          })
        const pkce = {
          error: 'invalid_grant',
          description: 'code_verifier does not answer the code_challenge.',
          audit: { validator: 'token-exchange', reason: 'pkce_failed' },
        }
        await expectRefusal(ask({}), pkce, app)
        await expectRefusal(ask({ code_verifier: '' }), pkce, app)
        await expectRefusal(ask({ code_verifier: 'w'.repeat(43) }), pkce, app)
        await expectRefusal(ask({ code_verifier, client_secret: 'wrong' }), failed)
        await expectRefusal(ask({ code_verifier, client_id: 'nobody' }), failed)
        expect((await ask({ code_verifier })()).status).toBe(200)
      })

      test('it asks a client that became public for the proof that its subject token never had', async () => {
        const app = await another('TURNS_PUBLIC')
        const tokens = await obtain({}, app)
        await changeSettings(app, { publicClient: true })
        const body = parametersOf(tokens, { client_id: app.clientId })
        for (const verifier of [undefined, 'v'.repeat(43)]) {
          if (verifier) body.set('code_verifier', verifier)
          await expectRefusal(
            () => server.request('/oauth2/token', { method: 'POST', body }),
            {
              error: 'invalid_grant',
              description: 'code_verifier does not answer the code_challenge.',
              audit: { validator: 'token-exchange', reason: 'pkce_failed' },
            },
            app,
          )
        }
      })
    })

    const changeSettings = async (of: Scenario, changes: Record<string, unknown>) => {
      const path = `/api/server/v1/applications/${of.applicationId}/inbound-protocols/oidc`
      const settings = (await (await server.send('GET', path)).json()) as Record<string, unknown>
      expect((await server.send('PUT', path, { ...settings, ...changes })).status).toBe(200)
      return settings
    }

    describe('for its subject token', () => {
      for (const [title, forge, description, error = 'invalid_request'] of forgeries('subject')) {
        test(`it refuses one ${title}`, async () => {
          const tokens = await obtain()
          const subjectToken = await forge(tokens.subjectToken, server)
          expect(subjectToken).not.toBe(tokens.subjectToken)
          await expectRefusal(() => exchange(server, scenario, { ...tokens, subjectToken }), {
            error,
            description,
          })
          await expectGood(tokens)
        })
      }

      test('it refuses an ID token, an access token and an opaque value in its place', async () => {
        const tokens = await obtain()
        const description = 'Impersonator is not found in subject token.'
        const { access_token } = await expectGood(await obtain())
        for (const subjectToken of [tokens.idToken, access_token]) {
          await expectRefusal(() => exchange(server, scenario, { ...tokens, subjectToken }), {
            error: 'invalid_request',
            description,
          })
        }
        const subjectToken = 'x'.repeat(43)
        await expectRefusal(() => exchange(server, scenario, { ...tokens, subjectToken }), {
          error: 'invalid_request',
          description: noValidToken,
        })
        await expectGood(tokens)
      })

      test('it refuses one that has expired', async () => {
        const tokens = await obtain()
        const { exp = 0 } = jose.decodeJwt(tokens.subjectToken)
        const now = exp * 1000
        try {
          setSystemTime(now)
          const description = `JSON Web Token is expired., Expiration Time(ms) : ${now}, TimeStamp Skew : 0, Current Time : ${now}. JWT Rejected and validation terminated`
          await expectRefusal(() => exchange(server, scenario, tokens), {
            error: 'invalid_request',
            description,
            audit: { validator: 'token-exchange', reason: 'subject_token_expired' },
          })
          setSystemTime(now - 1)
          await expectGood(tokens)
        } finally {
          setSystemTime()
        }
      })

      test('it refuses one that was issued before the allowed time', async () => {
        const toml = '[oauth.grant_type.token_exchange]\niat_validity_period = 60'
        const strict = await boot(database, { beside: server, toml })
        const tokens = await obtain()
        const { iat = 0 } = jose.decodeJwt(tokens.subjectToken)
        const now = iat * 1000 + 60_001
        try {
          setSystemTime(now)
          const description = `JSON Web Token is issued before the allowed time., Issued At Time(ms) : ${iat * 1000}, Reject before limit(ms) : 60000, TimeStamp Skew : 0, Current Time : ${now}. JWT Rejected and validation terminated`
          await expectRefusal(() => exchange(strict, scenario, tokens), {
            error: 'invalid_request',
            description,
            audit: { validator: 'token-exchange', reason: 'subject_token_expired' },
          })
          setSystemTime(now - 1)
          expect((await exchange(strict, scenario, tokens)).status).toBe(200)
        } finally {
          setSystemTime()
          await strict.stop()
        }
      })

      test('it refuses one that was exchanged already, whichever actor token comes with it', async () => {
        const tokens = await obtain()
        await expectGood(tokens)
        const description = 'Invalid Subject Token. Subject token was exchanged already.'
        const expected = {
          error: 'invalid_request',
          description,
          audit: { validator: 'token-exchange', reason: 'subject_token_spent' },
        }
        await expectRefusal(() => exchange(server, scenario, tokens), expected)
        await expectRefusal(() => exchange(server, scenario, { ...tokens, idToken: 'x' }), expected)
      })

      test('it refuses one whose impersonation was ended', async () => {
        const tokens = await obtain()
        const row = await server.db
          .selectFrom('token')
          .select('lineage_id')
          .where('id', '=', String(jose.decodeJwt(tokens.subjectToken).jti))
          .executeTakeFirstOrThrow()
        await commit(server.db, [
          endLineage(server.db, row.lineage_id, { by: 'test', reason: 'ended' }, new Date()),
        ])
        await expectRefusal(() => exchange(server, scenario, tokens), {
          error: 'invalid_request',
          description: refusedText,
          audit: { validator: 'token-exchange', reason: 'subject_token_ended' },
        })
      })

      test('it refuses one whose sign-in session was ended', async () => {
        const tokens = await obtainSubjectToken(server, scenario)
        await commit(server.db, [
          endLineage(
            server.db,
            String(jose.decodeJwt(tokens.idToken).sid),
            { by: 'test', reason: 'ended' },
            new Date(),
          ),
        ])
        await expectRefusal(() => exchange(server, scenario, tokens), {
          error: 'invalid_request',
          description: refusedText,
          audit: { validator: 'token-exchange', reason: 'subject_token_ended' },
        })
      })

      test('it refuses one of another client, and leaves it to that client', async () => {
        const other = await another('OTHER')
        const tokens = await obtain()
        const own = await obtain({}, other)
        const expected = {
          error: 'invalid_target',
          description: 'Invalid audience values provided for subject token.',
          audit: { validator: 'token-exchange', reason: 'subject_token_of_another_client' },
        }
        await expectRefusal(() => exchange(server, other, tokens), expected, other)
        // not with an actor token of the stealing client either
        await expectRefusal(
          () => exchange(server, other, { ...tokens, idToken: own.idToken }),
          expected,
          other,
        )
        await expectGood(tokens)
      })
    })

    describe('for its proof of possession', () => {
      const failed = {
        error: 'invalid_grant',
        description: 'code_verifier does not answer the code_challenge.',
        audit: { validator: 'token-exchange', reason: 'pkce_failed' },
      }
      const code_verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
      const code_challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

      test('it refuses a verifier that is missing, empty, wrong, malformed or the challenge itself', async () => {
        const tokens = await obtain({ code_challenge, code_challenge_method: 'S256' })
        for (const verifier of [
          undefined,
          '',
          'w'.repeat(43),
          'short',
          code_challenge,
          `${code_verifier} `,
          'v'.repeat(129),
        ]) {
          await expectRefusal(() => exchange(server, scenario, tokens, { code_verifier: verifier }), failed)
        }
        await expectGood(tokens, scenario, { code_verifier })
      })

      test('it refuses a verifier that nobody asked for', async () => {
        const tokens = await obtain()
        await expectRefusal(() => exchange(server, scenario, tokens, { code_verifier }), failed)
        await expectGood(tokens)
      })

      test('it compares a plain challenge as it is', async () => {
        const plain = await another('PLAIN', {
          pkce: { mandatory: true, supportPlainTransformAlgorithm: true },
        })
        const tokens = await obtain({ code_challenge: code_verifier }, plain)
        for (const verifier of [undefined, code_challenge, 'w'.repeat(43)]) {
          await expectRefusal(
            () => exchange(server, plain, tokens, { code_verifier: verifier }),
            failed,
            plain,
          )
        }
        await expectGood(tokens, plain, { code_verifier })
      })
    })

    describe('for its actor token', () => {
      const audit = (reason: string) => ({ validator: 'token-exchange', reason })

      for (const [title, forge, description, error = 'invalid_request'] of forgeries('actor')) {
        test(`it refuses one ${title}`, async () => {
          const tokens = await obtain()
          const idToken = await forge(tokens.idToken, server)
          expect(idToken).not.toBe(tokens.idToken)
          await expectRefusal(() => exchange(server, scenario, { ...tokens, idToken }), {
            error,
            description,
            audit: audit('actor_token_unknown'),
          })
          await expectGood(tokens)
        })
      }

      test('it refuses a subject token, an access token and the subject token itself in its place', async () => {
        const tokens = await obtain()
        const spare = await obtain()
        const { access_token } = await expectGood(await obtain())
        const description = 'Signature or Message Authentication invalid for actor token.'
        for (const idToken of [spare.subjectToken, tokens.subjectToken, access_token]) {
          await expectRefusal(() => exchange(server, scenario, { ...tokens, idToken }), {
            error: 'invalid_request',
            description,
            audit: audit('actor_token_unknown'),
          })
        }
        await expectGood(tokens)
      })

      test('it refuses the ID token of another person, the subject among them', async () => {
        const colleague = await createPerson(server, 'Colleague')
        const tokens = await obtain()
        const expected = {
          error: 'invalid_request',
          description: 'Subject of actor token and subject are different.',
          audit: audit('actor_differs'),
        }
        const asImpersonator = async (impersonator: Person) => {
          await addToRole(server, scenario.impersonatorRole, impersonator.id)
          const subject = impersonator === scenario.subject ? colleague : scenario.subject
          const { idToken } = await obtainSubjectToken(server, { ...scenario, impersonator, subject })
          await removeFromRole(server, scenario.impersonatorRole, impersonator.id)
          return idToken
        }
        for (const person of [colleague, scenario.subject]) {
          const idToken = await asImpersonator(person)
          await expectRefusal(() => exchange(server, scenario, { ...tokens, idToken }), expected)
        }
        await expectGood(tokens)
      })

      test('it refuses the same person’s ID token of another client', async () => {
        const other = await another('OTHER_ACTOR')
        const tokens = await obtain()
        const { idToken } = await obtain({}, other)
        await expectRefusal(() => exchange(server, scenario, { ...tokens, idToken }), {
          error: 'invalid_target',
          description: 'Invalid audience values provided for actor token.',
          audit: audit('actor_token_of_another_client'),
        })
        await expectGood(tokens)
      })

      test('it refuses the same person’s ID token of another sign-in', async () => {
        const tokens = await obtain()
        const { idToken } = await obtainSubjectToken(server, scenario)
        await expectRefusal(() => exchange(server, scenario, { ...tokens, idToken }), {
          error: 'invalid_request',
          description: 'Actor token and subject token are not of one sign-in session.',
          audit: audit('actor_token_of_another_session'),
        })
        await expectGood(tokens)
      })

      test('it refuses one that has expired, while another of the same sign-in is good', async () => {
        const short = await another('SHORT', { idToken: { expiryInSeconds: 30, audience: [] } })
        const { idToken } = await obtain({}, short)
        const { exp = 0 } = jose.decodeJwt(idToken)
        const now = exp * 1000
        try {
          setSystemTime(now)
          const tokens = await obtain({}, short)
          const description = `JSON Web Token is expired., Expiration Time(ms) : ${now}, TimeStamp Skew : 0, Current Time : ${now}. JWT Rejected and validation terminated`
          await expectRefusal(
            () => exchange(server, short, { ...tokens, idToken }),
            { error: 'invalid_request', description, audit: audit('actor_token_expired') },
            short,
          )
          await expectGood(tokens, short)
        } finally {
          setSystemTime()
        }
      })

      test('it refuses one that was issued before the allowed time', async () => {
        const toml = '[oauth.grant_type.token_exchange]\niat_validity_period = 60'
        const strict = await boot(database, { beside: server, toml })
        const { idToken } = await obtain()
        const { iat = 0 } = jose.decodeJwt(idToken)
        const now = iat * 1000 + 60_001
        try {
          setSystemTime(now)
          const tokens = await obtain()
          const description = `JSON Web Token is issued before the allowed time., Issued At Time(ms) : ${iat * 1000}, Reject before limit(ms) : 60000, TimeStamp Skew : 0, Current Time : ${now}. JWT Rejected and validation terminated`
          await expectRefusal(() => exchange(strict, scenario, { ...tokens, idToken }), {
            error: 'invalid_request',
            description,
            audit: audit('actor_token_expired'),
          })
          expect((await exchange(strict, scenario, tokens)).status).toBe(200)
        } finally {
          setSystemTime()
          await strict.stop()
        }
      })
    })

    describe('for what was withdrawn after the subject token was issued', () => {
      const update = async (...writes: Write[]) => expect(await commit(server.db, writes)).toBe('committed')
      const account = (id: string, values: { locked_at?: string | null; disabled_at?: string | null }) =>
        write(
          server.db
            .updateTable('account')
            .set((eb) => ({ ...values, version: eb('version', '+', 1) }))
            .where('id', '=', id),
        )
      const time = new Date().toISOString()
      const refused = (validator: string, reason: string): Expected => ({
        error: 'invalid_request',
        description: refusedText,
        audit: { validator, reason },
      })

      test('it refuses while the permission is withdrawn, and the token is good again afterwards', async () => {
        const tokens = await obtain()
        await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
        await expectRefusal(
          () => exchange(server, scenario, tokens),
          refused('ImpersonatorPermissionValidator', 'missing_permission'),
        )
        await addToRole(server, scenario.impersonatorRole, scenario.impersonator.id)
        await expectGood(tokens)
      })

      test('it refuses when the role lost the permission', async () => {
        const tokens = await obtain()
        const row = { role_id: scenario.impersonatorRole, scope_name: 'internal_user_impersonate' }
        await update(write(server.db.deleteFrom('role_permission').where('role_id', '=', row.role_id)), bump)
        await expectRefusal(
          () => exchange(server, scenario, tokens),
          refused('ImpersonatorPermissionValidator', 'missing_permission'),
        )
        await update(write(server.db.insertInto('role_permission').values(row)), bump)
        await expectGood(tokens)
      })

      test('it refuses when the application lost its authorization to impersonate', async () => {
        const tokens = await obtain()
        const row = { application_id: scenario.applicationId, scope_name: 'internal_user_impersonate' }
        await update(
          write(
            server.db
              .deleteFrom('application_scope')
              .where('application_id', '=', row.application_id)
              .where('scope_name', '=', row.scope_name),
          ),
          bump,
        )
        await expectRefusal(
          () => exchange(server, scenario, tokens),
          refused('ImpersonatorPermissionValidator', 'missing_permission'),
        )
        await update(write(server.db.insertInto('application_scope').values(row)), bump)
        await expectGood(tokens)
      })

      test('it narrows to what the subject still may', async () => {
        const tokens = await obtain()
        await removeFromRole(server, scenario.subjectRole, scenario.subject.id)
        expect((await expectGood(tokens)).scope).toBe('internal_login openid')
        await addToRole(server, scenario.subjectRole, scenario.subject.id)
      })

      for (const who of ['impersonator', 'subject'] as const) {
        test(`it refuses when the ${who} was locked, for good`, async () => {
          const tokens = await obtain()
          await setLocked(server, scenario[who].id, true)
          await expectRefusal(
            () => exchange(server, scenario, tokens),
            refused('token-exchange', 'subject_token_ended'),
          )
          await setLocked(server, scenario[who].id, false)
          await expectRefusal(
            () => exchange(server, scenario, tokens),
            refused('token-exchange', 'subject_token_ended'),
          )
        })

        test(`it refuses when the ${who} is locked or disabled, though nothing was ended`, async () => {
          const tokens = await obtain()
          for (const field of ['locked_at', 'disabled_at'] as const) {
            const [validator, reason] =
              who === 'impersonator'
                ? ['impersonator', 'impersonator_inactive']
                : [
                    'SubjectAccountStatusValidator',
                    field === 'locked_at' ? 'subject_locked' : 'subject_disabled',
                  ]
            await update(account(scenario[who].id, { [field]: time }))
            await expectRefusal(() => exchange(server, scenario, tokens), refused(validator, reason))
            await update(account(scenario[who].id, { [field]: null }))
          }
          await expectGood(tokens)
        })
      }

      test('it refuses a subject who became an administrator', async () => {
        const tokens = await obtain()
        const row = { account_id: scenario.subject.id, role_id: administratorRole.id }
        await update(
          write(server.db.insertInto('account_role').values(row)),
          account(scenario.subject.id, {}),
        )
        await expectRefusal(
          () => exchange(server, scenario, tokens),
          refused('ProtectedSubjectValidator', 'protected_subject'),
        )
        await update(
          write(
            server.db
              .deleteFrom('account_role')
              .where('account_id', '=', row.account_id)
              .where('role_id', '=', row.role_id),
          ),
          account(scenario.subject.id, {}),
        )
        await expectGood(tokens)
      })

      test('it refuses when the application may not use subject tokens any more', async () => {
        const tokens = await obtain()
        const before = await changeSettings(scenario, { subjectToken: { enable: false } })
        await expectRefusal(() => exchange(server, scenario, tokens), {
          error: 'unauthorized_client',
          description: notAuthorized,
          audit: { validator: 'application', reason: 'not_enabled' },
        })
        await changeSettings(scenario, before)
        await expectGood(tokens)
      })

      test('it refuses when the grant was taken from the application', async () => {
        const tokens = await obtain()
        const before = await changeSettings(scenario, { grantTypes: ['authorization_code'] })
        await expectRefusal(() => exchange(server, scenario, tokens), {
          error: 'unauthorized_client',
          description: notAuthorized,
        })
        await changeSettings(scenario, before)
        await expectGood(tokens)
      })
    })
  })
}
