/** The demo's comparison: what is as in the samples passes, and each thing altered is found. */
import { describe, expect, test } from 'bun:test'
import { linesOf } from '../lib/commands/demo/audit-checks.ts'
import { compare, type Played } from '../lib/commands/demo/compare.ts'
import { readMail } from '../lib/commands/demo/mail.ts'
import { reporter } from '../lib/commands/demo/report.ts'
import {
  sampleAccessToken,
  sampleAuditLines,
  sampleParties,
  sampleRequest,
  sampleResponse,
  sampleScopes,
  sampleSubjectToken,
} from '../lib/commands/demo/seed.ts'
import { decodeJwt } from '../lib/commands/demo/token-checks.ts'

const { subject, impersonator, client, issuer } = sampleParties
const header = (typ: string) => ({ x5t: 'x', kid: 'k', typ, alg: 'RS256' })

/** The samples themselves, made to be of one impersonation. */
const sample: Played = {
  issuer,
  clientId: client,
  application: 'POSTMAN_SBA',
  subject: { id: subject, userName: 'testuser', email: 'testuser@example.com' },
  impersonator: { id: impersonator, userName: 'Impersonator' },
  redirect: `${sampleRequest.redirectUri}#id_token=a.b.c&session_state=ecfb74cde9f694c1de0905aa40a5f6fc1dd595bdcfd739cbd3dd5b964da53325.1554z-G22KW3pwK_hYhqPw&state=sample_state&subject_token=a.b.c&iss=${encodeURIComponent(issuer)}`,
  response: { ...sampleResponse, access_token: 'a.b.c' },
  subjectToken: { header: header('subject-token+jwt'), claims: { ...sampleSubjectToken } },
  idToken: {
    header: { alg: 'RS256' },
    claims: { sub: impersonator, aud: client, iss: issuer, nonce: sampleRequest.nonce },
  },
  accessToken: { header: header('at+jwt'), claims: { ...sampleAccessToken } },
  mail: {
    headers: new Map([
      ['to', 'testuser@example.com'],
      ['subject', 'User Impersonation Session Started '],
    ]),
    text: 'Hi testuser,\n\nA session for testuser was started on June 18, 2024 at 07:30 AM UTC by Impersonator.',
  },
  auditLines: sampleAuditLines.map((line) =>
    line
      .replaceAll('0fa51985-d36d-4492-9ebd-298f9d68861f', impersonator)
      .replaceAll('49de2b73-5f0b-44db-bf75-6fddec4b058e', subject)
      .replaceAll('luoljDTbHYcfx6YWT_7wsYs67rsa', client)
      .replace('internal_login internal_user_mgt_list internal_user_mgt_view', sampleScopes.join(' ')),
  ),
}

const differing = (played: Played) =>
  compare(played)
    .filter(({ ok }) => !ok)
    .map(({ about, name }) => `${about}: ${name}`)

test('the samples are as in the samples', () => {
  expect(differing(sample)).toEqual([])
  expect(compare(sample).length).toBeGreaterThan(70)
})

test('openid may be in the scope', () => {
  const scope = `${sampleScopes.join(' ')} openid`
  const { header: head, claims } = sample.accessToken
  const response = { ...sample.response, scope }
  expect(
    differing({ ...sample, response, accessToken: { header: head, claims: { ...claims, scope } } }),
  ).toEqual([])
})

const claims = (token: 'subjectToken' | 'accessToken', changes: Record<string, unknown>): Partial<Played> => {
  const all = Object.entries({ ...sample[token].claims, ...changes })
  const kept = Object.fromEntries(all.filter(([, value]) => value !== undefined))
  return { [token]: { header: sample[token].header, claims: kept } }
}
const line = (index: 0 | 1, from: string, to: string): Partial<Played> => ({
  auditLines: sample.auditLines.map((text, at) => (at === index ? text.replace(from, to) : text)),
})
const { access_token, issued_token_type, ...rest } = sample.response
const use = 'audit line of the use'
const change = 'audit line of the change'

