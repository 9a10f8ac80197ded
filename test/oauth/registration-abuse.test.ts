/** What strangers and clients can make of an open registration: nothing costs the server more than it costs them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { type Booted, boot } from '../boot.ts'
import { locationOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { basic, createApplication, logIn } from '../scenario.ts'

const path = '/api/identity/oauth2/dcr/v1.1/register'
const callback = 'https://client.example/cb'
const perHour = 5

interface Registered extends Record<string, unknown> {
  readonly client_id: string
  readonly registration_access_token: string
}

for (const database of databases) {
  describe(`open registration on ${database.name}`, () => {
    let server: Booted
    let documents: ReturnType<typeof Bun.serve>
    let read = 0
    let addresses = 0
    let address = ''
    beforeAll(async () => {
      documents = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch: ({ url }) => {
          read += 1
          return url.endsWith('/list') ? Response.json([callback]) : new Response('', { status: 404 })
        },
      })
      server = await boot(database, {
        toml: `[oauth.dcr]\nauthentication_required = false\nregistrations_per_hour = ${perHour}\n[oauth.outbound]\nallow_private_addresses = true\n`,
      })
    })
    beforeEach(() => {
      read = 0
      addresses += 1
      address = `192.0.2.${addresses}`
    })
    afterAll(async () => {
      await server.stop()
      await documents.stop(true)
    })

    const sector = (name: string) => `http://127.0.0.1:${documents.port}${name}`
    const send = (method: string, body: object, { from = address, token = '', at = path } = {}) =>
      server.request(at, {
        method,
        address: from,
        headers: {
          'Content-Type': 'application/json',
          ...(token === '' ? {} : { Authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ redirect_uris: [callback], ...body }),
      })
    const register = async (body: object = {}): Promise<Registered> => {
      const response = await send('POST', body)
      const client = (await response.json()) as Registered
      expect([response.status, client.error_description]).toEqual([201, undefined])
      return client
    }
    const refused = async (body: object, code = 'invalid_client_metadata') => {
      const response = await send('POST', body)
      const { error } = (await response.json()) as { error: string }
      expect([body, response.status, error]).toEqual([body, 400, code])
    }

    test('documents are read for strangers no more often than they may register', async () => {
      const ask = () => send('POST', { sector_identifier_uri: sector('/missing') })
      const statuses = []
      for (let round = 0; round < perHour + 3; round += 1) statuses.push((await ask()).status)
      expect(statuses).toEqual([...Array(perHour).fill(400), ...Array(3).fill(429)])
      expect(read).toBe(perHour)
      await Promise.all(Array.from({ length: 20 }, ask))
      expect(read).toBe(perHour)
      expect((await send('POST', {})).status).toBe(429)
    })

    test('nor for a client that changes itself', async () => {
      const client = await register()
      const change = () =>
        send(
          'PUT',
          { client_id: client.client_id, sector_identifier_uri: sector('/list') },
          { token: client.registration_access_token, at: `${path}/${client.client_id}` },
        )
      const statuses = []
      for (let round = 0; round < perHour + 1; round += 1) statuses.push((await change()).status)
      expect(statuses).toEqual([...Array(perHour - 1).fill(200), 429, 429])
      expect(read).toBe(perHour - 1)
    })

    test('all addresses of one IPv6 network count as one', async () => {
      const from = (host: string) => send('POST', {}, { from: `2001:db8:1:2:${host}` })
      for (let round = 0; round < perHour; round += 1)
        expect((await from(`${round}::${round}`)).status).toBe(201)
      expect((await from('9:9:9:9')).status).toBe(429)
      expect((await send('POST', {}, { from: '2001:db8:1:3::1' })).status).toBe(201)
    })

    test('an address belongs to who registers it: no scheme without a dot, no frame of another origin', async () => {
      const native = { application_type: 'native' }
      for (const uri of ['myapp:/cb', 'tel:1', 'ms-settings:x', 'intent://x'])
        await refused({ ...native, redirect_uris: [uri] }, 'invalid_redirect_uri')
      for (const uri of ['com.example.app:/out', 'myapp:/out'])
        await refused({ post_logout_redirect_uris: [uri] })
      await refused({ ...native, post_logout_redirect_uris: ['myapp:/out'] })
      for (const uri of ['https://victim.example/logout', 'https://client.example:8443/logout'])
        await refused({ frontchannel_logout_uri: uri })
      await refused({ backchannel_logout_uri: 'https://client.example/logout#here' })
      await register({
        ...native,
        redirect_uris: ['com.example.app:/cb', 'http://127.0.0.1/cb', callback],
        post_logout_redirect_uris: ['com.example.app:/out', 'https://elsewhere.example/out'],
        frontchannel_logout_uri: 'https://client.example/logout?a=b',
      })
    })

    test('the pages for signing in and for consent say that nobody vouches for its name, and where its answer goes', async () => {
      const notice = async (page: Response) =>
        /id="self-registered">(.*?)<\/p>/s.exec(await page.text())?.[1]?.replace(/<[^>]*>/g, '')
      /** What the page for signing in says, and the one for consent. */
      const asks = async (clientId: string) => {
        const browser = newBrowser(server)
        const query = { client_id: clientId, redirect_uri: callback, response_type: 'code', scope: 'openid' }
        const paused = await browser.get(`/oauth2/authorize?${new URLSearchParams(query)}`)
        const login = locationOf(paused)
        const first = await notice(await browser.get(`${login.pathname}${login.search}`))
        const asked = locationOf(await logIn(browser, paused, { userName: 'admin', password: 'admin' }))
        expect(asked.pathname).toBe('/authenticationendpoint/oauth2_authz.do')
        return [first, await notice(await browser.get(`${asked.pathname}${asked.search}`))]
      }
      // the Cyrillic letter that looks like an o
      const stranger = await register({ client_name: 'P\u043ertal' })
      for (const said of await asks(stranger.client_id)) {
        expect(said).toContain('registered itself')
        expect(said).toContain('https://client.example')
      }
      const known = await createApplication(server, {
        name: 'Portal',
        apis: {},
        skipLoginConsent: false,
        oidc: { subjectToken: { enable: false } },
      })
      expect(await asks(known.clientId)).toEqual([undefined, undefined])
    })

    test('no order of steps gives a client a scope for itself that nobody who holds it gave', async () => {
      const scope = 'internal_user_mgt_list'
      const found = await server.send(
        'GET',
        '/api/server/v1/api-resources?filter=identifier%20eq%20/scim2/Users',
      )
      const { apiResources } = (await found.json()) as { apiResources: { id: string }[] }
      const client = await register()
      const own = { token: client.registration_access_token, at: `${path}/${client.client_id}` }
      const self = { client_id: client.client_id, token_endpoint_auth_method: 'client_secret_basic' }
      const tokenFor = async (more: Record<string, string> = {}) => {
        const response = await server.request('/oauth2/token', {
          method: 'POST',
          headers: { Authorization: basic(client.client_id, String(client.client_secret)) },
          body: new URLSearchParams({ grant_type: 'client_credentials', scope, ...more }),
        })
        return (await response.json()) as { error?: string; scope?: string; access_token?: string }
      }
      expect(await tokenFor()).toMatchObject({ error: 'unauthorized_client' })
      // it has the grant, and the scope only in its own words
      const both = { ...self, grant_types: ['authorization_code', 'client_credentials'], scope }
      expect((await send('PUT', both, own)).status).toBe(200)
      const empty = await tokenFor()
      expect([empty.error, empty.scope]).toEqual([undefined, undefined])
      for (const at of ['/scim2/Users', '/api/server/v1/applications', '/scim2/Me'])
        expect(
          (await server.request(at, { headers: { Authorization: `Bearer ${empty.access_token}` } })).status,
        ).toBeOneOf([401, 403])
      // an administrator lets its users have the scope, and the client wants it for itself
      expect((await send('PUT', self, own)).status).toBe(200)
      const row = await server.db
        .selectFrom('application')
        .select('id')
        .where('client_id', '=', client.client_id)
        .executeTakeFirstOrThrow()
      const authorized = await server.send('POST', `/api/server/v1/applications/${row.id}/authorized-apis`, {
        id: apiResources[0]?.id,
        policyIdentifier: 'RBAC',
        scopes: [scope],
      })
      expect(authorized.status).toBe(200)
      expect((await send('PUT', both, own)).status).toBe(403)
      expect(await tokenFor()).toMatchObject({ error: 'unauthorized_client' })
    })

    test('a client that is deleted while it gets tokens leaves none that lives', async () => {
      for (let round = 0; round < 5; round += 1) {
        address = `198.51.100.${database.name.length * 10 + round}`
        const client = await register({ grant_types: ['client_credentials'], response_types: [] })
        const at = `${path}/${client.client_id}`
        const authorization = basic(client.client_id, String(client.client_secret))
        const token = async () => {
          const response = await server.request('/oauth2/token', {
            method: 'POST',
            headers: { Authorization: authorization },
            body: new URLSearchParams({ grant_type: 'client_credentials' }),
          })
          return ((await response.json()) as { access_token?: string }).access_token
        }
        const gone = server.request(at, {
          method: 'DELETE',
          headers: { Authorization: `Bearer ${client.registration_access_token}` },
        })
        await Promise.all([...Array.from({ length: 20 }, token), gone])
        expect((await gone).status).toBeOneOf([204, 503])
        if ((await gone).status !== 204) continue
        const alive = await server.db
          .selectFrom('token')
          .innerJoin('lineage', 'lineage.id', 'token.lineage_id')
          .select('token.id')
          .where('token.client_id', '=', client.client_id)
          .where('lineage.ended_at', 'is', null)
          .execute()
        expect(alive).toEqual([])
      }
    })

    test('no set of keys is stored that would not be read from its URL', async () => {
      const key = { kty: 'RSA', n: 'A'.repeat(342), e: 'AQAB' }
      await refused({ jwks: { keys: [{ ...key, x5c: ['A'.repeat(70_000)] }] } })
      await refused({ jwks: { keys: [key], more: 'A'.repeat(70_000) } })
      await register({ jwks: { keys: [{ ...key, x5c: ['A'.repeat(4_000)] }] } })
    })

    test('what metadata has no word for stays as an administrator set it', async () => {
      const client = await register({ grant_types: ['authorization_code', 'refresh_token'] })
      const row = await server.db
        .selectFrom('application')
        .select('id')
        .where('client_id', '=', client.client_id)
        .executeTakeFirstOrThrow()
      const settings = `/api/server/v1/applications/${row.id}/inbound-protocols/oidc`
      const before = (await (await server.send('GET', settings)).json()) as Record<string, object>
      const kept = {
        allowedOrigins: ['https://client.example'],
        accessToken: { bindingType: 'cookie', accessTokenAttributes: ['email'] },
        refreshToken: { renewRefreshToken: false, extendRenewedRefreshTokenExpiryTime: true },
        idToken: { audience: ['https://api.example'] },
        mayact: { requestedSubjectByParOnly: true },
      }
      const merged = Object.entries(kept).map(([name, value]) => [
        name,
        Array.isArray(value) ? value : { ...before[name], ...value },
      ])
      const put = await server.send('PUT', settings, { ...before, ...Object.fromEntries(merged) })
      expect([put.status, await put.text()]).toEqual([200, ''])
      const own = { token: client.registration_access_token, at: `${path}/${client.client_id}` }
      const changed = await send('PUT', { client_id: client.client_id, ext_user_token_lifetime: 60 }, own)
      expect(changed.status).toBe(200)
      expect(await (await server.send('GET', settings)).json()).toMatchObject({
        ...kept,
        grantTypes: ['authorization_code'],
        accessToken: { ...kept.accessToken, userAccessTokenExpiryInSeconds: 60 },
      })
      // and what it has a word for, and the change leaves out, is the usual again
      expect((await send('PUT', { client_id: client.client_id }, own)).status).toBe(200)
      expect(await (await server.send('GET', settings)).json()).toMatchObject({
        ...kept,
        accessToken: { ...kept.accessToken, userAccessTokenExpiryInSeconds: 3_600 },
      })
    })
  })
}
