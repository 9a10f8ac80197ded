/** Forged access tokens at the token exchange: none has a row that fits, whatever its header, claims and signature say. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { createPerson, type Person, setUp, tokenType } from '../scenario.ts'
import { leavingOnlyAudit } from '../token-exchange-snapshot.ts'
import {
  ask,
  bookingsToml,
  type Client,
  clientToken,
  createService,
  delegation,
  exchanged,
  userTokens,
} from './exchanged-tokens.ts'

type Claims = Record<string, unknown>

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const foreign = await jose.generateKeyPair('RS256')
const now = () => Math.floor(Date.now() / 1000)

/** Signed by our own key, but never issued. */
const ours =
  (changes: Claims, type = 'at+jwt') =>
  (token: string, server: Booted) =>
    server.keys.sign({ ...jose.decodeJwt(token), ...changes }, type)

/** Signed by a key of somebody else. */
const theirs = (token: string, header: Claims = {}) =>
  new jose.SignJWT(jose.decodeJwt(token))
    .setProtectedHeader({ ...jose.decodeProtectedHeader(token), ...header, alg: 'RS256' })
    .sign(foreign.privateKey, { crit: { urgent: true } })

const headed = (token: string, header: Claims, signature = token.split('.')[2]) =>
  `${encode(header)}.${token.split('.')[1]}.${signature}`

const invalid = 'invalid_request'
const target = 'invalid_target'

const forgeries: readonly (readonly [
  title: string,
  forge: (token: string, server: Booted) => string | Promise<string>,
  error: string,
])[] = [
  ['alg none and no signature', (token) => headed(token, { alg: 'none', typ: 'at+jwt' }, ''), invalid],
  ['alg None in other letters', (token) => headed(token, { alg: 'nOnE' }, ''), invalid],
  ['alg none under the old signature', (token) => headed(token, { alg: 'none' }), invalid],
  [
    'HS256 keyed by our public key',
    async (token, server) => {
      const [jwk] = server.keys.jwks().keys
      const pem = await jose.exportSPKI((await jose.importJWK(jwk ?? {}, 'RS256')) as CryptoKey)
      return new jose.SignJWT(jose.decodeJwt(token))
        .setProtectedHeader({ alg: 'HS256', kid: jwk?.kid ?? '' })
        .sign(Buffer.from(pem))
    },
    invalid,
  ],
  [
    'HS256 keyed by our JWK',
    (token, server) =>
      new jose.SignJWT(jose.decodeJwt(token))
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.from(JSON.stringify(server.keys.jwks().keys[0]))),
    invalid,
  ],
  ['another typ', ours({}, 'JWT'), invalid],
  ['the typ of a subject token', ours({ may_act: { sub: 'x' } }, 'subject-token+jwt'), invalid],
  ['the typ of a logout token', ours({}, 'logout+jwt'), invalid],
  ['another issuer', ours({ iss: 'https://elsewhere.example/oauth2/token' }), target],
  [
    'our issuer with a slash',
    (token, server) => ours({ iss: `${server.config.issuer}/` })(token, server),
    target,
  ],
  ['another audience', ours({ aud: 'somebody-else' }), target],
  ['no audience at all', ours({ aud: [] }), target],
  ['another client', ours({ client_id: 'other', azp: 'other', aud: 'other' }), target],
  ['an end that has come', ours({ exp: now() - 1 }), invalid],
  ['an end in the far future', ours({ exp: now() + 1_000_000 }), invalid],
  ['a beginning that has not come', ours({ nbf: now() + 1000 }), invalid],
  ['an unknown kid', (token) => theirs(token, { kid: 'nobody' }), invalid],
  ['our kid and another key', (token) => theirs(token), invalid],
  [
    'a key of its own in the header',
    async (token) => theirs(token, { jwk: await jose.exportJWK(foreign.publicKey) }),
    invalid,
  ],
  ['a jku', (token) => theirs(token, { jku: 'https://elsewhere.example/jwks' }), invalid],
  ['crit', (token) => theirs(token, { crit: ['urgent'], urgent: true }), invalid],
  ['an empty crit under the old signature', (token) => headed(token, { alg: 'RS256', crit: [] }), invalid],
  ['another subject', ours({ sub: 'somebody-else' }), invalid],
  ['more scope', ours({ scope: 'openid booking_read booking_write booking_cancel admin' }), invalid],
  ['an actor of its own', ours({ act: { sub: 'admin' } }), invalid],
  ['a jti of its own', ours({ jti: 'x' }), invalid],
  ['padding', (token) => `${token}=`, invalid],
  ['white space before it', (token) => ` ${token}`, invalid],
  ['another part', (token) => `${token}.x`, invalid],
  ['no payload', () => 'e30..AA', invalid],
  ['nothing of a token', () => 'nonsense', invalid],
]

for (const database of databases) {
  describe(`a forged access token on ${database.name}`, () => {
    let server: Booted
    let client: Client
    let alice: Person
    let bertram: Person

    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      await setUp(server)
      alice = await createPerson(server, 'Alice')
      bertram = await createPerson(server, 'Bertram')
      client = await createService(server, 'FRONTEND', [alice.id, bertram.id])
    })
    afterAll(() => server.stop())

    const expectRefused = async (
      parameters: ReturnType<typeof delegation>,
      error: string,
      reason: string,
    ) => {
      const { result, rows } = await leavingOnlyAudit(server, () => ask(server, client, parameters))
      const body = (await result.json()) as { error: string; error_description: string }
      expect([result.status, body.error]).toEqual([400, error])
      expect(body.error_description).not.toContain(alice.id)
      expect(rows.map(({ event, outcome, data }) => [event, outcome, data.reason])).toEqual([
        ['token-refused', 'Refused', reason],
      ])
    }

    for (const [title, forge, error] of forgeries) {
      test(`with ${title} is no subject token and no actor token`, async () => {
        const { accessToken } = await userTokens(server, client, alice.id)
        const acting = await userTokens(server, client, bertram.id)
        const forged = await forge(accessToken, server)
        expect(forged).not.toBe(accessToken)
        await expectRefused(delegation(forged), error, 'subject_token_unknown')
        const forgedActor = await forge(acting.accessToken, server)
        await expectRefused(delegation(accessToken, forgedActor), error, 'actor_token_unknown')
        await exchanged(server, client, delegation(accessToken, acting.accessToken))
      })
    }

    test('nor is a token of another class: an ID token, a subject token’s look-alike, the hash of a token', async () => {
      const { accessToken, idToken } = await userTokens(server, client, alice.id)
      const acting = await userTokens(server, client, bertram.id)
      const { hash } = await server.db
        .selectFrom('token')
        .select('hash')
        .where('subject_id', '=', alice.id)
        .where('class', '=', 'access')
        .executeTakeFirstOrThrow()
      for (const value of [idToken, hash]) {
        await expectRefused(delegation(value), 'invalid_request', 'subject_token_unknown')
        await expectRefused(delegation(accessToken, value), 'invalid_request', 'actor_token_unknown')
      }
      // an access token is no ID token
      await expectRefused(
        delegation(accessToken, acting.accessToken, { actor_token_type: tokenType('id_token') }),
        'invalid_request',
        'actor_token_unknown',
      )
      await expectRefused(
        delegation(accessToken, await clientToken(server, client), {
          actor_token_type: tokenType('id_token'),
        }),
        'invalid_request',
        'actor_token_unknown',
      )
    })
  })
}
