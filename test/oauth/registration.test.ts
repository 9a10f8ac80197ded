/** Clients that register themselves (RFC 7591, RFC 7592, OpenID Connect Registration), on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { hashOf } from '../../lib/tokens/token.ts'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { operator, stateOf } from '../management.ts'
import { nothingElse } from '../nothing-else.ts'
import { basic, createApplication, impersonate, setUp, tokenExchange } from '../scenario.ts'

const path = '/api/identity/oauth2/dcr/v1.1/register'
const callback = 'https://client.example/cb'

interface Registered extends Record<string, unknown> {
  readonly client_id: string
  readonly client_secret: string
  readonly registration_access_token: string
  readonly registration_client_uri: string
  readonly client_name: string
}

const publicKey = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
}

for (const database of databases) {
  describe(`registration on ${database.name}`, () => {
    let server: Booted
    let open: Booted
    let documents: ReturnType<typeof Bun.serve>
    const served = new Map<string, unknown>()
    beforeAll(async () => {
      documents = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch: (request) => {
          const { pathname } = new URL(request.url)
          if (pathname === '/redirect') return Response.redirect('/list', 302)
          return served.has(pathname)
            ? Response.json(served.get(pathname))
            : new Response('', { status: 404 })
        },
      })
      server = await boot(database)
      open = await boot(database, {
        toml: '[oauth.dcr]\nauthentication_required = false\n[oauth.outbound]\nallow_private_addresses = true\n',
      })
    })
    afterAll(async () => {
      await Promise.all([server.stop(), open.stop()])
      await documents.stop(true)
    })

    let names = 0
    const nextName = () => {
      names += 1
      return `client ${names}`
    }
    const registerAt = async (
      at: Booted,
      body: object,
      headers?: Record<string, string>,
    ): Promise<Registered> => {
      const response = await at.send(
        'POST',
        path,
        { redirect_uris: [callback], client_name: nextName(), ...body },
        headers,
      )
      const registered = (await response.json()) as Registered
      expect([response.status, registered.error_description]).toEqual([201, undefined])
      return registered
    }
    const register = (body: object = {}) => registerAt(server, body)
    const refused = async (
      at: Booted,
      body: object,
      code: string,
      text?: RegExp,
      headers?: Record<string, string>,
    ) => {
      const before = await stateOf(at)
      const response = await at.send(
        'POST',
        path,
        { redirect_uris: [callback], client_name: nextName(), ...body },
        headers,
      )
      const answer = (await response.json()) as Record<string, string>
      expect([response.status, answer.error]).toEqual([400, code])
      expect(Object.keys(answer).sort()).toEqual(['error', 'error_description', 'traceId'])
      if (text) expect(answer.error_description).toMatch(text)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await stateOf(at)).toEqual(before)
    }
    const manage = (
      method: string,
      client: Registered,
      body?: object,
      token = client.registration_access_token,
      at = server,
    ) =>
      at.send(method, new URL(client.registration_client_uri).pathname, body, {
        Authorization: `Bearer ${token}`,
      })
    const applicationOf = async (client: Registered, at = server) =>
      at.db.selectFrom('application').selectAll().where('client_id', '=', client.client_id).executeTakeFirst()
    const grantImpersonation = async (client: Registered) => {
      const row = await applicationOf(client)
      const settings = `/api/server/v1/applications/${row?.id}/inbound-protocols/oidc`
      const current = (await (await server.send('GET', settings)).json()) as {
        grantTypes: string[]
        callbackURLs: string[]
      }
      const changed = await server.send('PUT', settings, {
        ...current,
        grantTypes: [...current.grantTypes, tokenExchange],
        subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: 180 },
      })
      expect([changed.status, await changed.text()]).toEqual([200, ''])
      return { settings, seen: current.callbackURLs }
    }

    test('a client registers with redirect URIs alone and gets the defaults of the specifications', async () => {
      const { result: response, changes } = await nothingElse(
        server.db,
        { application: { added: 1 }, audit: { added: 1 }, revision: { changed: 1 } },
        () => server.send('POST', path, { redirect_uris: [callback], client_name: 'the first' }),
      )
      expect(response.status).toBe(201)
      expect(response.headers.get('cache-control')).toBe('no-store')
      const client = (await response.json()) as Registered
      expect(client).toMatchObject({
        client_secret_expires_at: 0,
        client_name: 'the first',
        redirect_uris: [callback],
        response_types: ['code'],
        grant_types: ['authorization_code'],
        token_endpoint_auth_method: 'client_secret_basic',
        application_type: 'web',
        subject_type: 'public',
        registration_client_uri: `https://localhost:9443${path}/${client.client_id}`,
      })
      expect(client.client_id_issued_at).toBeWithin(Date.now() / 1000 - 60, Date.now() / 1000 + 1)
      const [row] = changes.added.application ?? []
      expect(row?.registration_hash).toBe(hashOf(client.registration_access_token))
      expect(JSON.stringify(changes)).not.toContain(client.client_secret)
      expect(JSON.stringify(changes)).not.toContain(client.registration_access_token)
      const last = (await server.audit()).at(-1)
      expect(last).toMatchObject({ event: 'client-registered', target: row?.id, application_id: row?.id })
    })

    test('everything that a client may say of itself is stored and answered', async () => {
      const metadata = {
        redirect_uris: [callback, 'https://client.example/other'],
        post_logout_redirect_uris: ['https://client.example/out'],
        response_types: ['code', 'id_token code', 'token id_token'],
        grant_types: ['authorization_code', 'implicit', 'refresh_token'],
        contacts: ['someone@client.example'],
        logo_uri: 'https://client.example/logo.png',
        client_uri: 'https://client.example/',
        policy_uri: 'https://client.example/policy',
        tos_uri: 'https://client.example/tos',
        jwks: { keys: [publicKey] },
        scope: 'openid profile',
        software_id: 'software',
        software_version: '1.0',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        id_token_signed_response_alg: 'RS256',
        userinfo_signed_response_alg: 'RS256',
        introspection_signed_response_alg: 'RS256',
        authorization_signed_response_alg: 'RS256',
        request_object_signing_alg: 'ES256',
        request_uris: ['https://client.example/request#part'],
        require_signed_request_object: true,
        require_pushed_authorization_requests: true,
        dpop_bound_access_tokens: true,
        tls_client_certificate_bound_access_tokens: false,
        default_max_age: 60,
        require_auth_time: true,
        default_acr_values: ['urn:a'],
        initiate_login_uri: 'https://client.example/login',
        backchannel_logout_uri: 'https://client.example/back',
        backchannel_logout_session_required: true,
        frontchannel_logout_uri: 'https://client.example/front',
        frontchannel_logout_session_required: true,
        ext_pkce_mandatory: true,
        ext_token_type: 'JWT',
        ext_user_token_lifetime: 600,
        unknown_thing: 'ignored',
      }
      const client = await register(metadata)
      const { unknown_thing: _, ...kept } = metadata
      const stored = { ...kept, response_types: ['code', 'code id_token', 'id_token token'] }
      expect(client).toMatchObject(stored)
      expect(client).not.toHaveProperty('client_secret')
      expect(client).not.toHaveProperty('unknown_thing')
      const read = await manage('GET', client)
      expect([read.status, await read.json()]).toEqual([200, client])
      const row = await applicationOf(client)
      const settings = await server.send(
        'GET',
        `/api/server/v1/applications/${row?.id}/inbound-protocols/oidc`,
      )
      const oidc = (await settings.json()) as Record<string, unknown>
      expect(oidc).toMatchObject({
        hybridFlow: { enable: true, responseType: 'code id_token' },
        clientAuthentication: { tokenEndpointAuthMethod: 'private_key_jwt' },
        logout: { backChannelLogoutUrl: 'https://client.example/back' },
        pushAuthorizationRequest: { requirePushAuthorizationRequest: true },
        mayact: { redirectUris: ['https://client.example/other'], dpopBoundAccessTokens: true },
      })
      // what a client registered can be saved by the management API as it is
      const path_ = `/api/server/v1/applications/${row?.id}/inbound-protocols/oidc`
      expect((await server.send('PUT', path_, oidc)).status).toBe(200)
    })

    test('redirect URIs that lead elsewhere or nowhere are invalid_redirect_uri', async () => {
      const bad: unknown[][] = [
        [],
        ['http://client.example/cb'],
        ['https://client.example/cb#here'],
        ['javascript:alert(1)'],
        ['com.example.app:/cb'],
        ['regexp=(https://client.example/.*)'],
        ['/relative'],
        ['https://user:password@client.example/'],
        ['https://*/cb'],
        ['https://a;sandbox/cb'],
        ['https://a,b/cb'],
        [''],
        [1],
      ]
      for (const redirect_uris of bad) await refused(server, { redirect_uris }, 'invalid_redirect_uri')
      await refused(server, { redirect_uris: undefined }, 'invalid_redirect_uri')
      await refused(server, { redirect_uris: callback }, 'invalid_redirect_uri')
      await refused(
        server,
        { redirect_uris: ['http://localhost/cb'], response_types: ['id_token'], grant_types: ['implicit'] },
        'invalid_redirect_uri',
      )
      await register({
        redirect_uris: ['com.example.app:/cb', 'http://127.0.0.1/cb'],
        application_type: 'native',
      })
    })

    test('metadata that is wrong, contradicts itself or cannot be kept is invalid_client_metadata', async () => {
      const wrong: readonly object[] = [
        { response_types: ['code token'], grant_types: ['authorization_code'] },
        { response_types: ['nonsense'] },
        { grant_types: ['password'] },
        { grant_types: [] },
        { token_endpoint_auth_method: 'client_secret_jwt' },
        { token_endpoint_auth_method: 'private_key_jwt' },
        { token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] },
        { token_endpoint_auth_method: 'tls_client_auth' },
        { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=a' },
        { token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks: { keys: [publicKey] } },
        { jwks: { keys: [publicKey] }, jwks_uri: 'https://client.example/jwks' },
        { jwks: { keys: [{ ...publicKey, d: 'AAAA' }] } },
        { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } },
        { jwks_uri: 'http://client.example/jwks' },
        { id_token_signed_response_alg: 'none' },
        { id_token_signed_response_alg: 'HS256' },
        { request_object_signing_alg: 'HS256' },
        { request_object_signing_alg: 'none', require_signed_request_object: true },
        { request_uris: 'https://client.example/request' },
        { request_uris: ['http://client.example/request'] },
        { request_uris: ['urn:ietf:params:oauth:par:request_uri:x'] },
        { request_uris: [`https://client.example/${'x'.repeat(512)}`] },
        { request_uris: Array.from({ length: 21 }, (_, n) => `https://client.example/${n}`) },
        { id_token_encrypted_response_alg: 'RSA-OAEP' },
        { userinfo_encrypted_response_enc: 'A128GCM' },
        { subject_type: 'private' },
        { subject_type: 'pairwise', redirect_uris: [callback, 'https://other.example/cb'] },
        { sector_identifier_uri: 'https://127.0.0.1/list' },
        { sector_identifier_uri: 'http://localhost/list' },
        { logo_uri: 'javascript:alert(1)' },
        { initiate_login_uri: 'http://client.example/' },
        { default_max_age: -1 },
        { client_name: '' },
        { client_name: ' begins with a space' },
        { client_name: 'Console' },
        { client_name: 'a\u202eb' },
        { contacts: 'someone' },
        { scope: 'two  spaces' },
        { client_name: 'x'.repeat(65_536) },
      ]
      for (const body of wrong) await refused(server, body, 'invalid_client_metadata')
      await refused(server, { software_statement: 'x' }, 'invalid_software_statement')
      await refused(server, { software_statement: 'a.b.c' }, 'unapproved_software_statement')
    })

    test('a body that is no JSON object is refused in the same shape', async () => {
      const headers = { Authorization: basic('admin', 'admin') }
      const send = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
        server.request(path, { method: 'POST', body, headers: { ...headers, 'Content-Type': type } })
      for (const body of ['', '[]', 'null', '"x"', '{', '\xff', new Uint8Array([0x7b, 0xff, 0x7d])])
        expect(await (await send(body)).json()).toMatchObject({ error: 'invalid_client_metadata' })
      expect((await send('{}', 'text/plain')).status).toBe(415)
      expect((await send(`{"a":"${'x'.repeat(1_100_000)}"}`)).status).toBe(413)
    })

    test('a name is given once, and the refusal is that of WSO2', async () => {
      await register({ client_name: 'only once' })
      await refused(
        server,
        { client_name: 'only once' },
        'invalid_client_metadata',
        /^Application with the name only once already exist in the system$/,
      )
    })

    test('registering needs internal_dcr_create, and looking by name internal_dcr_view', async () => {
      const body = { redirect_uris: [callback], client_name: 'by nobody' }
      const creator = await operator(server, 'Creator', ['internal_dcr_create'])
      const before = await stateOf(server)
      const anonymous = await server.send('POST', path, body, {})
      expect(anonymous.status).toBe(401)
      expect(await anonymous.json()).toMatchObject({ code: 401, message: 'Unauthorized' })
      const other = await operator(server, 'OtherOperator', ['internal_dcr_view'])
      expect((await server.send('POST', path, body, other)).status).toBe(403)
      expect((await server.send('GET', `${path}?client_name=x`, undefined, creator)).status).toBe(403)
      expect((await stateOf(server)).application).toBe(before.application)
      const client = await registerAt(server, { client_name: 'by Creator' }, creator)
      const found = await server.send('GET', `${path}?client_name=by%20Creator`, undefined, other)
      expect(found.status).toBe(200)
      expect(await found.json()).toMatchObject({
        client_id: client.client_id,
        client_secret: client.client_secret,
      })
      // %00 is in no name that a database can store
      for (const name of ['nobody', '', 'a%00b'])
        expect((await server.send('GET', `${path}?client_name=${name}`)).status).toBe(401)
    })

    test('WSO2’s own parameters choose id, secret and lifetimes', async () => {
      const client = await register({
        ext_param_client_id: 'chosen-by-me',
        ext_param_client_secret: 'secret-by-me',
        ext_application_token_lifetime: 111,
        ext_user_token_lifetime: 222,
        ext_refresh_token_lifetime: 333,
        ext_id_token_lifetime: 444,
        ext_pkce_support_plain: true,
      })
      expect(client).toMatchObject({
        client_id: 'chosen-by-me',
        client_secret: 'secret-by-me',
        ext_application_token_lifetime: 111,
        ext_user_token_lifetime: 222,
        ext_refresh_token_lifetime: 333,
        ext_id_token_lifetime: 444,
        ext_pkce_support_plain: true,
      })
      await refused(server, { ext_param_client_id: 'chosen-by-me' }, 'invalid_client_metadata', /in use/)
    })

    describe('the sector identifier', () => {
      test('it is read, and must list every redirect URI', async () => {
        const uri = (name: string) => `http://127.0.0.1:${documents.port}${name}`
        served.set('/list', [callback, 'https://other.example/cb'])
        served.set('/short', ['https://other.example/cb'])
        served.set('/object', { list: [callback] })
        served.set('/long', [callback, 'x'.repeat(70_000)])
        const pairwise = {
          subject_type: 'pairwise',
          redirect_uris: [callback, 'https://other.example/cb'],
          sector_identifier_uri: uri('/list'),
        }
        const client = await registerAt(open, pairwise)
        expect(client).toMatchObject(pairwise)
        for (const name of ['/short', '/object', '/long', '/missing', '/redirect'])
          await refused(
            open,
            { ...pairwise, sector_identifier_uri: uri(name) },
            'invalid_client_metadata',
            /sector/,
          )
      })

      test('without the setting nothing of this machine or a private network is read', async () => {
        served.set('/list', [callback])
        for (const host of [
          '127.0.0.1',
          'localhost',
          '[::1]',
          '10.0.0.1',
          '169.254.169.254',
          '[::ffff:127.0.0.1]',
        ])
          await refused(
            server,
            { sector_identifier_uri: `https://${host}:${documents.port}/list` },
            'invalid_client_metadata',
            /not public|cannot be read/,
          )
      })
    })

    describe('the client configuration endpoint', () => {
      test('it reads, replaces and deletes by the registration access token', async () => {
        const client = await register({ contacts: ['a@client.example'], client_name: 'changes itself' })
        const put = await manage('PUT', client, {
          client_id: client.client_id,
          client_secret: client.client_secret,
          client_name: 'changed itself',
          redirect_uris: ['https://client.example/new'],
        })
        const changed = (await put.json()) as Registered
        expect(put.status).toBe(200)
        expect(changed).toMatchObject({
          client_id: client.client_id,
          client_secret: client.client_secret,
          registration_access_token: client.registration_access_token,
          client_name: 'changed itself',
          redirect_uris: ['https://client.example/new'],
        })
        // what is left out is gone
        expect(changed).not.toHaveProperty('contacts')
        expect((await server.audit()).at(-1)).toMatchObject({
          event: 'client-updated',
          initiator: client.client_id,
          data: { name: 'changed itself' },
        })
        expect(await (await manage('GET', client)).json()).toEqual(changed)
        const gone = await manage('DELETE', client)
        expect([gone.status, await gone.text()]).toEqual([204, ''])
        expect(await applicationOf(client)).toBeUndefined()
        expect((await server.audit()).at(-1)).toMatchObject({
          event: 'client-deleted',
          initiator: client.client_id,
        })
        for (const method of ['GET', 'PUT', 'DELETE'])
          expect((await manage(method, client, method === 'PUT' ? {} : undefined)).status).toBe(401)
      })

      test('another token, another client’s token and no token are 401 with nothing changed', async () => {
        const [client, other] = [await register(), await register()]
        const before = await stateOf(server)
        for (const method of ['GET', 'PUT', 'DELETE']) {
          const body =
            method === 'PUT' ? { client_id: client.client_id, redirect_uris: [callback] } : undefined
          for (const token of [
            other.registration_access_token,
            client.client_secret,
            'x',
            'x'.repeat(65_536),
          ]) {
            const response = await manage(method, client, body, token)
            expect([method, response.status]).toEqual([method, 401])
            expect(response.headers.get('www-authenticate')).toStartWith('Bearer')
          }
          const pathname = `${path}/${client.client_id}`
          expect((await server.send(method, pathname, body, {})).status).toBe(401)
          const unknown = `${path}/no-such-client`
          expect((await server.send(method, unknown, body)).status).toBe(401)
        }
        expect(await stateOf(server)).toEqual(before)
      })

      test('a change names its client, and does not choose the secret', async () => {
        const client = await register()
        for (const body of [
          { redirect_uris: [callback] },
          { client_id: 'another', redirect_uris: [callback] },
          { client_id: client.client_id, client_secret: 'of my own choice', redirect_uris: [callback] },
          { client_id: client.client_id, redirect_uris: [callback], grant_types: [tokenExchange] },
          { client_id: client.client_id, redirect_uris: [callback], response_types: ['subject_token'] },
        ]) {
          const response = await manage('PUT', client, body)
          expect(response.status).toBe(400)
          expect(await response.json()).toMatchObject({ error: 'invalid_client_metadata' })
        }
        const response = await manage('PUT', client, { client_id: client.client_id, redirect_uris: [] })
        expect(await response.json()).toMatchObject({ error: 'invalid_redirect_uri' })
      })

      test('a client that was switched off manages itself no longer', async () => {
        const client = await register()
        const row = await applicationOf(client)
        await server.send('PATCH', `/api/server/v1/applications/${row?.id}`, { applicationEnabled: false })
        for (const method of ['GET', 'DELETE']) expect((await manage(method, client)).status).toBe(401)
      })

      test('deleting a client ends its tokens, and its roles are gone', async () => {
        const scenario = await setUp(server)
        const { access_token } = await impersonate(server, scenario)
        const use = () =>
          server.request('/scim2/Me', { headers: { Authorization: `Bearer ${access_token}` } })
        expect((await use()).status).toBe(200)
        const lesser = await operator(server, 'Lesser', ['internal_dcr_delete'])
        const refusal = await server.send('DELETE', `${path}/${scenario.clientId}`, undefined, lesser)
        expect([refusal.status, (await use()).status]).toEqual([403, 200])
        const remover = await operator(server, 'Remover', [
          'internal_dcr_delete',
          'internal_user_impersonate',
          'internal_user_mgt_list',
          'internal_user_mgt_view',
        ])
        const gone = await server.send('DELETE', `${path}/${scenario.clientId}`, undefined, remover)
        expect(gone.status).toBe(204)
        expect((await use()).status).toBe(401)
        const roles = await server.db
          .selectFrom('role')
          .select('id')
          .where('audience_id', '=', scenario.applicationId)
          .execute()
        expect(roles).toEqual([])
        const alive = await server.db
          .selectFrom('lineage')
          .select('id')
          .where('kind', '=', 'impersonation')
          .where('ended_at', 'is', null)
          .execute()
        expect(alive).toEqual([])
      })
    })

    describe('impersonation', () => {
      test('no client registers it, by whatever field', async () => {
        for (const body of [
          { grant_types: ['authorization_code', tokenExchange] },
          { grant_types: ['organization_switch'] },
          { response_types: ['subject_token'] },
          { response_types: ['id_token subject_token'], grant_types: ['implicit'] },
          { scope: 'openid internal_user_impersonate' },
        ])
          await refused(server, body, 'invalid_client_metadata', /administrator|cannot be registered/)
        const client = await register({
          subjectToken: { enable: true },
          subject_token: { enable: true },
          mayact: { requestedSubjectByParOnly: false },
          ext_subject_token: true,
        })
        const { oidc } = (await applicationOf(client)) ?? { oidc: '{}' }
        expect(JSON.parse(oidc)).toMatchObject({
          grantTypes: ['authorization_code'],
          subjectToken: { enable: false },
        })
      })

      test('once an administrator granted it, the client changes neither itself nor sees its secret again', async () => {
        const client = await register({ client_name: 'granted' })
        const { settings } = await grantImpersonation(client)
        const granted = await (await server.send('GET', settings)).json()
        const row = await applicationOf(client)
        for (const body of [
          { redirect_uris: ['https://evil.example/cb'] },
          { redirect_uris: [callback], jwks: { keys: [publicKey] } },
          { redirect_uris: [callback], token_endpoint_auth_method: 'none' },
          { redirect_uris: [callback], client_name: 'another name' },
        ]) {
          const response = await manage('PUT', client, { client_id: client.client_id, ...body })
          expect(response.status).toBe(403)
          expect(await response.json()).toMatchObject({ error: 'access_denied' })
        }
        expect((await manage('DELETE', client)).status).toBe(403)
        const read = await manage('GET', client)
        expect(read.status).toBe(200)
        expect(await read.json()).not.toHaveProperty('client_secret')
        expect(await applicationOf(client)).toEqual(row)
        expect(await (await server.send('GET', settings)).json()).toEqual(granted)
      })

      test('a grant that is made while the client changes itself is not overtaken', async () => {
        for (let round = 0; round < 10; round += 1) {
          const client = await register()
          const [put, granted] = await Promise.all([
            manage('PUT', client, {
              client_id: client.client_id,
              redirect_uris: ['https://evil.example/cb'],
            }),
            grantImpersonation(client).catch(() => undefined),
          ])
          const row = await applicationOf(client)
          const oidc = JSON.parse(row?.oidc ?? '{}')
          // the administrator's settings are whole: never his grant with an address that he did not see
          expect(oidc.subjectToken.enable).toBe(granted !== undefined)
          if (granted) expect(oidc.callbackURLs).toEqual(granted.seen)
          expect([200, 403, 503]).toContain(put.status)
        }
      })
    })

    describe('open to everybody', () => {
      const anonymous = {}

      test('a stranger registers, and a name that is taken gets the client’s id behind it', async () => {
        await createApplication(open, { name: 'Known', apis: {} })
        const client = await registerAt(open, { client_name: 'Known' }, anonymous)
        expect(client.client_name).toBe('Known')
        expect((await applicationOf(client, open))?.name).toBe(`Known (${client.client_id})`)
        expect((await open.audit()).at(-1)).toMatchObject({
          event: 'client-registered',
          initiator: client.client_id,
        })
        const read = await manage('GET', client, undefined, undefined, open)
        expect(await read.json()).toEqual(client)
        await refused(
          open,
          { ext_param_client_id: 'chosen-by-me' },
          'invalid_client_metadata',
          /authentication/,
          anonymous,
        )
        const bounded = await registerAt(open, { ext_user_token_lifetime: 1_000_000 }, anonymous)
        expect(bounded.ext_user_token_lifetime).toBe(3_600)
      })

      test('one address registers so many an hour, however many ask at once', async () => {
        const limited = await boot(database, {
          toml: '[oauth.dcr]\nauthentication_required = false\nregistrations_per_hour = 3\n',
        })
        const ask = (address: string) =>
          limited.request(path, {
            method: 'POST',
            address,
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ redirect_uris: [callback] }),
          })
        const statuses = await Promise.all(
          Array.from({ length: 20 }, async () => (await ask('192.0.2.1')).status),
        )
        expect(statuses.filter((status) => status === 201).length).toBeLessThanOrEqual(3)
        for (let round = 0; round < 3; round += 1) await ask('192.0.2.1')
        const late = await ask('192.0.2.1')
        expect([late.status, late.headers.get('retry-after')]).toEqual([429, '3600'])
        const clients = await limited.db.selectFrom('application').select('id').execute()
        expect(clients).toHaveLength(3)
        expect((await ask('192.0.2.2')).status).toBe(201)
        await limited.stop()
      })
    })

    test('switched off, nothing of it is there', async () => {
      const off = await boot(database, { toml: '[oauth.dcr]\nenable = false\n' })
      expect((await off.send('POST', path, { redirect_uris: [callback] })).status).toBe(404)
      await off.stop()
    })
  })
}