describe('what is altered is found', () => {
  const cases: [string, Partial<Played>, string[]][] = [
    [
      'the order of the response',
      { response: { issued_token_type, access_token, ...rest } },
      ['token response: members and their order'],
    ],
    [
      'a refresh token',
      { response: { ...sample.response, refresh_token: 'x' } },
      ['token response: members and their order'],
    ],
    ['the lifetime', { response: { ...sample.response, expires_in: 3599 } }, ['token response: expires_in']],
    ['a scope more', claims('accessToken', { scope: 'internal_login openid' }), ['access token: scope']],
    [
      'act as a string',
      claims('accessToken', { act: JSON.stringify({ sub: impersonator }) }),
      ['access token: act'],
    ],
    ['act of another', claims('accessToken', { act: { sub: subject } }), ['access token: act']],
    [
      'act gone',
      claims('accessToken', { act: undefined }),
      ['access token: names of the claims', 'access token: act'],
    ],
    ['aud as a list', claims('accessToken', { aud: [client] }), ['access token: aud']],
    ['a claim more', claims('subjectToken', { act: {} }), ['subject token: names of the claims']],
    ['may_act of another', claims('subjectToken', { may_act: { sub: 'x' } }), ['subject token: may_act']],
    ['a longer life', claims('subjectToken', { exp: 1718712998 }), ['subject token: exp after iat']],
    [
      'another typ',
      { accessToken: { ...sample.accessToken, header: header('jwt') } },
      ['access token: header typ'],
    ],
    [
      'the order of the redirect',
      { redirect: sample.redirect.replace('state=sample_state&', '').concat('&state=sample_state') },
      ['redirect: parameters and their order'],
    ],
    [
      'the tokens in the query',
      { redirect: sample.redirect.replace('#', '?') },
      ['redirect URI', 'parameters and their order', 'session_state', 'state', 'iss'].map(
        (name) => `redirect: ${name}`,
      ),
    ],
    ['the mail’s subject', { mail: mailWith('subject', 'Hello') }, ['e-mail: subject']],
    [
      'the greeting',
      { mail: { ...sample.mail, text: sample.mail.text.replace('Hi testuser', 'Hi') } },
      ['e-mail: greeting'],
    ],
    [
      'no mail at all',
      { mail: { headers: new Map(), text: '' } },
      [
        'to the impersonated user',
        'subject',
        'greeting',
        'names the account testuser',
        'names the impersonator Impersonator',
        'says when',
      ].map((name) => `e-mail: ${name}`),
    ],
    ['the initiator', line(0, `Initiator=${impersonator}`, `Initiator=${subject}`), [`${use}: initiator`]],
    ['one space before the level', line(0, '  INFO', ' INFO'), [`${use}: level`]],
    ['the date', line(0, '2024-06-03 14', '2024-06-03T14'), [`${use}: form of the date`]],
    ['a suffix on the use', line(0, 'AUTHORIZED', 'AUTHORIZED | Impersonator : x'), [`${use}: suffix`]],
    ['no suffix on the change', line(1, ` | Impersonator : ${impersonator}`, ''), [`${change}: suffix`]],
    [
      'a value unmasked',
      line(1, 'S***n', 'Spain'),
      [`${change}: Data Claims http://wso2.org/claims/country`],
    ],
    [
      'a member gone',
      line(0, ',"httpMethod":"PATCH"', ''),
      [`${use}: names in Data`, `${use}: Data httpMethod`],
    ],
  ]
  test.each(cases)('%s', (_, changes, expected) => {
    expect(differing({ ...sample, ...changes })).toEqual(expected)
  })

  test('no audit lines at all, and lines that are none', () => {
    expect(differing({ ...sample, auditLines: [] }).length).toBeGreaterThan(20)
    expect(differing({ ...sample, auditLines: ['x', 'y'] }).length).toBeGreaterThan(20)
  })

  test('the report says what was wanted and what was found', () => {
    const { comparison, verdict } = reporter((_, text) => text)
    const checks = compare({ ...sample, ...claims('accessToken', { org_name: 'Sub' }) })
    expect(comparison(checks).join('\n')).toContain('✗ org_name\n       wanted Super\n       found  Sub')
    expect(verdict(checks, 1234).join('')).toContain('✗ 1 of')
  })
})

function mailWith(name: string, value: string): Played['mail'] {
  return { ...sample.mail, headers: new Map([...sample.mail.headers, [name, value]]) }
}

test('it takes the last lines of the two actions out of a log', () => {
  const [one = '', two = ''] = sample.auditLines
  const other = two.replace(/ \| Impersonator.*/, '')
  expect(linesOf([two, one, two, other, ''].join('\n'))).toEqual([one, two])
  expect(linesOf('')).toEqual(['', ''])
})

test('it reads a message of several parts, folded and encoded', () => {
  const message = [
    'Subject: a long',
    ' subject',
    'Content-Type: multipart/alternative; boundary="--x"',
    '',
    '----x',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'J=C3=B6rg =',
    'goes on',
    '',
    'last',
    '----x',
    'Content-Type: text/html',
    '',
    '<p>no</p>',
    '----x--',
  ].join('\r\n')
  const { headers, text } = readMail(message)
  expect([headers.get('subject'), text]).toEqual(['a long subject', 'Jörg goes on\n\nlast'])
})

test('it decodes a token without looking at its signature', () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  expect(decodeJwt(`${part({ alg: 'x' })}.${part({ sub: 'ä' })}.`)).toEqual({
    header: { alg: 'x' },
    claims: { sub: 'ä' },
  })
})
