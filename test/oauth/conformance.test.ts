/**
 * What the modules of the OpenID Foundation's provider plans look for, each under its module's name: clients register
 * themselves, a browser without JavaScript fills the forms in. conformance.md has the modules that other tests cover.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { passwordContext } from '../../lib/oauth/authentication-context.ts'
import { readAnswer } from '../authorize-answer.ts'
import { type Booted, boot } from '../boot.ts'
import { newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { createPerson } from '../scenario.ts'
import { callback, conforming, issuer } from './conforming.ts'

const root = new URL('.', import.meta.url)

/** What a user needs for every claim of the scopes: the suite warns of each that is missing. */
const everyAttribute = {
  name: { givenName: 'Conforming', middleName: 'Middle', familyName: 'Example' },
  nickName: 'Connie',
  profileUrl: 'https://people.example/conforming',
  photos: [{ value: 'https://people.example/conforming.png', type: 'photo' }],
  timezone: 'Europe/Berlin',
  locale: 'de-DE',
  addresses: [{ streetAddress: 'Am Wall 1', locality: 'Bremen', postalCode: '28195', country: 'DE' }],
  phoneNumbers: [{ value: '+4930123456', type: 'mobile' }],
  'urn:scim:wso2:schema': { dateOfBirth: '1990-01-02' },
  'urn:scim:schemas:extension:custom:User': { website: 'https://conforming.example', gender: 'female' },
}

const profile = {
  name: 'Conforming Middle Example',
  given_name: 'Conforming',
  middle_name: 'Middle',
  family_name: 'Example',
  nickname: 'Connie',
  preferred_username: 'Conforming',
  profile: 'https://people.example/conforming',
  picture: 'https://people.example/conforming.png',
  website: 'https://conforming.example',
  gender: 'female',
  birthdate: '1990-01-02',
  zoneinfo: 'Europe/Berlin',
  locale: 'de-DE',
  updated_at: expect.any(Number),
}
const email = { email: 'conforming@example.com', email_verified: false }
const address = {
  address: { street_address: 'Am Wall 1', locality: 'Bremen', postal_code: '28195', country: 'DE' },
}
const phone = { phone_number: '+4930123456', phone_number_verified: false }

/** The claims of an ID token that the token endpoint gives; the suite warns of `isk`, `org_id` and `org_name`. */
const ofCodeFlow =
  'acr amr at_hash aud auth_time azp exp iat isk iss jti nonce org_id org_name sid sub'.split(' ')

test('conformance.md names a test that exists for every module', async () => {
  const text = await Bun.file(new URL('conformance.md', root)).text()
  const rows = [...text.matchAll(/^\| `(oidcc-[\w-]+)` \| (.+) \|$/gm)]
  expect(rows.length).toBeGreaterThan(70)
  const missing: string[] = []
  for (const [, module, where = ''] of rows) {
    if (where.startsWith('not run: ')) continue
    const [, file = '', title = ''] = /^`([\w./-]+)`: (.+)$/.exec(where) ?? []
    const source = Bun.file(new URL(file, root))
    if (!(await source.exists()) || !(await source.text()).includes(title))
      missing.push(`${module}: ${where}`)
  }
  expect(missing).toEqual([])
})

