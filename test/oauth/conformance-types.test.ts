/**
 * The modules of the implicit, hybrid and form-post plans: those of the basic plan once more for each response type in
 * each mode, and the logout plans from registration to the answer.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { decodeJwt, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { readAnswer } from '../authorize-answer.ts'
import { type Booted, boot } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { createPerson } from '../scenario.ts'
import { type Client, callback, conforming, type Fields, issuer } from './conforming.ts'

const half = (value: string) =>
  createHash('sha256').update(value).digest().subarray(0, 16).toString('base64url')

const afterLogout = 'https://client.example/after-logout'

const implicit = ['id_token', 'id_token token']
const hybrid = ['code id_token', 'code token', 'code id_token token']
const variants: readonly { response_type: string; response_mode?: string }[] = [
  { response_type: 'code', response_mode: 'form_post' },
  ...[...implicit, ...hybrid].flatMap((response_type) => [
    { response_type },
    { response_type, response_mode: 'form_post' },
  ]),
]

for (const database of databases) {
  describe(`the plans on ${database.name}`, () => {
    let server: Booted
    let suite: ReturnType<typeof conforming>
    beforeAll(async () => {
      server = await boot(database, { toml: '[oauth.dcr]\nauthentication_required = false\n' })
      suite = conforming(server, await createPerson(server, 'Conforming'))
    })
    afterEach(() => {
      setSystemTime()
    })
    afterAll(() => server.stop())

    const later = (seconds: number) => setSystemTime(new Date(Date.now() + seconds * 1000))

    for (const { response_type, response_mode } of variants) {
      const title = response_mode === undefined ? response_type : `${response_type} by ${response_mode}`
      const words = response_type.split(' ')
      const hasCode = words.includes('code')
      /** Whether an access token comes at all, and userinfo tells what else the ID token has to. */
      const hasAccess = hasCode || words.includes('token')

      describe(title, () => {
        let client: Client
        let signedIn: Browser

        const register = (metadata: object = {}) =>
          suite.register({
            response_types: [response_type],
            grant_types: [
              ...(hasCode ? ['authorization_code', 'refresh_token'] : []),
              ...(response_type === 'code' ? [] : ['implicit']),
            ],
            ...metadata,
          })

        const asked = (changes: Fields = {}): Fields => ({ response_type, response_mode, ...changes })

        const authorize = async (changes: Fields = {}, browser = signedIn, by = client) => {
          const answer = await suite.authorize(by, asked(changes), browser)
          const usual = response_type === 'code' ? 'query' : 'fragment'
          expect([answer.place, answer.to]).toEqual([
            response_mode === undefined ? usual : 'form_post',
            callback,
          ])
          expect([answer.parameters.state, answer.parameters.iss]).toEqual(['state-1', issuer])
          return answer.parameters
        }

        /** To all of its tokens, each ID token verified as its place demands. */
        const flow = async (changes: Fields = {}, browser = signedIn, by = client, token: Fields = {}) => {
          const { code, id_token, access_token, ...rest } = await authorize(changes, browser, by)
          expect(rest.error_description).toBeUndefined()
          expect([code, id_token, access_token].map((value) => value !== undefined)).toEqual(
            ['code', 'id_token', 'token'].map((word) => words.includes(word)),
          )
          const nonce = 'nonce' in changes ? changes.nonce : 'nonce-1'
          let claims: JWTPayload | undefined
          if (id_token !== undefined) {
            claims = await suite.verified(id_token, by)
            expect([claims.nonce, claims.at_hash, claims.c_hash]).toEqual([
              nonce,
              access_token === undefined ? undefined : half(access_token),
              code === undefined ? undefined : half(code),
            ])
          }
          if (code === undefined) {
            return {
              accessToken: access_token ?? '',
              idToken: id_token ?? '',
              claims: claims ?? {},
              code: '',
            }
          }
          const post = token.client_secret === undefined ? undefined : null
          const redeemed = await suite.token(by, { code, ...token }, post)
          expect([redeemed.status, redeemed.body.error_description]).toEqual([200, undefined])
          const behind = await suite.verified(redeemed.body.id_token, by)
          // both are of the same sign-in (OpenID Connect Core §3.3.3.6)
          if (claims) expect([behind.iss, behind.sub]).toEqual([claims.iss, claims.sub])
          expect(behind.nonce).toBe(nonce)
          return {
            accessToken: redeemed.body.access_token ?? '',
            frontToken: access_token,
            idToken: redeemed.body.id_token ?? '',
            refreshToken: redeemed.body.refresh_token,
            claims: behind,
            code,
          }
        }

        /** What is told about the person, wherever that is. */
        const told = async (got: Awaited<ReturnType<typeof flow>>): Promise<Record<string, unknown>> =>
          hasAccess ? suite.userinfoOf(got) : got.claims

        beforeAll(async () => {
          client = await register()
          signedIn = newBrowser(server)
          await flow()
        })

        test('oidcc-server, oidcc-idtoken-signature', async () => {
          const got = await flow({}, newBrowser(server))
          if (!hasAccess) return
          await suite.userinfoOf(got)
          // the one that came by the browser is good, too
          const front = 'frontToken' in got ? got.frontToken : undefined
          if (front !== undefined) expect((await suite.userinfo(front)).status).toBe(200)
        })

        if (hasAccess) {
          test('oidcc-userinfo-get, oidcc-userinfo-post-header, oidcc-userinfo-post-body', async () => {
            const got = await flow()
            await suite.userinfoOf(got)
            expect((await suite.userinfo(got.accessToken, { method: 'POST' })).status).toBe(200)
            const body = new URLSearchParams({ access_token: got.accessToken })
            expect((await server.request('/oauth2/userinfo', { method: 'POST', body })).status).toBe(200)
          })
        }

        if (words.includes('id_token')) {
          test('oidcc-ensure-request-without-nonce-fails', async () => {
            expect((await authorize({ nonce: undefined })).error).toBe('invalid_request')
          })
        } else {
          test('oidcc-ensure-request-without-nonce-succeeds-for-code-flow', async () => {
            await flow({ nonce: undefined })
          })
        }

        test('oidcc-scope-profile, -email, -address, -phone, -all, oidcc-alternate-happy-flow', async () => {
          for (const scope of ['profile', 'email', 'address', 'phone', 'profile email address phone']) {
            for (const order of [`openid ${scope}`, `${scope} openid`]) {
              const got = await flow({ scope: order })
              const claims = await told(got)
              // where userinfo tells it, the ID token does not (EnsureIdTokenDoesNotContainEmailForScopeEmail)
              if (hasAccess)
                expect([order, got.claims.email, got.claims.name]).toEqual([order, undefined, undefined])
              expect([order, claims.email, claims.given_name]).toEqual([
                order,
                scope.includes('email') ? 'conforming@example.com' : undefined,
                scope.includes('profile') ? 'Conforming' : undefined,
              ])
            }
          }
        })

        test('oidcc-display-page, -popup, -ui-locales, -claims-locales, -login-hint, -acr-values, -unknown-parameter', async () => {
          for (const changes of [
            { display: 'page' },
            { display: 'popup' },
            { ui_locales: 'se' },
            { claims_locales: 'se' },
            { login_hint: 'somebody@localhost' },
            { acr_values: '1 2' },
            { extra: 'foobar' },
          ] as Fields[]) {
            await flow(changes)
          }
        })

        test('oidcc-claims-essential', async () => {
          const where = hasAccess ? 'userinfo' : 'id_token'
          const claims = JSON.stringify({ [where]: { name: { essential: true }, email: null } })
          const got = await flow({ claims })
          expect(await told(got)).toMatchObject({
            name: 'Conforming Example',
            email: 'conforming@example.com',
          })
          if (hasAccess) expect(got.claims).not.toContainKeys(['name'])
        })

        test('oidcc-prompt-login', async () => {
          const browser = newBrowser(server)
          const first = await flow({}, browser)
          later(5)
          const second = await flow({ prompt: 'login' }, browser)
          expect(suite.pages).toContain('login')
          expect(Number(second.claims.auth_time)).toBeGreaterThan(Number(first.claims.auth_time))
          expect(second.claims.sub).toBe(first.claims.sub)
        })

        test('oidcc-prompt-none-not-logged-in', async () => {
          const { error } = await authorize({ prompt: 'none' }, newBrowser(server))
          expect([error, suite.pages]).toEqual(['login_required', []])
        })

        test('oidcc-prompt-none-logged-in, oidcc-id-token-hint, oidcc-max-age-10000', async () => {
          const first = await flow()
          for (const changes of [
            { prompt: 'none' },
            { prompt: 'none', id_token_hint: first.idToken },
            { max_age: '10000' },
          ]) {
            const again = await flow(changes)
            expect(suite.pages).toEqual([])
            expect([again.claims.sub, again.claims.auth_time]).toEqual([
              first.claims.sub,
              first.claims.auth_time,
            ])
          }
        })

        test('oidcc-max-age-1', async () => {
          const browser = newBrowser(server)
          const first = await flow({}, browser)
          later(5)
          const second = await flow({ max_age: '1' }, browser)
          expect(suite.pages).toContain('login')
          expect(Number(second.claims.auth_time)).toBeGreaterThan(Number(first.claims.auth_time))
        })

        test('oidcc-response-type-missing, oidcc-ensure-registered-redirect-uri', async () => {
          const missing = await server.request(suite.request(client, asked({ response_type: undefined })))
          expect(await readAnswer(missing)).toMatchObject({
            place: response_mode ?? 'query',
            parameters: { error: 'invalid_request', state: 'state-1', iss: issuer },
          })
          const other = { redirect_uri: 'https://client.example/other' }
          const refused = await server.request(suite.request(client, asked(other)))
          expect([refused.status, refused.headers.get('location')]).toEqual([400, null])
        })

        test('oidcc-request-uri-unsigned-…, oidcc-unsigned-request-object-…', async () => {
          const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
          const request = `${part({ alg: 'none' })}.${part({ state: 'state-1', client_id: client.client_id })}.`
          expect((await authorize({ request })).error).toMatch(
            /^(request_not_supported|invalid_request_object)$/,
          )
          const uri = suite.request(client, asked({ request_uri: 'https://client.example/request' }))
          expect(JSON.stringify(await readAnswer(await server.request(uri)))).toMatch(/request_uri/)
        })

        test('oidcc-ensure-request-object-with-redirect-uri', async () => {
          const pair = await generateKeyPair('RS256', { extractable: true })
          const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'RS256' }] }
          const by = await register({ jwks })
          const request = await new SignJWT({
            ...JSON.parse(JSON.stringify(asked())),
            client_id: by.client_id,
            redirect_uri: callback,
            scope: 'openid',
            state: 'state-1',
            nonce: 'nonce-1',
          })
            .setProtectedHeader({ alg: 'RS256', kid: 'k' })
            .setIssuer(by.client_id)
            .setAudience(issuer)
            .setExpirationTime('5m')
            .sign(pair.privateKey)
          // what is beside it is wrong, and does not count
          await flow({ request, redirect_uri: 'https://client.example/wrong' }, signedIn, by)
        })

        if (hasCode) {
          test('oidcc-codereuse', async () => {
            const { code, accessToken } = await flow()
            expect(await suite.token(client, { code })).toMatchObject({
              status: 400,
              body: { error: 'invalid_grant' },
            })
            expect((await suite.userinfo(accessToken)).status).toBe(401)
          })

          test('oidcc-ensure-request-with-valid-pkce-succeeds', async () => {
            const code_verifier = 'v'.repeat(64)
            const code_challenge = createHash('sha256').update(code_verifier).digest('base64url')
            const changes = { code_challenge, code_challenge_method: 'S256' }
            await flow(changes, signedIn, client, { code_verifier })
          })

          test('oidcc-server-client-secret-post', async () => {
            const by = await register({ token_endpoint_auth_method: 'client_secret_post' })
            const { client_id, client_secret } = by
            await flow({}, signedIn, by, { client_id, client_secret })
          })

          test('oidcc-refresh-token', async () => {
            const got = await flow({ scope: 'openid offline_access', prompt: 'consent' })
            const refresh_token = 'refreshToken' in got ? got.refreshToken : undefined
            const fields = { grant_type: 'refresh_token', refresh_token, redirect_uri: undefined }
            const { status, body } = await suite.token(client, fields)
            expect([status, body.error_description]).toEqual([200, undefined])
            const again = await suite.verified(body.id_token, client)
            expect([again.sub, again.auth_time]).toEqual([got.claims.sub, got.claims.auth_time])
          })
        }

        test('oidcc-rp-initiated-logout, oidcc-frontchannel-rp-initiated-logout', async () => {
          const frontchannel_logout_uri = 'https://client.example/frontchannel'
          const by = await register({
            post_logout_redirect_uris: [afterLogout],
            frontchannel_logout_uri,
            frontchannel_logout_session_required: true,
          })
          const browser = newBrowser(server)
          const { idToken } = await flow({}, browser, by)
          const query = new URLSearchParams({
            id_token_hint: idToken,
            post_logout_redirect_uri: afterLogout,
            state: 'logout-1',
          })
          const left = await suite.drive(browser, await browser.get(`/oidc/logout?${query}`))
          const html = (await left.text()).replaceAll('&amp;', '&')
          const frame = new URL(/<iframe[^>]* src="([^"]+)"/.exec(html)?.[1] ?? 'about:blank')
          expect(frame.href).toStartWith(frontchannel_logout_uri)
          expect([frame.searchParams.get('iss'), frame.searchParams.get('sid')]).toEqual([
            issuer,
            String(decodeJwt(idToken).sid),
          ])
          expect(html).toContain(`${afterLogout}?state=logout-1`)
          expect((await authorize({ prompt: 'none' }, browser, by)).error).toBe('login_required')
        })
      })
    }
  })
}
