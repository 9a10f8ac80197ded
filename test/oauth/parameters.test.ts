/**
 * Every form there is, and each of its parameters absent, empty, repeated, too long, not UTF-8, with NUL and with CRLF:
 * refused in the words of its endpoint, and nothing is used up by it: the right request succeeds behind all the wrong ones.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import * as jose from 'jose'
import { commit, write } from '../../lib/database/commit.ts'
import { assertionType } from '../../lib/oauth/presented-client.ts'
import { type Booted, basic, boot } from '../boot.ts'
import { type Browser, locationOf, newBrowser } from '../browser.ts'
import { databases, temporaryDirectory } from '../databases.ts'
import { changesOf } from '../nothing-else.ts'
import {
  authorizePath,
  createApplication,
  logIn,
  obtainSubjectToken,
  redirectUri,
  type Scenario,
  setUp,
  tokenExchange,
  tokenType,
} from '../scenario.ts'
import { createClient, requestOf, signedIn } from './authorizing.ts'
import { bookings, bookingsToml, createService, organization, userTokens } from './exchanged-tokens.ts'
import { type Client, newClient, newCode, newPerson, redeem, tokensOf, verifier } from './granted.ts'
import { fieldsOf } from './signed-in.ts'

type Fields = Readonly<Record<string, string>>

/** A request of a form endpoint that succeeds. */
interface Row {
  readonly name: string
  readonly path: string
  readonly method?: 'GET'
  /** In which words it refuses: RFC 6749 §5.2, or our page and redirects. */
  readonly refuses: 'in JSON' | 'with a page'
  /** What it cannot do without. */
  readonly required: Fields
  /** What may be left out. */
  readonly optional?: Fields
  /** What is made anew for each request, since it is used up with it. */
  readonly fresh?: () => Promise<Fields>
  readonly headers?: Fields
  /** Of the peer: a proxy's, where it hands a certificate on. */
  readonly address?: string
  readonly browser?: Browser
  /** Parameters that may come several times. */
  readonly repeatable?: readonly string[]
  /** Which of them may have CRLF: unknown tokens, free text, and a scope, which white space divides. */
  readonly anything?: readonly string[]
  /** Whether an answer is the right one's. */
  readonly succeeds: (response: Response) => boolean | Promise<boolean>
}

const proxy = '10.1.2.3'

/** Another password than the shipped one is what trusted proxies need. */
const behindProxy = `
[server]
trusted_proxies = ["10.0.0.0/8"]
[super_admin]
password = "another"
[oauth.mutualtls]
client_certificate_header = "X-SSL-CERT"
`

/** A client's own certificate. */
const newCertificate = async (): Promise<string> => {
  const directory = temporaryDirectory()
  const [key, file] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const made = Bun.spawnSync([
    ...'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=forms'.split(
      ' ',
    ),
    ...['-keyout', key, '-out', file],
  ])
  expect(made.exitCode).toBe(0)
  return Bun.file(file).text()
}

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>

const formType = 'application/x-www-form-urlencoded'
const encoded = (fields: Fields) => new URLSearchParams(fields).toString()
const bytes = (text: string) => new TextEncoder().encode(text)
/** Would be a header of its own, were it written to one as it is. */
const crlf = '\r\nSet-Cookie: a=b'
const isOk = ({ status }: Response) => status === 200
/** A body whose length nobody knows before its end. */
const streamed = (text: string) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < text.length; at += 16_384) controller.enqueue(bytes(text.slice(at, at + 16_384)))
      controller.close()
    },
  })
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

/** What a refusal may leave: its audit row, the count of failures, and what a request that waits for a person is kept in. */
// a refused impersonation is kept as one that was refused (test/impersonations.test.ts)
const left = ['audit', 'login_failure', 'code_attempt', 'interaction', 'used_value', 'impersonation']

const expectRefusedInJson = async (response: Response) => {
  const body = (await response.json()) as Record<string, string>
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('content-type')).toStartWith('application/json')
  expect(Object.keys(body).sort()).toEqual(['error', 'error_description'])
  expect(body.error).toMatch(/^[a-z_]+$/)
  // RFC 6749 §5.2
  expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,300}$/)
  expect(response.status).toBe(body.error === 'invalid_client' ? 401 : 400)
}

