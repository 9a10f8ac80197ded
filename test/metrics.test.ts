/** /metrics: its format, its closed list of labels, and who may read it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { routeNames } from '../lib/commands/route-names.ts'
import { startTelemetry, type Telemetry } from '../lib/commands/telemetry.ts'
import { parse } from '../lib/config.ts'
import { startJournal } from '../lib/journal.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { authorizePath, createApplication, createPerson, impersonate, logIn, setUp } from './scenario.ts'

const log = createLog({ level: 'silent', format: 'text' })
type Access = 'loopback' | 'everybody' | 'off'

for (const database of databases) {
  describe(`metrics on ${database.name}`, () => {
    let server: Booted
    let telemetry: Telemetry
    let access: Access = 'loopback'
    let metricsToken: string | undefined
    const ask = (
      path: string,
      peer = '127.0.0.1',
      headers: Record<string, string> = {},
      init: RequestInit = {},
    ) => {
      const request = new Request(`${origin}${path}`, {
        redirect: 'manual',
        ...init,
        headers: { host: 'localhost:9443', ...Object.fromEntries(new Headers(init.headers)), ...headers },
      })
      return telemetry.observe(request, peer, () => server.app.fetch(request, peer))
    }
    const numberAt = (text: string, series: string) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.split(' ')
          .at(-1) ?? Number.NaN,
      )

    beforeAll(async () => {
      server = await boot(database)
      const { routes } = server.app
      telemetry = startTelemetry(
        { db: server.db, log, access: () => access, token: () => metricsToken },
        () => routes,
      )
    })
    afterAll(async () => {
      telemetry.stop()
      await server.stop()
    })

    test('it counts a flow, its audit events and what waits', async () => {
      const before = await (await ask('/metrics')).text()
      const through = { request: (path: string, init: RequestInit = {}) => ask(path, '127.0.0.1', {}, init) }
      await impersonate(through, await setUp(through))
      const waiting = await (await ask('/metrics')).text()
      const journal = startJournal(server.db, `${server.directory}/audit.log`, log)
      await journal.stop()
      const after = await (await ask('/metrics')).text()
      const grew = (series: string) => (numberAt(after, series) || 0) - (numberAt(before, series) || 0)

      const issued =
        'mayact_http_requests_total{door="oauth",route="/oauth2/token",method="POST",status="200"}'
      expect(grew(issued)).toBe(1)
      expect(grew('mayact_token_requests_total{result="issued"}')).toBe(1)
      expect(grew('mayact_audit_events_total{action="impersonated-token-issued",outcome="Success"}')).toBe(1)
      expect(grew('mayact_commits_total{outcome="committed"}')).toBeGreaterThan(5)
      expect(numberAt(waiting, 'mayact_audit_rows_without_line')).toBeGreaterThan(2)
      expect(numberAt(after, 'mayact_audit_rows_without_line')).toBe(0)
      expect(numberAt(after, 'mayact_outbox_backlog')).toBe(1)
      expect(numberAt(after, 'process_resident_memory_bytes')).toBeGreaterThan(1e6)
      expect(after).toContain('mayact_build_info{version="')
      const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
      expect(grew(`mayact_tokens_issued_total{grant="${grant}"}`)).toBe(1)
      expect(numberAt(after, 'mayact_impersonations_live')).toBe(1)
      expect(numberAt(after, 'mayact_outbox_failed')).toBe(0)
      expect(grew('mayact_database_seconds_count{operation="commit"}')).toBeGreaterThan(5)
      expect(grew('mayact_database_seconds_count{operation="read"}')).toBeGreaterThan(5)
      const token = 'door="oauth",route="/oauth2/token"'
      expect(grew(`mayact_http_request_duration_seconds_count{${token}}`)).toBe(1)
    })

    test('a refusal is counted by the validator that made it', async () => {
      const series =
        'mayact_impersonation_refusals_total{validator="ImpersonatorPermissionValidator",phase="authorize"}'
      const refusals = async () => numberAt(await (await ask('/metrics')).text(), series) || 0
      const before = await refusals()
      const scenario = await createApplication(server, { name: 'Nobody may here' })
      const [impersonator, subject] = [
        await createPerson(server, 'nobody1'),
        await createPerson(server, 'nobody2'),
      ]
      const browser = server.browser()
      const first = await browser.get(authorizePath({ ...scenario, subject }))
      await logIn(browser, first, impersonator)
      expect(await refusals()).toBe(before + 1)
    })

    test('whoever has the configured token may read from anywhere, and nobody with another one', async () => {
      const from = (authorization: string) => ask('/metrics', '203.0.113.9', { authorization })
      expect((await from('Bearer a-token-of-some-length')).status).toBe(404)
      metricsToken = 'a-token-of-some-length'
      expect((await from('Bearer a-token-of-some-length')).status).toBe(200)
      expect((await from('Bearer a-token-of-some-lengtx')).status).toBe(404)
      expect((await from('Bearer ')).status).toBe(404)
      expect((await from('Basic a-token-of-some-length')).status).toBe(404)
      metricsToken = undefined
    })

    test('a login that fails is counted whoever it was', async () => {
      const failures = async () =>
        numberAt(await (await ask('/metrics')).text(), 'mayact_login_failures_total')
      const before = await failures()
      const authorization = `Basic ${btoa('nobody:known')}`
      expect((await ask('/scim2/Users', '127.0.0.1', { authorization })).status).toBe(401)
      expect(await failures()).toBe(before + 1)
    })

    test('it is the text format, and no request makes a series of its own', async () => {
      const lines = async () => (await (await ask('/metrics')).text()).trimEnd().split('\n')
      await ask('/first/unknown')
      const before = await lines()
      for (let n = 0; n < 50; n += 1) {
        await ask(`/unknown/${n}`)
        await ask(`/scim2/v2/Roles/${crypto.randomUUID()}`, '127.0.0.1', {}, { method: 'GET' })
      }
      await ask('/unknown', '127.0.0.1', {}, { method: 'PROPFIND' })
      expect((await lines()).length - before.length).toBeLessThan(4)
      const grammar =
        /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [\d.e+-]+)$/
      expect(before.filter((line) => !grammar.test(line))).toEqual([])
    })

    test('it is for this machine only, unless the configuration says otherwise', async () => {
      const status = async (...rest: [string?, Record<string, string>?]) =>
        (await ask('/metrics', ...rest)).status
      expect(await status('127.0.0.1')).toBe(200)
      expect(await status('::ffff:127.0.0.1')).toBe(200)
      expect(await status('192.0.2.7')).toBe(404)
      expect(await status('127.0.0.1', { 'x-forwarded-for': '192.0.2.7' })).toBe(404)
      expect(await status('127.0.0.1', { host: 'login.example.com' })).toBe(421)
      access = 'everybody'
      expect(await status('192.0.2.7')).toBe(200)
      access = 'off'
      expect(await status('127.0.0.1')).toBe(404)
      access = 'loopback'
    })
  })
}

test('a route is named by its pattern', () => {
  const nameOf = routeNames(['/*', '/oauth2/token', '/scim2/Users/:id', '/api/a/:name/b'])
  expect(nameOf('/oauth2/token')).toEqual({ door: 'oauth', route: '/oauth2/token' })
  expect(nameOf('/t/carbon.super/oauth2/token').route).toBe('/oauth2/token')
  expect(nameOf('/scim2/Users/42').route).toBe('/scim2/Users/:id')
  expect(nameOf('/api/a/anything/b').route).toBe('/api/a/:id/b')
  expect(nameOf('/api/a/anything/c').route).toBe('other')
})

test('a route is named so also where a proxy hands the path on that it publishes us under', () => {
  const nameOf = routeNames(['/oauth2/token', '/scim2/Users/:id'], '/sso')
  for (const before of ['', '/sso'])
    expect(nameOf(`${before}/oauth2/token`)).toEqual({ door: 'oauth', route: '/oauth2/token' })
  expect(nameOf('/sso/t/carbon.super/scim2/Users/42').route).toBe('/scim2/Users/:id')
  for (const path of ['/sso', '/sso/sso/oauth2/token', '/ssooauth2/token', '/other/oauth2/token'])
    expect([path, nameOf(path).route]).toEqual([path, 'other'])
})

test('the key takes three words', () => {
  const read = (toml: string) => parse(toml, '/srv/deployment.toml', { variables: {} }).config.server.metrics
  expect([read(''), read('[server]\nmetrics = "off"'), read('[server]\nmetrics = "everybody"')]).toEqual([
    'loopback',
    'off',
    'everybody',
  ])
  expect(() => read('[server]\nmetrics = "world"')).toThrow('server.metrics')
})
