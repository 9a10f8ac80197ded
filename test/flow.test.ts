/** The seed's flow in the app itself: authorize → subject token → exchange → protected resource → audit line. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { auditLine } from '../lib/audit.ts'
import { type Booted, boot } from './boot.ts'
import { fragmentOf, locationOf } from './browser.ts'
import { databases } from './databases.ts'
import {
  authorizePath,
  exchange,
  impersonate,
  obtainSubjectToken,
  patchCountry,
  redirectUri,
  type Scenario,
  setUp,
} from './scenario.ts'

/** Decoded, as a plain record: what is in a token is compared whole. */
const decodeJwt = (token: string): Record<string, unknown> => jose.decodeJwt(token)
const decodeProtectedHeader = (token: string): Record<string, unknown> => ({
  ...jose.decodeProtectedHeader(token),
})

const issuer = 'https://localhost:9443/oauth2/token'
const organization = { org_id: '10084a8d-113f-4211-a0d5-efe36b082211', org_name: 'Super' }

for (const database of databases) {
  describe(`on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    const auditSince = async (length: number) => (await server.audit()).slice(length)
    const auditLength = async () => (await server.audit()).length

    test('it answers a subject-token request in the order and the place of the seed', async () => {
      const { answer, parameters } = await obtainSubjectToken(server, scenario)
      expect(answer.headers.get('location')?.startsWith(`${redirectUri}#id_token=`)).toBe(true)
      expect([...parameters.keys()]).toEqual(['id_token', 'session_state', 'state', 'subject_token', 'iss'])
      expect(parameters.get('state')).toBe('s1')
      expect(parameters.get('iss')).toBe(issuer)
      expect(parameters.get('session_state')).toMatch(/^[0-9a-f]{64}\.[\w-]{22}$/)
      expect(answer.headers.get('cache-control')).toBe('no-store')
    })

    test('it issues a subject token with the claims of the seed, and may_act a plain object', async () => {
      const { subjectToken } = await obtainSubjectToken(server, scenario)
      const header = decodeProtectedHeader(subjectToken)
      expect(header).toEqual({ typ: 'subject-token+jwt', alg: 'RS256', kid: header.kid, x5t: header.x5t })
      const claims = decodeJwt(subjectToken)
      const iat = Number(claims.iat)
      const { jti } = claims
      expect(claims).toEqual({
        sub: scenario.subject.id,
        aud: scenario.clientId,
        nbf: iat,
        azp: scenario.clientId,
        scope: 'internal_login internal_user_mgt_list internal_user_mgt_view openid',
        iss: issuer,
        may_act: { sub: scenario.impersonator.id },
        exp: iat + 180,
        iat,
        jti,
        client_id: scenario.clientId,
      })
    })

    test('it issues an ID token that names the impersonator', async () => {
      const { idToken } = await obtainSubjectToken(server, scenario)
      expect(decodeProtectedHeader(idToken).typ).toBeUndefined()
      const claims = decodeJwt(idToken)
      const iat = Number(claims.iat)
      const { jti, sid, isk, auth_time, s_hash } = claims
      expect(claims).toEqual({
        isk,
        sub: scenario.impersonator.id,
        amr: ['BasicAuthenticator'],
        iss: issuer,
        nonce: 'n1',
        sid,
        aud: scenario.clientId,
        azp: scenario.clientId,
        exp: iat + 3600,
        iat,
        auth_time,
        jti,
        s_hash,
        ...organization,
      })
      expect(isk).toMatch(/^[0-9a-f]{64}$/)
      expect(s_hash).toMatch(/^[\w-]{22}$/)
    })

    test('it exchanges the subject token for the impersonated access token of the seed', async () => {
      const before = Math.floor(Date.now() / 1000)
      const response = await exchange(server, scenario, await obtainSubjectToken(server, scenario))
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(response.headers.get('pragma')).toBe('no-cache')
      const body = (await response.json()) as Record<string, unknown>
      const scope = 'internal_login internal_user_mgt_list internal_user_mgt_view openid'
      expect(body).toEqual({
        access_token: body.access_token,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        scope,
        token_type: 'Bearer',
        expires_in: 3600,
      })
      expect(Object.keys(body)).toEqual([
        'access_token',
        'issued_token_type',
        'scope',
        'token_type',
        'expires_in',
      ])
      const token = String(body.access_token)
      const header = decodeProtectedHeader(token)
      expect(header).toEqual({ typ: 'at+jwt', alg: 'RS256', kid: header.kid, x5t: header.x5t })
      const claims = decodeJwt(token)
      const iat = Number(claims.iat)
      const { jti } = claims
      expect(iat).toBeGreaterThanOrEqual(before)
      expect(claims).toEqual({
        sub: scenario.subject.id,
        aut: 'APPLICATION_USER',
        iss: issuer,
        client_id: scenario.clientId,
        aud: scenario.clientId,
        nbf: iat,
        act: { sub: scenario.impersonator.id },
        azp: scenario.clientId,
        scope,
        exp: iat + 3600,
        iat,
        jti,
        ...organization,
      })
    })

    test('it narrows by the scope parameter of the exchange and drops what the subject token lacks', async () => {
      const tokens = await obtainSubjectToken(server, scenario)
      const response = await exchange(server, scenario, tokens, {
        scope: 'internal_login internal_role_mgt_view',
      })
      const { access_token, scope } = (await response.json()) as { access_token: string; scope: string }
      expect(scope).toBe('internal_login')
      expect(decodeJwt(access_token).scope).toBe('internal_login')
    })

    test('it leaves scope out of tokens that carry none', async () => {
      const tokens = await obtainSubjectToken(server, scenario, { scope: 'internal_user_impersonate' })
      expect(decodeJwt(tokens.subjectToken)).not.toHaveProperty('scope')
      expect([...tokens.parameters.keys()]).toEqual(['id_token', 'state', 'subject_token', 'iss'])
      const response = await exchange(server, scenario, tokens)
      const { access_token, scope } = (await response.json()) as { access_token: string; scope: string }
      expect(scope).toBe('')
      expect(decodeJwt(access_token)).not.toHaveProperty('scope')
    })

    test('it understands the sample request of the seed: white space, a scope twice, one that nobody registered', async () => {
      const scope =
        'internal_user_impersonate openid internal_login internal_user_mgt_list internal_user_mgt_list readBooking\n'
      const { subjectToken } = await obtainSubjectToken(server, scenario, { scope })
      expect(decodeJwt(subjectToken).scope).toBe('internal_login internal_user_mgt_list openid')
    })

    test('it answers by form post when asked, and in the fragment when a query is asked for beside an ID token', async () => {
      const { browser: signedIn } = await obtainSubjectToken(server, scenario)
      const page = await signedIn.get(authorizePath(scenario, { response_mode: 'form_post' }))
      expect(page.status).toBe(200)
      const html = await page.text()
      expect(html).toContain(`action="${redirectUri}"`)
      for (const name of ['id_token', 'session_state', 'state', 'subject_token', 'iss'])
        expect(html).toContain(`name="${name}"`)
      const queried = await signedIn.get(authorizePath(scenario, { response_mode: 'query' }))
      expect(locationOf(queried).search).toBe('')
      expect(fragmentOf(queried).get('subject_token')).not.toBeNull()
    })

    test('it serves subject_token alone in the fragment, exchanged with another ID token of the same sign-in', async () => {
      const { browser, idToken } = await obtainSubjectToken(server, scenario)
      const alone = await obtainSubjectToken(
        server,
        scenario,
        { response_type: 'subject_token', nonce: undefined },
        browser,
      )
      expect([...alone.parameters.keys()]).toEqual(['session_state', 'state', 'subject_token', 'iss'])
      const response = await exchange(server, scenario, { subjectToken: alone.subjectToken, idToken })
      expect(response.status).toBe(200)
    })

    test('it takes client credentials from the form as well, and defaults issued_token_type to jwt', async () => {
      const tokens = await obtainSubjectToken(server, scenario)
      const credentials = { client_id: scenario.clientId, client_secret: scenario.clientSecret }
      const response = await server.request('/oauth2/token', {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: tokens.subjectToken,
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          actor_token: tokens.idToken,
          actor_token_type: 'urn:ietf:params:oauth:token-type:id_token',
          ...credentials,
        }),
      })
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({
        issued_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      })
    })

    test('it asks for consent where it is wanted, and never remembers the answer', async () => {
      const { browser } = await obtainSubjectToken(server, scenario)
      for (const answer of ['approve', 'approveAlways']) {
        const consent = locationOf(await browser.get(authorizePath(scenario, { prompt: 'consent' })))
        expect(consent.pathname).toBe('/authenticationendpoint/oauth2_authz.do')
        const page = await browser.get(`${consent.pathname}${consent.search}`)
        expect(await page.text()).toContain(scenario.subject.id)
        const approved = await browser.post('/oauth2/authorize', {
          sessionDataKeyConsent: consent.searchParams.get('sessionDataKeyConsent') ?? '',
          consent: answer,
        })
        expect(fragmentOf(approved).get('subject_token')).not.toBeNull()
      }
    })

    test('it writes one audit row each for the authorization and the start, with one impersonation', async () => {
      const length = await auditLength()
      const { access_token } = await impersonate(server, scenario)
      const rows = await auditSince(length)
      expect(rows.map(({ event }) => event)).toEqual([
        'login-succeeded',
        'subject-token-issued',
        'impersonated-token-issued',
      ])
      const [, authorized, started] = rows
      const data = {
        clientId: scenario.clientId,
        subject: scenario.subject.id,
        impersonator: scenario.impersonator.id,
        scope: 'internal_login internal_user_mgt_list internal_user_mgt_view openid',
        impersonation: authorized?.impersonation_id,
      }
      expect(authorized).toMatchObject({
        initiator: scenario.impersonator.id,
        target: scenario.subject.id,
        outcome: 'Success',
        data,
      })
      expect(started?.data).toEqual({ ...data, tokenId: decodeJwt(access_token).jti })
      expect(started?.impersonation_id).toBe(authorized?.impersonation_id ?? '')
    })

    test('it tells the user by mail of each start, to the address of then, unless the notice is switched off', async () => {
      const mails = async () => {
        const { access_token } = await impersonate(server, scenario)
        const { impersonation_id } =
          (await server.audit()).findLast(({ data }) => data.tokenId === decodeJwt(access_token).jti) ?? {}
        return server.db
          .selectFrom('outbox')
          .select(['recipient', 'template', 'sent_at'])
          .where('impersonation_id', '=', impersonation_id ?? '')
          .execute()
      }
      const notice = { recipient: 'enduser@example.com', template: 'impersonation-started', sent_at: null }
      expect(await mails()).toEqual([notice])
      const turn = async (value: boolean) => {
        const operation = { operation: 'REPLACE', path: '/enableEmailNotification', value }
        expect((await server.send('PATCH', '/api/server/v1/configs/impersonation', [operation])).status).toBe(
          200,
        )
      }
      await turn(false)
      expect(await mails()).toEqual([])
      await turn(true)
      expect(await mails()).toEqual([notice])
    })

    test('it lets the impersonated token read and change what the subject may, and reproduces the two audit lines of the seed', async () => {
      const { access_token } = await impersonate(server, scenario)
      const length = await auditLength()
      const list = await server.request('/scim2/Users', {
        headers: { Authorization: `Bearer ${access_token}` },
      })
      expect(list.status).toBe(200)
      expect(await auditSince(length)).toEqual([])
      const patched = await patchCountry(server, access_token)
      expect(patched.status).toBe(200)
      const rows = await auditSince(length)
      expect(rows.map(({ event }) => event).toSorted()).toEqual([
        'resource-modification-via-impersonation',
        'user-claims-changed',
      ])
      const use = rows.find(({ event }) => event !== 'user-claims-changed')
      const change = rows.find(({ event }) => event === 'user-claims-changed')
      expect(use?.data).toEqual({
        ResourcePath: '/scim2/Me',
        clientId: scenario.clientId,
        subject: scenario.subject.id,
        scope: 'internal_login internal_user_mgt_list internal_user_mgt_view openid',
        impersonator: scenario.impersonator.id,
        httpMethod: 'PATCH',
      })
      const lineOf = (row: typeof use) => (row ? auditLine({ ...row, data: JSON.stringify(row.data) }) : '')
      const date = String.raw`\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3}`
      const trace = '[0-9a-f-]{36}'
      expect(lineOf(use)).toMatch(
        new RegExp(
          String.raw`^TID: \[-1234\] \[${date}\] \[${trace}\]  INFO \{AUDIT_LOG\} - Initiator=${scenario.impersonator.id} Action=resource-modification-via-impersonation Target=${scenario.subject.id} Data=\{.*\} Outcome=AUTHORIZED$`,
        ),
      )
      expect(change?.data).toEqual({
        ServiceProviderName: 'POSTMAN_SBA',
        Claims: {
          'http://wso2.org/claims/country': 'S****n',
          'http://wso2.org/claims/modified': expect.stringMatching(/^2\*+Z$/),
          profileConfiguration: 'd*****t',
        },
      })
      expect(lineOf(change)).toMatch(
        new RegExp(
          String.raw`^TID: \[-1234\] \[${date}\] \[${trace}\]  INFO \{AUDIT_LOG\} - Initiator=${scenario.subject.id} Action=Set-User-Claim-Values Target=E\*+r Data=\{.*\} Outcome=Success \| Impersonator : ${scenario.impersonator.id}$`,
        ),
      )
    })
  })
}