for (const database of databases) {
  describe(`the modules on ${database.name}`, () => {
    let server: Booted
    let suite: ReturnType<typeof conforming>
    let documents: ReturnType<typeof Bun.serve>
    const served = new Map<string, unknown>()
    beforeAll(async () => {
      server = await boot(database, {
        toml: '[oauth.dcr]\nauthentication_required = false\n[oauth.outbound]\nallow_private_addresses = true\n',
      })
      const person = await createPerson(server, 'Conforming')
      const patched = await server.send('PATCH', `/scim2/Users/${person.id}`, {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'replace', value: everyAttribute }],
      })
      expect(patched.status).toBe(200)
      suite = conforming(server, person)
      documents = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch: (request) => {
          const document = served.get(new URL(request.url).pathname) ?? null
          return typeof document === 'string' ? new Response(document) : Response.json(document)
        },
      })
    })
    afterAll(async () => {
      await documents.stop(true)
      await server.stop()
    })
    const uri = (path: string) => `http://127.0.0.1:${documents.port}${path}`

    test('oidcc-server', async () => {
      const client = await suite.register()
      const got = await suite.tokens(client)
      expect(got.claims).toMatchObject({ nonce: 'nonce-1', auth_time: expect.any(Number) })
      expect(suite.pages).toEqual(['login', 'consent'])
      await suite.userinfoOf(got)
    })

    test('oidcc-response-type-missing', async () => {
      const client = await suite.register()
      const response = await server.request(suite.request(client, { response_type: undefined }))
      expect(await readAnswer(response)).toMatchObject({
        place: 'query',
        parameters: { error: 'invalid_request', state: 'state-1', iss: issuer },
      })
    })

    test('oidcc-idtoken-signature', async () => {
      const { idToken } = await suite.tokens(await suite.register())
      expect(decodeProtectedHeader(idToken)).toMatchObject({ alg: 'RS256', kid: expect.any(String) })
    })

    test('oidcc-idtoken-rs256', async () => {
      const client = await suite.register({ id_token_signed_response_alg: 'RS256' })
      await suite.tokens(client)
    })

    test('oidcc-idtoken-unsigned', async () => {
      expect((await suite.registration({ id_token_signed_response_alg: 'none' })).status).toBe(400)
    })

    test('oidcc-userinfo-get', async () => {
      await suite.userinfoOf(await suite.tokens(await suite.register()))
    })

    test('oidcc-userinfo-post-header', async () => {
      const { accessToken } = await suite.tokens(await suite.register())
      // a form without a field, as the suite sends it
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      expect((await suite.userinfo(accessToken, { method: 'POST', headers })).status).toBe(200)
    })

    test('oidcc-userinfo-post-body', async () => {
      const { accessToken } = await suite.tokens(await suite.register())
      const response = await server.request('/oauth2/userinfo', {
        method: 'POST',
        body: new URLSearchParams({ access_token: accessToken }),
      })
      expect(response.status).toBe(200)
    })

    test('oidcc-userinfo-rs256', async () => {
      const client = await suite.register({ userinfo_signed_response_alg: 'RS256' })
      const { accessToken, claims } = await suite.tokens(client)
      const { text } = await suite.userinfo(accessToken)
      expect(decodeJwt(text)).toMatchObject({ sub: claims.sub, iss: issuer, aud: client.client_id })
    })

    test('oidcc-ensure-request-without-nonce-succeeds-for-code-flow', async () => {
      const { claims } = await suite.tokens(await suite.register(), { nonce: undefined })
      expect(claims).not.toHaveProperty('nonce')
    })

    for (const [module, scope, claims] of [
      ['oidcc-scope-profile', 'openid profile', profile],
      ['oidcc-scope-email', 'openid email', email],
      ['oidcc-scope-address', 'openid address', address],
      ['oidcc-scope-phone', 'openid phone', phone],
      [
        'oidcc-scope-all',
        'openid email phone address profile',
        { ...profile, ...email, ...address, ...phone },
      ],
      ['oidcc-alternate-happy-flow', 'email openid', email],
    ] as const) {
      test(module, async () => {
        const got = await suite.tokens(await suite.register(), { scope })
        const { sub, ...told } = await suite.userinfoOf(got)
        expect([sub, told]).toEqual([got.claims.sub, claims])
        // what userinfo has is not in an ID token that came with an access token
        expect(Object.keys(got.claims).toSorted()).toEqual(ofCodeFlow)
      })
    }

    for (const [module, changes] of [
      ['oidcc-display-page', { display: 'page' }],
      ['oidcc-display-popup', { display: 'popup' }],
      ['oidcc-ui-locales', { ui_locales: 'se en' }],
      ['oidcc-claims-locales', { claims_locales: 'se' }],
      ['oidcc-login-hint', { login_hint: 'somebody@localhost' }],
      ['oidcc-ensure-request-with-acr-values-succeeds', { acr_values: passwordContext }],
      ['oidcc-ensure-request-with-unknown-parameter-succeeds', { extra: 'foobar' }],
    ] as const) {
      test(module, async () => {
        const { claims } = await suite.tokens(await suite.register(), changes)
        if ('acr_values' in changes) expect(claims.acr).toBe(changes.acr_values)
      })
    }

    test('oidcc-claims-essential', async () => {
      const claims = JSON.stringify({ userinfo: { name: { essential: true } } })
      const got = await suite.tokens(await suite.register(), { claims })
      expect(await suite.userinfoOf(got)).toEqual({ sub: got.claims.sub, name: profile.name })
      expect(got.claims).not.toHaveProperty('name')
    })

    test('oidcc-prompt-login', async () => {
      const client = await suite.register()
      const first = await suite.tokens(client)
      await Bun.sleep(1_100)
      const second = await suite.tokens(client, { prompt: 'login' }, first.browser)
      expect(suite.pages).toContain('login')
      expect(Number(second.claims.auth_time)).toBeGreaterThan(Number(first.claims.auth_time))
      expect(second.claims.sub).toBe(first.claims.sub)
    })

    test('oidcc-prompt-none-not-logged-in', async () => {
      // as long as the suite's, with every character that a URL leaves as it is
      const state = `${'a1B2'.repeat(31)}-._~`
      const { parameters } = await suite.authorize(await suite.register(), { prompt: 'none', state })
      expect(parameters).toEqual({
        error: 'login_required',
        error_description: expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/),
        session_state: expect.any(String),
        state,
        iss: issuer,
      })
      expect(suite.pages).toEqual([])
    })

    test('oidcc-prompt-none-logged-in', async () => {
      const client = await suite.register()
      const first = await suite.tokens(client)
      const second = await suite.tokens(client, { prompt: 'none' }, first.browser)
      expect(suite.pages).toEqual([])
      expect([second.claims.sub, second.claims.auth_time]).toEqual([first.claims.sub, first.claims.auth_time])
    })

    test('oidcc-id-token-hint', async () => {
      const client = await suite.register()
      const first = await suite.tokens(client)
      const changes = { prompt: 'none', id_token_hint: first.idToken }
      expect((await suite.tokens(client, changes, first.browser)).claims.sub).toBe(first.claims.sub)
    })

    test('oidcc-max-age-1', async () => {
      const client = await suite.register()
      const first = await suite.tokens(client)
      await Bun.sleep(2_100)
      const second = await suite.tokens(client, { max_age: '1' }, first.browser)
      expect(suite.pages).toContain('login')
      expect(Number(second.claims.auth_time)).toBeGreaterThan(Number(first.claims.auth_time))
    })

    test('oidcc-max-age-10000', async () => {
      const client = await suite.register()
      const first = await suite.tokens(client, { max_age: '15000' })
      expect(first.claims.auth_time).toBeNumber()
      const second = await suite.tokens(client, { max_age: '10000' }, first.browser)
      expect(suite.pages).not.toContain('login')
      expect(second.claims.auth_time).toBe(first.claims.auth_time)
    })

    test('oidcc-ensure-post-request-succeeds', async () => {
      const client = await suite.register()
      const browser = newBrowser(server)
      const query = new URL(suite.request(client), issuer).searchParams
      const first = await browser.post('/oauth2/authorize', Object.fromEntries(query))
      const answer = await readAnswer(await suite.drive(browser, first))
      expect(answer).toMatchObject({ parameters: { code: expect.any(String), state: 'state-1' } })
    })

    test('oidcc-ensure-registered-redirect-uri', async () => {
      const client = await suite.register()
      const response = await server.request(
        suite.request(client, { redirect_uri: 'https://client.example/other' }),
      )
      expect([response.status, response.headers.get('location')]).toEqual([400, null])
    })

    test('oidcc-ensure-redirect-uri-in-authorization-request', async () => {
      const client = await suite.register({ redirect_uris: [callback, 'https://client.example/second'] })
      const response = await server.request(suite.request(client, { redirect_uri: undefined }))
      expect([response.status, response.headers.get('location')]).toEqual([400, null])
    })

    test('oidcc-redirect-uri-query-OK', async () => {
      const redirect_uri = `${callback}?dummy1=lorem&dummy2=ipsum`
      const client = await suite.register({ redirect_uris: [redirect_uri] })
      const { parameters } = await suite.authorize(client, { redirect_uri })
      expect(parameters).toMatchObject({ dummy1: 'lorem', dummy2: 'ipsum' })
      expect((await suite.token(client, { code: parameters.code, redirect_uri })).status).toBe(200)
    })

    test('oidcc-redirect-uri-query-added', async () => {
      const response = await server.request(
        suite.request(await suite.register(), { redirect_uri: `${callback}?foo=bar` }),
      )
      expect(response.status).toBe(400)
    })

    test('oidcc-redirect-uri-query-mismatch', async () => {
      const client = await suite.register({ redirect_uris: [`${callback}?foo=bar`] })
      const response = await server.request(suite.request(client, { redirect_uri: `${callback}?bar=foo` }))
      expect(response.status).toBe(400)
    })

    test('oidcc-redirect-uri-regfrag', async () => {
      expect((await suite.registration({ redirect_uris: [`${callback}#foobar`] })).status).toBe(400)
    })

    test('oidcc-ensure-request-with-valid-pkce-succeeds', async () => {
      const client = await suite.register()
      const verifier = `${'v'.repeat(60)}-._~`
      const code_challenge = createHash('sha256').update(verifier).digest('base64url')
      const { parameters } = await suite.authorize(client, { code_challenge, code_challenge_method: 'S256' })
      expect((await suite.token(client, { code: parameters.code, code_verifier: verifier })).status).toBe(200)
    })

    test('oidcc-codereuse', async () => {
      const client = await suite.register()
      const { code, accessToken } = await suite.tokens(client)
      expect(await suite.token(client, { code })).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
      expect((await suite.userinfo(accessToken)).status).toBe(401)
    })

    test('oidcc-server-client-secret-post', async () => {
      const client = await suite.register({ token_endpoint_auth_method: 'client_secret_post' })
      const { parameters } = await suite.authorize(client)
      const { client_id, client_secret } = client
      const { status } = await suite.token(client, { code: parameters.code, client_id, client_secret }, null)
      expect(status).toBe(200)
    })

    test('oidcc-refresh-token', async () => {
      const client = await suite.register({ grant_types: ['authorization_code', 'refresh_token'] })
      const other = await suite.register({ grant_types: ['authorization_code', 'refresh_token'] })
      const scope = 'openid offline_access'
      const got = await suite.tokens(client, { scope, prompt: 'consent' })
      const fields = {
        grant_type: 'refresh_token',
        refresh_token: got.refreshToken,
        scope,
        redirect_uri: undefined,
      }
      expect(await suite.token(other, fields)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
      const { status, body } = await suite.token(client, fields)
      expect(status).toBe(200)
      const again = await suite.verified(body.id_token, client)
      const { sub, aud, azp, auth_time } = got.claims
      expect(again).toMatchObject({ sub, aud, azp, auth_time })
      expect(body.access_token).not.toBe(got.accessToken)
      expect((await suite.userinfo(body.access_token ?? '')).status).toBe(200)
    })

    test('oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported', async () => {
      const client = await suite.register()
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const object = `${part({ alg: 'none' })}.${part({ state: 'inside', client_id: client.client_id })}.`
      const { parameters } = await suite.authorize(client, { request: object })
      expect(parameters.error).toMatch(/^(request_not_supported|invalid_request_object)$/)
    })

    test('oidcc-ensure-request-object-with-redirect-uri', async () => {
      const pair = await generateKeyPair('RS256', { extractable: true })
      const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'RS256' }] }
      const client = await suite.register({ jwks, request_object_signing_alg: 'RS256' })
      const request = await new SignJWT({
        client_id: client.client_id,
        redirect_uri: callback,
        response_type: 'code',
        scope: 'openid',
        state: 'state-1',
        nonce: 'nonce-1',
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'k', typ: 'oauth-authz-req+jwt' })
        .setIssuer(client.client_id)
        .setAudience(issuer)
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(pair.privateKey)
      await suite.tokens(client, { request })
    })

    test('oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported', async () => {
      const client = await suite.register()
      const response = await server.request(suite.request(client, { request_uri: uri('/request') }))
      expect(await readAnswer(response)).toMatchObject({
        to: callback,
        parameters: { error: 'request_uri_not_supported', state: 'state-1' },
      })
    })

    /** As the suite names it: the hash of something else, since the client is not registered yet. */
    const requestUri = (path: string) => {
      const fragment = createHash('sha256').update(crypto.randomUUID()).digest('base64url')
      return `${uri(path)}#${fragment}`
    }
    /** What is in the object alone. */
    const byReference = { state: undefined, nonce: undefined }
    const inside = (client: { readonly client_id: string }) => ({
      client_id: client.client_id,
      redirect_uri: callback,
      response_type: 'code',
      scope: 'openid',
      state: 'state-1',
      nonce: 'nonce-1',
    })

    test('oidcc-request-uri-signed-rs256', async () => {
      const discovery = await server.request('/oauth2/token/.well-known/openid-configuration')
      expect(await discovery.json()).toMatchObject({
        request_uri_parameter_supported: true,
        require_request_uri_registration: true,
        request_object_signing_alg_values_supported: expect.arrayContaining(['RS256']),
      })
      const pair = await generateKeyPair('RS256', { extractable: true })
      const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }] }
      const request_uri = requestUri('/signed-request')
      const client = await suite.register({
        jwks,
        request_uris: [request_uri],
        request_object_signing_alg: 'RS256',
      })
      const object = await new SignJWT({ ...inside(client), iss: client.client_id, aud: issuer })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .sign(pair.privateKey)
      served.set('/signed-request', object)
      const got = await suite.tokens(client, { ...byReference, request_uri })
      expect(got.claims.nonce).toBe('nonce-1')
    })

    test('oidcc-request-uri-unsigned', async () => {
      const discovery = await server.request('/oauth2/token/.well-known/openid-configuration')
      const { request_object_signing_alg_values_supported: algorithms } = (await discovery.json()) as Record<
        string,
        string[]
      >
      // so the suite skips the module: its client does not register that it sends unsigned objects
      expect(algorithms).not.toContain('none')
      const request_uri = uri('/unsigned-request')
      const client = await suite.register({
        request_uris: [request_uri],
        request_object_signing_alg: 'none',
      })
      served.set('/unsigned-request', new UnsecuredJWT(inside(client)).encode())
      const got = await suite.tokens(client, { ...byReference, request_uri })
      expect(got.claims.nonce).toBe('nonce-1')
      const other = await suite.register({ request_uris: [request_uri] })
      served.set('/unsigned-request', new UnsecuredJWT(inside(other)).encode())
      const { parameters } = await suite.authorize(other, { request_uri })
      expect(parameters.error).toBe('request_not_supported')
    })

    const newKeys = async (kid: string) => {
      const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
      const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' }] }
      return { kid, jwks, privateKey }
    }

    /** The code flow of a client that proves itself by these keys, wherever it registered them. */
    const byKeys = async (
      metadata: object,
      { kid, privateKey }: Awaited<ReturnType<typeof newKeys>>,
      changes: Parameters<typeof suite.authorize>[1] = {},
    ) => {
      const client = await suite.register({ token_endpoint_auth_method: 'private_key_jwt', ...metadata })
      expect(client).toMatchObject(metadata)
      expect(client).not.toHaveProperty('client_secret')
      const { parameters } = await suite.authorize(client, changes)
      const client_assertion = await new SignJWT({ jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: 'RS256', kid })
        .setIssuer(client.client_id)
        .setSubject(client.client_id)
        // it is the address of the token endpoint, too
        .setAudience(issuer)
        .setNotBefore('0s')
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(privateKey)
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
      const fields = { code: parameters.code, client_assertion, client_assertion_type }
      const { status, body } = await suite.token(client, fields, null)
      expect([status, body.error_description]).toEqual([200, undefined])
      await suite.verified(body.id_token, client)
      return body
    }

    test('oidcc-ensure-client-assertion-with-iss-aud-succeeds', async () => {
      const keys = await newKeys('k')
      await byKeys({ jwks: keys.jwks }, keys)
    })

    // both publish at one address, and the second comes as soon as the first is done
    test('oidcc-registration-jwks-uri, oidcc-refresh-token-rp-key-rotation', async () => {
      const [first, second] = [await newKeys('k1'), await newKeys('k2')]
      served.set('/keys', first.jwks)
      await byKeys({ jwks_uri: uri('/keys') }, first)
      served.set('/keys', second.jwks)
      const grant_types = ['authorization_code', 'refresh_token']
      const changes = { scope: 'openid offline_access', prompt: 'consent' }
      const tokens = await byKeys({ jwks_uri: uri('/keys'), grant_types }, second, changes)
      expect(tokens.refresh_token).toBeString()
    })

    test('oidcc-discovery-endpoint-verification', async () => {
      const response = await server.request('/oauth2/token/.well-known/openid-configuration')
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json'])
      const document = (await response.json()) as Record<string, unknown>
      const endpoints = Object.keys(document).filter((name) => name.endsWith('_endpoint'))
      expect(endpoints).toContain('registration_endpoint')
      for (const name of [...endpoints, 'jwks_uri']) expect(document[name]).toStartWith('https://')
      const containing = (...values: readonly string[]) => expect.arrayContaining([...values])
      expect(document).toMatchObject({
        issuer,
        response_types_supported: containing('code', 'id_token', 'id_token token'),
        grant_types_supported: containing('authorization_code', 'implicit', 'refresh_token'),
        subject_types_supported: ['public', 'pairwise'],
        scopes_supported: containing('openid', 'profile', 'email', 'address', 'phone', 'offline_access'),
        claims_supported: containing('sub', 'name'),
        id_token_signing_alg_values_supported: containing('RS256'),
        userinfo_signing_alg_values_supported: containing('RS256'),
        token_endpoint_auth_methods_supported: containing(
          'client_secret_basic',
          'client_secret_post',
          'private_key_jwt',
        ),
        claims_parameter_supported: true,
        request_parameter_supported: true,
        request_uri_parameter_supported: true,
      })
    })

    for (const [module, field] of [
      ['oidcc-registration-logo-uri', 'logo_uri'],
      ['oidcc-registration-policy-uri', 'policy_uri'],
      ['oidcc-registration-tos-uri', 'tos_uri'],
    ] as const) {
      test(module, async () => {
        const client = await suite.register({ [field]: 'https://client.example/page' })
        expect(client[field]).toBe('https://client.example/page')
        await suite.tokens(client)
      })
    }

    test('oidcc-3rd_party-init-login', async () => {
      const metadata = { initiate_login_uri: 'https://client.example/page' }
      const client = await suite.register(metadata)
      const { pathname } = new URL(String(client.registration_client_uri))
      const headers = { Authorization: `Bearer ${client.registration_access_token}` }
      const read = await server.request(pathname, { headers })
      expect([read.status, read.headers.get('content-type')]).toEqual([200, 'application/json'])
      expect([client, await read.json()]).toMatchObject([metadata, metadata])
    })

    // the second one is that of a suite that runs beside the server
    for (const initiate_login_uri of ['http://client.example/page', 'http://localhost:8443/page']) {
      test(`oidcc-3rd_party-init-login-nohttps: ${initiate_login_uri}`, async () => {
        const response = await suite.registration({ initiate_login_uri })
        expect([response.status, await response.json()]).toMatchObject([
          400,
          { error: 'invalid_client_metadata' },
        ])
      })
    }

    test('oidcc-registration-sector-uri', async () => {
      served.set('/sector', [callback])
      const metadata = { subject_type: 'pairwise', sector_identifier_uri: uri('/sector') }
      const pairwise = await suite.tokens(await suite.register(metadata))
      const open = await suite.tokens(await suite.register())
      expect(pairwise.claims.sub).not.toBe(open.claims.sub)
    })

    test('oidcc-registration-sector-bad', async () => {
      served.set('/sector', ['https://elsewhere.example/cb'])
      const metadata = { subject_type: 'pairwise', sector_identifier_uri: uri('/sector') }
      const response = await suite.registration(metadata)
      expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
        400,
        'invalid_client_metadata',
      ])
    })
  })
}
