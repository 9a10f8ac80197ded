/** Forged tokens: what somebody makes of a good one, and what our own key signed but nobody issued. */
import * as jose from 'jose'
import type { Booted } from '../boot.ts'

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

/** Each made of a good token, with the error that the token exchange has for it. */
export const forgeries: readonly (readonly [
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
  ['an x5u', (token) => theirs(token, { x5u: 'https://elsewhere.example/cert.pem' }), invalid],
  [
    'b64 of false under the old signature',
    (token) => headed(token, { alg: 'RS256', b64: false, crit: ['b64'] }),
    invalid,
  ],
  ['a huge header', (token) => headed(token, { alg: 'RS256', x: 'x'.repeat(30_000) }), invalid],
  ['half a signature', (token) => token.slice(0, -170), invalid],
  ['no signature at all', (token) => token.split('.').slice(0, 2).join('.'), invalid],
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
