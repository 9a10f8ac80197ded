/** What the audit says of an impersonation: the seed's lines, who did it on every row, one row a change, and no secret. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { app } from '../lib/app.ts'
import {
  sampleApplication,
  sampleAuditLines,
  sampleCountry,
  samplePeople,
} from '../lib/commands/demo/seed.ts'
import { startJournal } from '../lib/journal.ts'
import { createLog, type Log } from '../lib/log.ts'
import { type Booted, basic, boot } from './boot.ts'
import { newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import {
  authorizePath,
  createApplication,
  createPerson,
  createRole,
  exchange,
  logIn,
  obtainSubjectToken,
  oidcSettings,
  patchCountry,
  redirectUri,
  type Scenario,
  subjectScopes,
  type TokenResponse,
} from './scenario.ts'

const toml =
  '\n[oauth.grant_type.token_exchange]\nenable = true\nallow_refresh_tokens = true\n[oauth.grant_type.refresh_token]\nreuse_grace = "0s"\n'

describe.each(databases)('the audit of an impersonation on $name', (database) => {
  let server: Booted
  let scenario: Scenario

  beforeAll(async () => {
    server = await boot(database, { toml })
    const impersonator = await createPerson(server, samplePeople.impersonator.userName)
    const subject = await createPerson(server, samplePeople.subject.userName)
    const application = await createApplication(server, { name: sampleApplication })
    const { applicationId } = application
    const impersonatorRole = await createRole(server, {
      name: 'ImpersonatorRole',
      applicationId,
      permissions: ['internal_user_impersonate'],
      member: impersonator.id,
    })
    const subjectRole = await createRole(server, {
      name: 'EndUserRole',
      applicationId,
      permissions: subjectScopes,
      member: subject.id,
    })
    scenario = { impersonator, subject, ...application, impersonatorRole, subjectRole }
  })
  afterAll(() => server.stop())

  const rowsSince = async (known: number) => (await server.audit()).slice(known)

  test("the seed's two sample lines are reproduced field by field from the same actions", async () => {
    const tokens = await obtainSubjectToken(server, scenario)
    const answer = await exchange(server, scenario, tokens, {
      scope: 'internal_login internal_user_mgt_list internal_user_mgt_view',
    })
    expect(answer.status).toBe(200)
    const { access_token } = (await answer.json()) as TokenResponse
    expect((await patchCountry(server, access_token, sampleCountry)).status).toBe(200)
    const file = join(server.directory, 'seed', 'audit.log')
    const journal = startJournal(server.db, file, createLog({ level: 'silent', format: 'text' }))
    await journal.flush()
    await journal.stop()
    const written = readFileSync(file, 'utf8').split('\n').slice(-3, -1)
    const parts = /^TID: \[-1234\] \[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] \[([\w-]{36})\] {2}INFO /
    const expected = sampleAuditLines.map((line, index) => {
      const [, at = '', trace = ''] = parts.exec(written[index] ?? '') ?? []
      return line
        .replace(/\[2024-06-03 [^\]]+\] \[[\w-]{36}\]/, `[${at}] [${trace}]`)
        .replaceAll('0fa51985-d36d-4492-9ebd-298f9d68861f', scenario.impersonator.id)
        .replaceAll('49de2b73-5f0b-44db-bf75-6fddec4b058e', scenario.subject.id)
        .replaceAll('luoljDTbHYcfx6YWT_7wsYs67rsa', scenario.clientId)
    })
    expect(written).toEqual(expected)
    // both of one request
    expect(parts.exec(written[0] ?? '')?.[2]).toBe(parts.exec(written[1] ?? '')?.[2] ?? '')
  })

  test('(Q4) every later event of an impersonation names the impersonator: use, refresh, refusal, revocation', async () => {
    const known = (await server.audit()).length
    const answer = await exchange(server, scenario, await obtainSubjectToken(server, scenario))
    const tokens = (await answer.json()) as TokenResponse & { refresh_token?: string }
    const ask = (path: string, fields: Record<string, string>) =>
      server.request(path, {
        method: 'POST',
        body: new URLSearchParams(fields),
        headers: { Authorization: basic(scenario.clientId, scenario.clientSecret) },
      })
    const refreshed = await ask('/oauth2/token', {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token ?? '',
    })
    expect(refreshed.status).toBe(200)
    const newer = (await refreshed.json()) as TokenResponse & { refresh_token?: string }
    expect((await patchCountry(server, newer.access_token, 'Norway')).status).toBe(200)
    // spent already: the family ends
    expect(
      (await ask('/oauth2/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }))
        .status,
    ).toBe(400)
    const rows = (await rowsSince(known)).filter(({ event }) => !event.startsWith('login'))
    expect(rows.map(({ event }) => event)).toEqual([
      'subject-token-issued',
      'impersonated-token-issued',
      'token-refreshed',
      'resource-modification-via-impersonation',
      'user-claims-changed',
      'refresh-token-reused',
    ])
    for (const { event, actor_id, subject_id, impersonation_id } of rows)
      expect([event, actor_id, subject_id, impersonation_id]).toEqual([
        event,
        scenario.impersonator.id,
        scenario.subject.id,
        expect.any(String),
      ])
  })

  test('(Q12) no row of an impersonated request is without its impersonator, and its lines end in him', async () => {
    const rows = await server.audit()
    const used = rows.filter(({ event }) => event.endsWith('-via-impersonation'))
    expect(used.length).toBeGreaterThan(1)
    const traces = new Set(used.map(({ trace_id }) => trace_id))
    const ofThem = rows.filter(({ trace_id }) => traces.has(trace_id))
    expect(ofThem.length).toBeGreaterThan(used.length)
    expect(ofThem.filter(({ actor_id }) => actor_id !== scenario.impersonator.id)).toEqual([])
    const lines = readFileSync(join(server.directory, 'seed', 'audit.log'), 'utf8')
    for (const line of lines.split('\n').filter((one) => one.includes(' Action=Set-User-Claim-Values ')))
      expect(line).toEndWith(` | Impersonator : ${scenario.impersonator.id}`)
  })

  test('(Q9) a client’s mistake has its exact error, one line of the log and no stack trace', async () => {
    const lines: { level: string; details: unknown; message: unknown }[] = []
    const at = (level: string) => (details: unknown, message: unknown) => {
      lines.push({ level, details, message })
    }
    const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    // pino's methods have overloads that nothing here uses
    const other = app({ ...server, config: server.config, log: log as unknown as Log })
    const beside = {
      request: (path: string, init: RequestInit = {}) =>
        other.fetch(
          new Request(new URL(path, 'https://localhost:9443').href, { redirect: 'manual', ...init }),
          '127.0.0.1',
        ),
    }
    const tokens = await obtainSubjectToken(server, scenario)
    const mistakes: [Record<string, string | undefined>, number, string][] = [
      [{ actor_token: undefined, actor_token_type: undefined }, 400, 'invalid_request'],
      [{ subject_token: 'x.y.z' }, 400, 'invalid_request'],
      [{ subject_token: undefined }, 400, 'invalid_request'],
      [{ grant_type: 'nothing' }, 400, 'unsupported_grant_type'],
      [{ requested_token_type: 'nothing' }, 400, 'invalid_request'],
    ]
    for (const [changes, status, error] of mistakes) {
      lines.length = 0
      const answer = await exchange(beside, scenario, tokens, changes)
      const said = (await answer.json()) as { error: string; error_description?: string }
      expect([changes, answer.status, said.error]).toEqual([changes, status, error])
      expect(lines.map(({ level }) => level)).toEqual(['info'])
      expect(JSON.stringify(lines)).not.toMatch(/at .*\.ts:\d+|"stack"/)
    }
    lines.length = 0
    setSystemTime(new Date(Date.now() + 200_000))
    try {
      const late = await exchange(beside, scenario, tokens)
      expect([late.status, await late.json()]).toMatchObject([
        400,
        {
          error: 'invalid_request',
          error_description: expect.stringMatching(/^JSON Web Token is expired\./),
        },
      ])
      expect(lines.map(({ level }) => level)).toEqual(['info'])
    } finally {
      setSystemTime()
    }
  })

  test('nothing that was issued or typed as a secret is in any row, whatever was done with it', async () => {
    const secrets = new Map<string, string>([
      ['the administrator’s password', basic('admin', 'admin').slice(6)],
    ])
    const keep = (name: string, value: unknown) => {
      expect([name, typeof value === 'string' && value.length > 5]).toEqual([name, true])
      const text = String(value)
      const [, payload, signature] = text.split('.')
      secrets.set(name, text)
      if (payload && signature) {
        secrets.set(`${name}, its payload`, payload)
        secrets.set(`${name}, its signature`, signature)
      }
    }
    const person = await createPerson(server, 'Secretive')
    const change = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', value: { password: 'Another@Secret9', nickName: 'unmasked nick' } }],
    }
    expect((await server.send('PATCH', `/scim2/Users/${person.id}`, change)).status).toBe(200)
    keep('first password', person.password)
    keep('new password', 'Another@Secret9')
    const failed = await server.send('GET', '/scim2/Me', undefined, {
      Authorization: basic('Secretive', 'Mistyped@Secret8'),
    })
    expect(failed.status).toBe(401)
    keep('mistyped password', 'Mistyped@Secret8')
    keep('client secret', scenario.clientSecret)
    const { applicationId, clientId } = await createApplication(server, {
      name: 'Secretive',
      oidc: {
        grantTypes: [
          ...oidcSettings.grantTypes,
          'client_credentials',
          'urn:ietf:params:oauth:grant-type:device_code',
        ],
      },
    })
    const regenerated = await server.send(
      'POST',
      `/api/server/v1/applications/${applicationId}/inbound-protocols/oidc/regenerate-secret`,
    )
    expect(regenerated.status).toBe(200)
    const { clientSecret } = (await regenerated.json()) as { clientSecret: string }
    keep('regenerated secret', clientSecret)
    const authorization = basic(clientId, clientSecret)
    const post = async (path: string, fields: Record<string, string>) => {
      const response = await server.request(path, {
        method: 'POST',
        body: new URLSearchParams(fields),
        headers: { Authorization: authorization },
      })
      return (await response.json()) as Record<string, unknown>
    }
    keep('client’s token', (await post('/oauth2/token', { grant_type: 'client_credentials' })).access_token)
    const device = await post('/oauth2/device_authorize', { scope: 'openid' })
    keep('device code', device.device_code)
    keep('user code', device.user_code)
    const browser = newBrowser(server)
    const asked = { clientId, subject: scenario.subject }
    const query = { response_type: 'code', scope: 'openid', requested_subject: undefined }
    const signedIn = await logIn(browser, await browser.get(authorizePath(asked, query)), {
      ...person,
      password: 'Another@Secret9',
    })
    const code = new URL(signedIn.headers.get('location') ?? '').searchParams.get('code') ?? ''
    keep('code', code)
    for (const cookie of signedIn.headers.getSetCookie()) {
      const [, value = ''] = /=([^;]*)/.exec(cookie) ?? []
      if (value.length > 16) keep(`cookie ${cookie.split('=')[0]}`, value)
    }
    const granted = await post('/oauth2/token', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
    })
    for (const name of ['access_token', 'refresh_token', 'id_token']) keep(name, granted[name])
    const newer = await post('/oauth2/token', {
      grant_type: 'refresh_token',
      refresh_token: String(granted.refresh_token),
    })
    keep('refreshed refresh token', newer.refresh_token)
    await post('/oauth2/token', { grant_type: 'refresh_token', refresh_token: String(granted.refresh_token) })
    await post('/oauth2/token', { grant_type: 'authorization_code', code, redirect_uri: redirectUri })
    await server.request('/oauth2/revoke', {
      method: 'POST',
      body: new URLSearchParams({ token: String(newer.access_token) }),
      headers: { Authorization: authorization },
    })
    const impersonation = await obtainSubjectToken(server, scenario)
    keep('subject token', impersonation.subjectToken)
    keep('actor token', impersonation.idToken)
    const exchanged = (await (await exchange(server, scenario, impersonation)).json()) as Record<
      string,
      unknown
    >
    for (const name of ['access_token', 'refresh_token']) keep(`impersonated ${name}`, exchanged[name])
    const registered = await server.send('POST', '/api/identity/oauth2/dcr/v1.1/register', {
      client_name: 'Registered',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code'],
    })
    expect(registered.status).toBe(201)
    const client = (await registered.json()) as Record<string, unknown>
    keep('registered secret', client.client_secret)
    if (client.registration_access_token) keep('registration access token', client.registration_access_token)
    expect(secrets.size).toBeGreaterThan(25)
    const rows = await server.db.selectFrom('audit').selectAll().execute()
    const whole = rows.map((row) => JSON.stringify(row)).join('\n')
    expect([...secrets].filter(([, secret]) => whole.includes(secret)).map(([name]) => name)).toEqual([])
    expect(whole).not.toContain('unmasked nick')
  })
})
