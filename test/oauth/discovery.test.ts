/** Metadata says exactly what is there: documents, protected resources, WebFinger; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { basic, createApplication, oidcSettings } from '../scenario.ts'

const origin = 'https://localhost:9443'
const issuer = `${origin}/oauth2/token`

type Document = Record<string, unknown>

const pathOf = (url: unknown) => new URL(String(url)).pathname

for (const database of databases) {
  describe(`metadata on ${database.name}`, () => {
    let server: Booted
    let document: Document
    const read = async (path: string, at = server): Promise<Document> => {
      const response = await at.request(path)
      expect([path, response.status]).toEqual([path, 200])
      expect(response.headers.get('content-type')).toStartWith('application/json')
      return (await response.json()) as Document
    }
    beforeAll(async () => {
      server = await boot(database)
      document = await read('/oauth2/token/.well-known/openid-configuration')
    })
    afterAll(() => server.stop())

    const list = (name: string) => document[name] as string[]

    test('every place has the same document, whose issuer is the one configured', async () => {
      expect(document.issuer).toBe(issuer)
      for (const path of [
        '/oauth2/oidcdiscovery/.well-known/openid-configuration',
        '/.well-known/openid-configuration/oauth2/token',
        '/.well-known/oauth-authorization-server/oauth2/token',
        '/oauth2/token/.well-known/oauth-authorization-server',
        '/t/carbon.super/oauth2/token/.well-known/openid-configuration',
      ])
        expect(await read(path)).toEqual(document)
      expect((await server.request('/oauth2/other/.well-known/openid-configuration')).status).toBe(400)
    })

    test('a configured issuer has its documents under its own path, and by RFC 8414 before it', async () => {
      for (const [other, paths] of [
        [
          'https://localhost:9443',
          ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'],
        ],
        [
          'https://localhost:9443/a/b',
          [
            '/a/b/.well-known/openid-configuration',
            '/a/b/.well-known/oauth-authorization-server',
            '/.well-known/openid-configuration/a/b',
            '/.well-known/oauth-authorization-server/a/b',
          ],
        ],
      ] as const) {
        const own = await boot(database, { toml: `[oauth]\nissuer = "${other}"\n` })
        for (const path of paths) expect((await read(path, own)).issuer).toBe(other)
        await own.stop()
      }
    })

    test('every endpoint that is advertised answers, and by a route of its own', async () => {
      const endpoints = Object.entries(document).filter(
        ([name]) => /_endpoint$|_uri$/.test(name) || name === 'check_session_iframe',
      )
      expect(endpoints.length).toBeGreaterThanOrEqual(12)
      const routes = server.app.routes.map(({ path }) => path)
      for (const [name, url] of endpoints) {
        expect(String(url)).toStartWith(`${origin}/`)
        expect([name, routes.includes(pathOf(url))]).toEqual([name, true])
        const answers = await Promise.all(
          ['GET', 'POST'].map((method) => server.request(pathOf(url), { method })),
        )
        // what is not there at all is 404 to both
        expect([name, answers.every(({ status }) => status === 404)]).toEqual([name, false])
      }
    })

    test('every OAuth endpoint that is there is advertised', () => {
      const advertised = new Set(
        Object.values(document)
          .filter((value): value is string => typeof value === 'string' && value.startsWith(`${origin}/`))
          .map(pathOf),
      )
      const unadvertised = [
        // pages and what belongs to them: nobody's client calls these
        '/oauth2/device',
        '/oauth2/token/.well-known/oauth-authorization-server',
        '/oauth2/:place/.well-known/openid-configuration',
      ]
      const there = server.app.routes
        .map(({ path }) => path)
        .filter(
          (path) => /^\/(oauth2|oidc)\//.test(path) && !unadvertised.includes(path) && !path.includes(':'),
        )
      expect([...new Set(there)].filter((path) => !advertised.has(path))).toEqual([])
    })

    test('every advertised grant is known to the token endpoint, and no other', async () => {
      const { clientId, clientSecret } = await createApplication(server, {
        name: 'every grant',
        apis: {},
        oidc: { grantTypes: [...list('grant_types_supported'), 'password'], subjectToken: { enable: false } },
      })
      const ask = async (grant_type: string) => {
        const response = await server.request('/oauth2/token', {
          method: 'POST',
          headers: { Authorization: basic(clientId, clientSecret) },
          body: new URLSearchParams({ grant_type }),
        })
        return ((await response.json()) as { error?: string }).error
      }
      // `implicit` is the name that discovery has for what the authorization endpoint alone does
      for (const grant of list('grant_types_supported').filter((name) => name !== 'implicit'))
        expect([grant, await ask(grant)]).not.toEqual([grant, 'unsupported_grant_type'])
      for (const grant of ['password', 'implicit', 'nonsense'])
        expect(await ask(grant)).toBe('unsupported_grant_type')
    })

    test('every advertised response type and mode is known to the authorization endpoint, and no other', async () => {
      const callback = 'https://client.example/cb'
      const { clientId } = await createApplication(server, {
        name: 'every response type',
        apis: {},
        oidc: {
          ...oidcSettings,
          hybridFlow: { enable: true, responseType: 'code token,code id_token,code id_token token' },
        },
      })
      const ask = async (changes: Record<string, string>) => {
        const response = await server.request(
          `/oauth2/authorize?${new URLSearchParams({
            client_id: clientId,
            redirect_uri: callback,
            scope: 'openid',
            nonce: 'n',
            requested_subject: 'x',
            response_type: 'code',
            ...changes,
          })}`,
        )
        return response.headers.get('location') ?? ''
      }
      const types = list('response_types_supported')
      expect(types).toEqual(
        expect.arrayContaining(['code', 'id_token', 'subject_token', 'id_token subject_token']),
      )
      for (const response_type of types)
        expect([response_type, await ask({ response_type })]).not.toEqual([
          response_type,
          expect.stringContaining('unsupported_response_type'),
        ])
      expect(await ask({ response_type: 'nonsense' })).toContain('unsupported_response_type')
      for (const response_mode of list('response_modes_supported'))
        expect([response_mode, await ask({ response_mode })]).toEqual([
          response_mode,
          expect.stringContaining('/authenticationendpoint/login.do'),
        ])
    })

    test('every advertised algorithm and method can be registered, and no other', async () => {
      const register = async (body: object) => {
        const response = await server.send('POST', pathOf(document.registration_endpoint), {
          redirect_uris: ['https://client.example/cb'],
          jwks_uri: 'https://client.example/jwks',
          ...body,
        })
        return response.status
      }
      const registered: Record<string, string> = {
        token_endpoint_auth_methods_supported: 'token_endpoint_auth_method',
        token_endpoint_auth_signing_alg_values_supported: 'token_endpoint_auth_signing_alg',
        id_token_signing_alg_values_supported: 'id_token_signed_response_alg',
        userinfo_signing_alg_values_supported: 'userinfo_signed_response_alg',
        introspection_signing_alg_values_supported: 'introspection_signed_response_alg',
        authorization_signing_alg_values_supported: 'authorization_signed_response_alg',
        request_object_signing_alg_values_supported: 'request_object_signing_alg',
        subject_types_supported: 'subject_type',
      }
      for (const [name, field] of Object.entries(registered)) {
        for (const value of list(name))
          expect([field, value, await register({ [field]: value })]).toEqual([field, value, 201])
        // unsigned requests are for those alone who register them, so that nobody is told to count on them
        const unsaid = field === 'request_object_signing_alg' ? ['none'] : []
        for (const value of unsaid) expect([field, value, await register({ [field]: value })]).toContain(201)
        for (const value of ['none', 'HS256', 'nonsense', 'tls_client_auth'].filter(
          (other) => !list(name).includes(other) && !unsaid.includes(other),
        ))
          expect([field, value, await register({ [field]: value })]).toEqual([field, value, 400])
      }
    })

    test('the keys that are published are of the algorithms that are advertised', async () => {
      const { keys } = (await read('/oauth2/jwks')) as unknown as { keys: { alg: string; d?: string }[] }
      for (const algorithm of list('id_token_signing_alg_values_supported'))
        expect(keys.map(({ alg }) => alg)).toContain(algorithm)
      expect(keys.filter((key) => 'd' in key || 'k' in key)).toEqual([])
    })

    test('with features switched off nothing of them is advertised', async () => {
      const off = await boot(database, {
        toml: '[oauth.dcr]\nenable = false\n[oauth.grant_type.token_exchange]\nenable = false\n',
      })
      const said = await read('/oauth2/token/.well-known/openid-configuration', off)
      expect(said).not.toHaveProperty('registration_endpoint')
      expect(JSON.stringify(said)).not.toContain('token-exchange')
      await off.stop()
    })

    test('our own APIs are protected resources of this issuer (RFC 9728)', async () => {
      for (const resource of list('protected_resources')) {
        const said = await read(`/.well-known/oauth-protected-resource${pathOf(resource)}`)
        expect(said).toMatchObject({
          resource,
          authorization_servers: [issuer],
          jwks_uri: document.jwks_uri,
          bearer_methods_supported: ['header'],
        })
      }
      expect(list('protected_resources')).toHaveLength(2)
    })

    describe('WebFinger', () => {
      const relation = 'http://openid.net/specs/connect/1.0/issuer'
      const ask = (parameters: string | Record<string, string>) =>
        server.request(`/.well-known/webfinger?${new URLSearchParams(parameters)}`)

      test('it names the issuer for everybody of this host, whether there is such a user or not', async () => {
        for (const resource of [
          'acct:admin@localhost',
          'acct:nobody@localhost:9443',
          'https://localhost:9443/nobody',
          'admin@localhost',
        ]) {
          const response = await ask({ resource, rel: relation })
          expect([response.status, response.headers.get('content-type')]).toEqual([
            200,
            'application/jrd+json',
          ])
          expect(response.headers.get('access-control-allow-origin')).toBe('*')
          expect(await response.json()).toEqual({
            subject: resource,
            links: [{ rel: relation, href: issuer }],
          })
        }
        // rel is optional (RFC 7033 §4.1)
        const all = await ask({ resource: 'acct:admin@localhost' })
        expect([all.status, await all.json()]).toEqual([
          200,
          { subject: 'acct:admin@localhost', links: [{ rel: relation, href: issuer }] },
        ])
        const other = await ask({ resource: 'acct:admin@localhost', rel: 'avatar' })
        expect([other.status, await other.json()]).toEqual([
          200,
          { subject: 'acct:admin@localhost', links: [] },
        ])
      })

      test('a missing, repeated, malformed or foreign resource is refused', async () => {
        const rel = `rel=${encodeURIComponent(relation)}`
        const statuses = async (...queries: string[]) =>
          Promise.all(queries.map(async (query) => (await ask(query)).status))
        expect(
          await statuses(
            '',
            rel,
            `resource=&${rel}`,
            `resource=acct:a@localhost&resource=acct:b@localhost&${rel}`,
            `resource=nonsense&${rel}`,
            `resource=acct:a@localhost${'x'.repeat(65_536)}&${rel}`,
            `resource=acct:admin@elsewhere.example&${rel}`,
          ),
        ).toEqual([400, 400, 400, 400, 400, 400, 404])
      })
    })
  })
}