/** Our page with its error, or a redirect that carries one: to the client, or to a page of ours. */
const expectRefusedWithPage = async (response: Response) => {
  if (response.status === 302) {
    const to = response.headers.get('location') ?? ''
    const isOurs = to.startsWith('/authenticationendpoint/')
    expect(to).toMatch(isOurs ? /failure=|authFailure=true/ : /[?#&]error=[a-z_]+/)
    if (!isOurs) expect(to).toStartWith(redirectUri)
    return
  }
  expect([response.status, response.headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8'])
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.text()).toContain('id="error-code"')
}

for (const database of databases) {
  describe(`forms on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    /** The same server behind a proxy that hands certificates on. */
    let behind: Booted
    let rows: readonly Row[]

    const deviceCode = async (client: Client, person: { userName: string; password: string }) => {
      const begun = await server.request('/oauth2/device_authorize', {
        method: 'POST',
        body: new URLSearchParams({ scope: 'openid' }),
        headers: { Authorization: basic(client.clientId, client.clientSecret) },
      })
      const codes = (await begun.json()) as { device_code: string; user_code: string }
      const browser = newBrowser(server)
      /** From the code to the key of the page that asks. */
      const enter = async () => {
        const entered = locationOf(await browser.post('/oauth2/device', { user_code: codes.user_code }))
        const sessionDataKey = entered.searchParams.get('sessionDataKey') ?? ''
        const { userName: username, password } = person
        await browser.post('/commonauth', { username, password, sessionDataKey })
        return sessionDataKey
      }
      return { ...codes, browser, enter }
    }

    const makeRows = async (): Promise<Row[]> => {
      const keys = await jose.generateKeyPair('ES256', { extractable: true })
      const jwks = { keys: [{ ...(await jose.exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' }] }
      const grantTypes = [
        'authorization_code',
        'refresh_token',
        'client_credentials',
        'implicit',
        deviceGrant,
        tokenExchange,
        'organization_switch',
      ]
      const method = (tokenEndpointAuthMethod: string) => ({
        grantTypes,
        clientAuthentication: { tokenEndpointAuthMethod },
      })
      const byBasic = await newClient(server, method('client_secret_basic'))
      const byPost = await newClient(server, method('client_secret_post'))
      const byAssertion = await createService(server, 'Service', [], {
        ...method('private_key_jwt'),
        mayact: { jwks },
      })
      const byNothing = await newClient(server, { grantTypes, publicClient: true })
      const person = await newPerson(server, byBasic)
      const assertion = async () => ({
        client_assertion: await new jose.SignJWT({ jti: crypto.randomUUID() })
          .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
          .setIssuer(byAssertion.clientId)
          .setSubject(byAssertion.clientId)
          .setAudience(server.config.issuer)
          .setIssuedAt()
          .setExpirationTime('1m')
          .sign(keys.privateKey),
        client_assertion_type: assertionType,
      })
      const asBasic = { Authorization: basic(byBasic.clientId, byBasic.clientSecret) }
      const at = (path: string) => ({ path, refuses: 'in JSON' as const })
      const ways = [
        { by: 'Basic', client: byBasic, headers: asBasic },
        {
          by: 'a secret in the form',
          client: byPost,
          required: { client_id: byPost.clientId, client_secret: byPost.clientSecret },
        },
        { by: 'an assertion', client: byAssertion, fresh: assertion },
        { by: 'its id alone', client: byNothing, required: { client_id: byNothing.clientId } },
      ]
      const list: Row[] = []
      const byCertificate = await newClient(behind, {
        grantTypes: ['client_credentials'],
        clientAuthentication: {
          tokenEndpointAuthMethod: 'tls_client_auth',
          tlsClientAuthSubjectDn: 'CN=forms',
        },
      })
      list.push({
        name: 'client credentials by a certificate',
        ...at('/oauth2/token'),
        headers: { 'X-SSL-CERT': encodeURIComponent(await newCertificate()) },
        address: proxy,
        required: { grant_type: 'client_credentials', client_id: byCertificate.clientId },
        optional: { scope: 'internal_user_mgt_list' },
        succeeds: isOk,
      })
      for (const { by, client, required, ...way } of ways) {
        const code = await newCode(server, client, person)
        list.push({
          name: `a code, redeemed by ${by}`,
          ...at('/oauth2/token'),
          ...way,
          required: {
            grant_type: 'authorization_code',
            code: code.value,
            redirect_uri: redirectUri,
            code_verifier: verifier,
            ...required,
          },
          succeeds: isOk,
        })
      }
      const first = await newCode(server, byBasic, person, { offline: true })
      const tokens = await tokensOf(await redeem(server, byBasic, first.value))
      list.push({
        name: 'a refresh',
        ...at('/oauth2/token'),
        headers: asBasic,
        required: { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' },
        optional: { scope: 'openid' },
        succeeds: isOk,
      })
      list.push({
        name: 'client credentials by an assertion',
        ...at('/oauth2/token'),
        fresh: assertion,
        required: { grant_type: 'client_credentials' },
        optional: { scope: 'booking_read', resource: bookings },
        repeatable: ['resource'],
        succeeds: isOk,
      })
      const device = await deviceCode(byBasic, person)
      const key = await device.enter()
      await device.browser.post('/oauth2/device', { sessionDataKey: key, consent: 'approve' })
      list.push({
        name: 'a device code',
        ...at('/oauth2/token'),
        headers: asBasic,
        required: { grant_type: deviceGrant, device_code: device.device_code },
        succeeds: isOk,
      })
      const asScenario = { Authorization: basic(scenario.clientId, scenario.clientSecret) }
      const started = await obtainSubjectToken(server, scenario)
      list.push({
        name: 'an impersonation',
        ...at('/oauth2/token'),
        headers: asScenario,
        required: {
          grant_type: tokenExchange,
          subject_token: started.subjectToken,
          subject_token_type: tokenType('jwt'),
          actor_token: started.idToken,
          actor_token_type: tokenType('id_token'),
        },
        optional: { requested_token_type: tokenType('access_token'), scope: 'internal_user_mgt_list' },
        succeeds: isOk,
      })
      const subject = await tokensOf(
        await redeem(server, byBasic, (await newCode(server, byBasic, person)).value),
      )
      const service = await createService(server, 'Bookings', [person.id], { grantTypes })
      const { accessToken } = await userTokens(server, service, person.id)
      list.push({
        name: 'a delegation',
        ...at('/oauth2/token'),
        headers: { Authorization: basic(service.clientId, service.clientSecret) },
        required: {
          grant_type: tokenExchange,
          subject_token: accessToken,
          subject_token_type: tokenType('access_token'),
        },
        optional: {
          requested_token_type: tokenType('access_token'),
          scope: 'booking_read',
          audience: service.clientId,
          resource: bookings,
        },
        repeatable: ['resource', 'audience'],
        succeeds: isOk,
      })
      list.push({
        name: 'a switch of organizations',
        ...at('/oauth2/token'),
        headers: { Authorization: basic(service.clientId, service.clientSecret) },
        required: {
          grant_type: 'organization_switch',
          token: accessToken,
          switching_organization: organization.id,
        },
        optional: { scope: 'booking_read' },
        succeeds: isOk,
      })

      const challenge = createHash('sha256').update(verifier).digest('base64url')
      const asked = {
        response_type: 'code',
        redirect_uri: redirectUri,
        scope: 'openid',
        code_challenge: challenge,
        code_challenge_method: 'S256',
      }
      list.push({
        name: 'a pushed request',
        ...at('/oauth2/par'),
        headers: asBasic,
        required: { response_type: 'code', redirect_uri: redirectUri },
        optional: { ...asked, client_id: byBasic.clientId, state: 's', nonce: 'n', max_age: '100' },
        succeeds: ({ status }) => status === 201,
      })
      const active = async (response: Response) =>
        ((await response.json()) as { active: boolean }).active === true
      list.push({
        name: 'introspection',
        ...at('/oauth2/introspect'),
        headers: asBasic,
        required: { token: subject.access_token },
        anything: ['token'],
        optional: { token_type_hint: 'access_token' },
        succeeds: active,
      })
      const doomed = await tokensOf(
        await redeem(server, byBasic, (await newCode(server, byBasic, person)).value),
      )
      list.push({
        name: 'revocation',
        ...at('/oauth2/revoke'),
        headers: asBasic,
        required: { token: doomed.access_token },
        anything: ['token'],
        optional: { token_type_hint: 'access_token' },
        succeeds: isOk,
      })
      list.push({
        name: 'a device that begins',
        ...at('/oauth2/device_authorize'),
        required: { client_id: byNothing.clientId },
        optional: { scope: 'openid' },
        succeeds: isOk,
      })

      const toPage = { refuses: 'with a page' as const }
      const asking = await createClient(server)
      const browser = await signedIn(server, asking, person)
      const ofQuery = (path: string): Fields =>
        Object.fromEntries(new URL(path, 'https://localhost').searchParams)
      for (const response_type of [
        'code',
        'none',
        'id_token',
        'id_token token',
        'code id_token',
        'code token',
        'code id_token token',
      ]) {
        const { client_id = '', ...rest } = ofQuery(requestOf(asking, { response_type }))
        const { nonce = '', state = '', scope = '' } = rest
        const wantsNonce = response_type.includes('id_token')
        const wantsScope = response_type.includes('id_token')
        const row = {
          ...toPage,
          path: '/oauth2/authorize',
          browser,
          anything: ['nonce', 'scope'],
          required: {
            client_id,
            redirect_uri: redirectUri,
            response_type,
            ...(wantsNonce ? { nonce } : {}),
            ...(wantsScope ? { scope } : {}),
          },
          optional: {
            state,
            ...(wantsNonce ? {} : { nonce }),
            ...(wantsScope ? {} : { scope }),
            prompt: 'none',
            max_age: '1000',
            ui_locales: 'en',
            login_hint: 'somebody',
            acr_values: 'a b',
            display: 'page',
            claims: '{"userinfo":{"email":null}}',
          },
          succeeds: (response: Response) =>
            response.status === 302 &&
            locationOf(response).href.startsWith(redirectUri) &&
            !locationOf(response).href.includes('error='),
        }
        list.push({ name: `${response_type}, by GET`, method: 'GET', ...row })
        list.push({ name: `${response_type}, by POST`, ...row })
      }
      const impersonator = newBrowser(server)
      await logIn(impersonator, await impersonator.get(authorizePath(scenario)), scenario.impersonator)
      for (const response_type of ['id_token subject_token', 'subject_token']) {
        const query = ofQuery(authorizePath(scenario, { response_type }))
        const { state = '', nonce = '', ...required } = query
        const both = response_type.includes('id_token')
        list.push({
          name: response_type,
          ...toPage,
          path: '/oauth2/authorize',
          method: 'GET',
          browser: impersonator,
          anything: ['nonce', 'scope'],
          required: both ? { ...required, nonce } : required,
          optional: both ? { state } : { state, nonce },
          succeeds: (response) => locationOf(response).hash.includes('subject_token='),
        })
      }

      const waiting = newBrowser(server)
      const login = locationOf(await waiting.get(requestOf(asking)))
      list.push({
        name: 'the login form',
        ...toPage,
        path: '/commonauth',
        browser: waiting,
        required: {
          sessionDataKey: login.searchParams.get('sessionDataKey') ?? '',
          username: person.userName,
          password: person.password,
        },
        succeeds: (response) => locationOf(response).pathname === '/oauth2/authorize',
      })
      const consenting = await createApplication(server, {
        name: 'Consenting',
        skipLoginConsent: false,
        apis: {},
        oidc: { grantTypes: ['authorization_code'], subjectToken: { enable: false } },
      })
      const consent = locationOf(await browser.get(requestOf(consenting)))
      list.push({
        name: 'the consent form',
        ...toPage,
        path: '/oauth2/authorize',
        browser,
        required: {
          sessionDataKeyConsent: consent.searchParams.get('sessionDataKeyConsent') ?? '',
          consent: 'approve',
        },
        succeeds: (response) => locationOf(response).searchParams.has('code'),
      })
      const pending = await deviceCode(byBasic, person)
      list.push({
        name: 'the code of a device',
        ...toPage,
        path: '/oauth2/device',
        browser: newBrowser(server),
        required: { user_code: pending.user_code },
        succeeds: (response) => locationOf(response).pathname === '/authenticationendpoint/login.do',
      })
      list.push({
        name: 'the decision about a device',
        ...toPage,
        path: '/oauth2/device',
        browser: pending.browser,
        required: { sessionDataKey: await pending.enter(), consent: 'approve' },
        succeeds: (response) => locationOf(response).search === '?done=approved',
      })
      const leaving = await signedIn(server, asking, person)
      const page = await leaving.get('/oidc/logout')
      const asksFirst = async (response: Response) =>
        isOk(response) && (await response.text()).includes('id="logoutForm"')
      const wishes = {
        client_id: asking.clientId,
        post_logout_redirect_uri: redirectUri,
        state: 's',
        ui_locales: 'en',
        logout_hint: 'somebody',
      }
      list.push({
        name: 'a logout by GET',
        ...toPage,
        path: '/oidc/logout',
        method: 'GET',
        browser: leaving,
        required: {},
        optional: wishes,
        succeeds: asksFirst,
      })
      list.push({
        name: 'a logout by POST',
        ...toPage,
        path: '/oidc/logout',
        browser: leaving,
        required: {},
        optional: { ...wishes, ...fieldsOf(await page.text()) },
        succeeds: (response) => response.status === 302 && locationOf(response).href.startsWith(redirectUri),
      })
      // last, since it is what its token is good for only as long as nobody signs out
      const informed = await tokensOf(
        await redeem(server, byBasic, (await newCode(server, byBasic, person)).value),
      )
      list.push({
        name: 'userinfo by POST',
        ...at('/oauth2/userinfo'),
        required: { access_token: informed.access_token },
        succeeds: isOk,
      })
      return list
    }

    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      // the account keeps its password, as if somebody had chosen it
      await commit(server.db, [write(server.db.updateTable('account').set({ password_shipped_at: null }))])
      behind = await boot(database, {
        insteadOfShipped: behindProxy,
        beside: { directory: server.directory, config: server.config },
      })
      scenario = await setUp(server)
      rows = await makeRows()
    }, 120_000)
    afterAll(async () => {
      await behind.stop()
      await server.stop()
    })

    const send = (row: Row, body: Body, headers: Fields = {}): Promise<Response> => {
      const request = row.browser ? row.browser.get : server.request
      if (row.method === 'GET') return request(`${row.path}?${body}`, { headers: row.headers ?? {} })
      const init = {
        method: 'POST',
        headers: { 'Content-Type': formType, ...row.headers, ...headers },
        body,
      }
      return row.address
        ? behind.request(row.path, { ...init, address: row.address })
        : request(row.path, init)
    }

    const fieldsFor = async (row: Row): Promise<Fields> => ({
      ...row.optional,
      ...row.required,
      ...(await row.fresh?.()),
    })

    /** With one parameter left out, or another text in its place. */
    const without = (fields: Fields, name: string): Fields =>
      Object.fromEntries(Object.entries(fields).filter(([other]) => other !== name))

    const expectRefused = async (row: Row, what: string, response: Response) => {
      try {
        // who shows no token is told nothing but how (RFC 6750 §3.1)
        if (row.path === '/oauth2/userinfo' && response.status === 401) {
          expect(response.headers.get('www-authenticate')).toStartWith('Bearer')
          return
        }
        await (row.refuses === 'in JSON' ? expectRefusedInJson(response) : expectRefusedWithPage(response))
      } catch (cause) {
        throw new Error(`${row.name}, ${what}: ${response.status}`, { cause })
      }
    }

    test('are all in this table', () => {
      const routes = server.app.routes
        .filter(({ method, path }) => method === 'POST' && !/^\/(api|scim2)\//.test(path))
        .map(({ path }) => path)
      const listed = rows.filter(({ method }) => method !== 'GET').map(({ path }) => path)
      expect([...new Set(listed)].sort()).toEqual([...new Set(routes)].sort())
    })

    test('refuse each parameter that is wrong, use nothing up by it, and take what is right', async () => {
      for (const row of rows) {
        const { changes } = await changesOf(server.db, async () => {
          const names = Object.keys(await fieldsFor(row))
          for (const name of names) {
            const fields = await fieldsFor(row)
            const rest = encoded(without(fields, name))
            const value = encodeURIComponent(fields[name] ?? '')
            const refused = async (what: string, body: Body) =>
              expectRefused(row, `${name} ${what}`, await send(row, body))
            if (!row.repeatable?.includes(name)) {
              await refused('repeated', `${rest}&${name}=${value}&${name}=${value}`)
              await refused('repeated and empty', `${rest}&${name}=${value}&${name}=`)
            }
            await refused('64 KiB long', `${rest}&${name}=${'x'.repeat(65_536)}`)
            await refused('not percent-encoded UTF-8', `${rest}&${name}=%C3%28`)
            await refused('broken off', `${rest}&${name}=%C`)
            await refused('with NUL', `${rest}&${name}=${value}%00`)
            if (row.method !== 'GET') {
              await refused('not UTF-8', new Uint8Array([...bytes(`${rest}&${name}=`), 0xc3, 0x28]))
            }
            const isNeeded = name in row.required || !(name in (row.optional ?? {}))
            // the others say anything, and what they say is harmless
            if (!isNeeded) continue
            await refused('absent', encoded(without(await fieldsFor(row), name)))
            await refused('empty', `${encoded(without(await fieldsFor(row), name))}&${name}=`)
            if (row.anything?.includes(name)) continue
            const { [name]: given = '' } = await fieldsFor(row)
            await refused('with CRLF', encoded({ ...(await fieldsFor(row)), [name]: `${given}${crlf}` }))
          }
        })
        const touched = Object.keys({ ...changes.added, ...changes.changed, ...changes.removed })
        expect([row.name, touched.filter((table) => !left.includes(table))]).toEqual([row.name, []])
        for (const { state } of changes.added.impersonation ?? []) expect(state).toBe('refused')
        // by POST without a length, as a chunked body has none
        const right = encoded(await fieldsFor(row))
        const response = await send(row, row.method === 'GET' ? right : streamed(right))
        const text = await response.clone().text()
        expect([row.name, response.status, await row.succeeds(response), text]).toEqual([
          row.name,
          response.status,
          true,
          text,
        ])
        // what may say anything says this, too, and it stays where it belongs
        for (const name of Object.keys(row.optional ?? {})) {
          const fields = await fieldsFor(row)
          const answer = await send(row, encoded({ ...fields, [name]: `${fields[name]}${crlf}` }))
          expect([row.name, name, answer.status < 500]).toEqual([row.name, name, true])
          expect(answer.headers.getSetCookie().some((cookie) => cookie.startsWith('a='))).toBe(false)
        }
      }
    }, 60_000)

    test('refuse what is no form, and what is too long, with its length said or not', async () => {
      const { changes } = await changesOf(server.db, async () => {
        for (const row of rows.filter(({ method }) => method !== 'GET')) {
          const fields = await fieldsFor(row)
          const right = encoded(fields)
          const boundary = `--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--b--\r\n`
          for (const [type, body] of [
            ['application/json', JSON.stringify(fields)],
            ['text/plain', right],
            ['multipart/form-data; boundary=b', boundary],
            [`${formType}+json`, right],
            ['', right],
          ] as const) {
            await expectRefused(row, `as ${type}`, await send(row, body, { 'Content-Type': type }))
          }
          const long = `${right}&more=${'x'.repeat(1_048_576)}`
          await expectRefused(row, 'of 1 MiB', await send(row, long))
          await expectRefused(row, 'of 1 MiB in chunks', await send(row, streamed(long)))
          const said = { 'Content-Length': String(long.length) }
          await expectRefused(row, 'of 1 MiB, said', await send(row, long, said))
          await expectRefused(
            row,
            'of one name again and again',
            await send(row, `${right}&${'a&'.repeat(15_000)}`),
          )
        }
      })
      const touched = Object.keys({ ...changes.added, ...changes.changed, ...changes.removed })
      expect(touched.filter((table) => !left.includes(table))).toEqual([])
    }, 30_000)

    test('are sent by no other method', async () => {
      const answers: (readonly [string, number, string | null])[] = []
      const wanted: typeof answers = []
      const { changes } = await changesOf(server.db, async () => {
        for (const path of new Set(rows.map((row) => row.path))) {
          const row = rows.find((one) => one.path === path)
          const known = server.app.routes.filter((route) => route.path === path).map(({ method }) => method)
          for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'QUERY']) {
            // whoever may read may ask by HEAD, but not for what has consequences
            if (known.includes(method) || (method === 'HEAD' && path === '/oauth2/userinfo')) continue
            const fields = row ? encoded(await fieldsFor(row)) : ''
            const isBare = method === 'GET' || method === 'HEAD'
            const response = await server.request(`${path}?${fields}`, {
              method,
              headers: { 'Content-Type': formType, ...row?.headers },
              ...(isBare ? {} : { body: fields }),
            })
            answers.push([`${method} ${path}`, response.status, response.headers.get('allow')])
            wanted.push([`${method} ${path}`, 405, known.join(', ')])
            if (row && method !== 'HEAD') {
              const isPage = row.refuses === 'with a page'
              const type = isPage ? 'text/html; charset=utf-8' : 'application/json'
              expect(response.headers.get('content-type')?.startsWith(type)).toBe(true)
              expect(await response.text()).toContain(
                isPage ? 'id="error-code"' : '"error":"invalid_request"',
              )
            }
          }
        }
      })
      expect(answers.length).toBeGreaterThan(40)
      expect(answers).toEqual(wanted)
      expect(changes).toEqual({ added: {}, changed: {}, removed: {} })
    })
  })
}
