/** Which scripts of other origins may read what; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { admin, basic, createApplication } from '../scenario.ts'

const spa = 'https://spa.example'
const corsHeaders = (response: Response) =>
  Object.fromEntries([...response.headers].filter(([name]) => name.startsWith('access-control-')))

for (const database of databases) {
  describe(`cross-origin requests on ${database.name}`, () => {
    let server: Booted
    let client: Awaited<ReturnType<typeof createApplication>>
    beforeAll(async () => {
      server = await boot(database)
      client = await createApplication(server, {
        name: 'single page',
        apis: {},
        oidc: {
          allowedOrigins: [spa, 'http://localhost:5173'],
          grantTypes: ['authorization_code', 'client_credentials'],
          subjectToken: { enable: false },
        },
      })
    })
    afterAll(() => server.stop())

    const ask = (
      method: string,
      path: string,
      origin: string | undefined,
      headers: Record<string, string> = {},
    ) =>
      server.request(path, {
        method,
        headers: { ...(origin === undefined ? {} : { Origin: origin }), ...headers },
      })
    const preflight = (path: string, origin: string) =>
      ask('OPTIONS', path, origin, {
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,dpop',
      })

    const forApplications = [
      '/oauth2/token',
      '/oauth2/userinfo',
      '/oauth2/revoke',
      '/oauth2/par',
      '/scim2/Me',
      '/api/server/v1/applications',
    ]
    const forEverybody = [
      '/oauth2/jwks',
      '/oauth2/token/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server/oauth2/token',
      '/.well-known/oauth-protected-resource/scim2',
    ]
    const forNobody = [
      '/oauth2/authorize',
      '/oauth2/introspect',
      '/oauth2/device_authorize',
      '/oidc/logout',
      '/oidc/checksession',
      '/commonauth',
      '/authenticationendpoint/login.do',
      '/api/identity/oauth2/dcr/v1.1/register',
      '/health/live',
    ]

    test('an origin that an application lists may call what single-page applications need, without cookies', async () => {
      for (const path of forApplications) {
        for (const origin of [spa, 'http://localhost:5173']) {
          const allowed = await preflight(path, origin)
          expect([path, allowed.status, await allowed.text()]).toEqual([path, 204, ''])
          expect(corsHeaders(allowed)).toEqual({
            'access-control-allow-origin': origin,
            'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
            'access-control-allow-headers': 'Authorization, Content-Type, Accept, DPoP, activityid',
            'access-control-expose-headers':
              'WWW-Authenticate, DPoP-Nonce, Location, Retry-After, activityid',
            'access-control-max-age': '600',
          })
          expect(allowed.headers.get('vary')).toBe('Origin')
          const answered = await ask('GET', path, origin)
          expect(answered.headers.get('access-control-allow-origin')).toBe(origin)
          expect(answered.headers.get('vary')).toContain('Origin')
          expect(answered.headers.has('access-control-allow-credentials')).toBeFalse()
        }
      }
    })

    test('the answer itself has the headers, good or bad', async () => {
      const token = (secret: string) =>
        server.request('/oauth2/token', {
          method: 'POST',
          headers: { Origin: spa, Authorization: basic(client.clientId, secret) },
          body: new URLSearchParams({ grant_type: 'client_credentials' }),
        })
      const [good, bad] = [await token(client.clientSecret), await token('wrong')]
      expect([good.status, bad.status]).toEqual([200, 401])
      for (const response of [good, bad])
        expect(response.headers.get('access-control-allow-origin')).toBe(spa)
    })

    test('an origin that nobody lists gets no header, and the answer is what it was', async () => {
      for (const origin of [
        'https://evil.example',
        'null',
        'https://spa.example.evil.example',
        'https://spa.example:8443',
        'http://spa.example',
        'HTTPS://SPA.EXAMPLE',
        'https://spa.example/',
        `${spa}, https://evil.example`,
        '*',
        'x'.repeat(65_536),
      ]) {
        for (const path of forApplications) {
          const [before, request] = [await preflight(path, origin), await ask('GET', path, origin)]
          expect([path, corsHeaders(before), corsHeaders(request)]).toEqual([path, {}, {}])
          expect([before.status, before.headers.get('vary')]).toEqual([204, 'Origin'])
          expect(request.headers.get('vary')).toContain('Origin')
        }
      }
    })

    test('without an origin there is no header', async () => {
      for (const path of forApplications) expect(corsHeaders(await ask('GET', path, undefined))).toEqual({})
    })

    test('public documents may be read from everywhere', async () => {
      for (const path of forEverybody) {
        const response = await ask('GET', path, 'https://anything.example')
        expect([path, response.status, corsHeaders(response)]).toEqual([
          path,
          200,
          { 'access-control-allow-origin': '*' },
        ])
        expect(
          corsHeaders(await preflight(path, 'https://anything.example'))['access-control-allow-methods'],
        ).toBe('GET')
      }
    })

    test('pages, cookies’ endpoints and registration are read by nobody else’s script', async () => {
      for (const path of forNobody) {
        expect([path, corsHeaders(await ask('GET', path, spa))]).toEqual([path, {}])
        expect([path, corsHeaders(await preflight(path, spa))]).toEqual([path, {}])
      }
    })

    test('the same path in other letters is read by nobody else’s script either', async () => {
      for (const path of [
        '/api/identity/oauth2/%64cr/v1.1/register',
        '/api/identity/%6fauth2/dcr/v1.1/register',
        '/oauth2/%69ntrospect',
        '/t/carbon.super/api/identity/oauth2/%64cr/v1.1/register',
      ]) {
        expect([path, corsHeaders(await ask('GET', path, spa))]).toEqual([path, {}])
        expect([path, corsHeaders(await preflight(path, spa))]).toEqual([path, {}])
      }
    })

    test('without a database the endpoint says so itself, and nobody’s script reads it', async () => {
      const stopped = await boot(database)
      await stopped.stop()
      for (const path of ['/oauth2/token', '/api/server/v1/applications']) {
        const response = await stopped.request(path, { headers: { Origin: spa, Authorization: admin } })
        expect([path, response.headers.has('activityid'), corsHeaders(response)]).toEqual([path, true, {}])
      }
    })

    test('an application that is switched off, or lists it no longer, takes its origins with it at once', async () => {
      const { applicationId } = await createApplication(server, {
        name: 'passing',
        apis: {},
        oidc: { allowedOrigins: ['https://passing.example'], subjectToken: { enable: false } },
      })
      const isAllowed = async () =>
        (await preflight('/oauth2/token', 'https://passing.example')).headers.has(
          'access-control-allow-origin',
        )
      const application = `/api/server/v1/applications/${applicationId}`
      expect(await isAllowed()).toBeTrue()
      await server.send('PATCH', application, { applicationEnabled: false })
      expect(await isAllowed()).toBeFalse()
      await server.send('PATCH', application, { applicationEnabled: true })
      expect(await isAllowed()).toBeTrue()
      const oidc = `${application}/inbound-protocols/oidc`
      const settings = (await (await server.send('GET', oidc)).json()) as object
      expect((await server.send('PUT', oidc, { ...settings, allowedOrigins: [] })).status).toBe(200)
      expect(await isAllowed()).toBeFalse()
    })

    test('only an origin can be listed: no path, no pattern, no plain http of others', async () => {
      for (const bad of [
        '*',
        'null',
        'https://spa.example/',
        'https://*.example',
        'http://spa.example',
        'spa.example',
        'https://SPA.example',
        'https://a@spa.example',
        '',
      ]) {
        const response = await server.send(
          'POST',
          '/api/server/v1/applications',
          {
            name: `lists ${bad}.`,
            inboundProtocolConfiguration: {
              oidc: { grantTypes: ['client_credentials'], allowedOrigins: [bad] },
            },
          },
          { Authorization: admin },
        )
        expect([bad, response.status, ((await response.json()) as { code: string }).code]).toEqual([
          bad,
          400,
          'OAUTH-60001',
        ])
      }
    })
  })
}
