/** Certified client libraries, unmodified, against discovery, the ID token and the exchange. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { type Booted, boot } from './boot.ts'
import { type Browser, locationOf, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import {
  createApplication,
  createRole,
  logIn,
  redirectUri,
  type Scenario,
  setUp,
  subjectScopes,
  tokenType,
} from './scenario.ts'

const issuer = new URL('https://localhost:9443/oauth2/token')
const scope = 'openid internal_login internal_user_impersonate internal_user_mgt_list internal_user_mgt_view'

for (const database of databases) {
  describe(`on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    /** What the libraries fetch reaches the app as the listener would hand it over. */
    const fetching = (url: string, init: RequestInit): Promise<Response> => server.request(url, init)

    /** Follows an authorization URL through the login form to the redirect URI. */
    const authorize = async (url: URL, browser: Browser = newBrowser(server)): Promise<URL> => {
      const first = await browser.get(`${url.pathname}${url.search}`)
      return locationOf(await logIn(browser, first, scenario.impersonator))
    }

    test('openid-client discovers, takes the ID token and exchanges', async () => {
      const configuration = await client.discovery(
        issuer,
        scenario.clientId,
        undefined,
        client.ClientSecretBasic(scenario.clientSecret),
        { [client.customFetch]: fetching as never },
      )
      expect(configuration.serverMetadata().issuer).toBe(issuer.href)
      const nonce = client.randomNonce()
      const state = client.randomState()
      const landed = await authorize(
        client.buildAuthorizationUrl(configuration, {
          redirect_uri: redirectUri,
          response_type: 'id_token subject_token',
          requested_subject: scenario.subject.id,
          scope,
          nonce,
          state,
        }),
      )
      const fragment = new URLSearchParams(landed.hash.slice(1))
      const subjectToken = fragment.get('subject_token') ?? ''
      // the library knows `id_token` answers; the subject token beside it is an extension parameter to it
      client.useIdTokenResponseType(configuration)
      const claims = await client.implicitAuthentication(configuration, landed, nonce, {
        expectedState: state,
      })
      expect(claims).toMatchObject({ sub: scenario.impersonator.id, aud: scenario.clientId, nonce })
      const tokens = await client.genericGrantRequest(
        configuration,
        'urn:ietf:params:oauth:grant-type:token-exchange',
        {
          subject_token: subjectToken,
          subject_token_type: tokenType('jwt'),
          requested_token_type: tokenType('access_token'),
          actor_token: fragment.get('id_token') ?? '',
          actor_token_type: tokenType('id_token'),
        },
      )
      expect(tokens).toMatchObject({
        token_type: 'bearer',
        expires_in: 3600,
        issued_token_type: tokenType('access_token'),
      })
      const me = await client.fetchProtectedResource(
        configuration,
        tokens.access_token,
        new URL('https://localhost:9443/scim2/Me'),
        'GET',
      )
      expect(await me.json()).toMatchObject({ id: scenario.subject.id })
    })

    test('oauth4webapi does the same for a public client with PKCE, and validates the access token as RFC 9068', async () => {
      const options = { [oauth.customFetch]: fetching as never }
      const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options))
      const metadata = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' })
      expect((await oauth.processDiscoveryResponse(issuer, metadata)).token_endpoint).toBe(
        as.token_endpoint ?? '',
      )
      const application = await createApplication(server, { name: 'Public', oidc: { publicClient: true } })
      const { applicationId } = application
      await createRole(server, {
        name: 'PublicImpersonator',
        applicationId,
        permissions: ['internal_user_impersonate'],
        member: scenario.impersonator.id,
      })
      await createRole(server, {
        name: 'PublicUser',
        applicationId,
        permissions: subjectScopes,
        member: scenario.subject.id,
      })
      const me: oauth.Client = { client_id: application.clientId }
      const verifier = oauth.generateRandomCodeVerifier()
      const browser = newBrowser(server)
      const urlOf = async (parameters: Record<string, string>) => {
        const url = new URL(as.authorization_endpoint ?? '')
        url.search = new URLSearchParams({
          client_id: me.client_id,
          redirect_uri: redirectUri,
          requested_subject: scenario.subject.id,
          scope,
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          ...parameters,
        }).toString()
        return url
      }
      // this library refuses answers with an id_token in them, so the two come one after the other
      const nonce = oauth.generateRandomNonce()
      const first = await authorize(await urlOf({ response_type: 'id_token subject_token', nonce }), browser)
      const idToken = new URLSearchParams(first.hash.slice(1)).get('id_token') ?? ''
      const second = await urlOf({ response_type: 'subject_token', state: 's' })
      const landed = locationOf(await browser.get(`${second.pathname}${second.search}`))
      const answer = oauth.validateAuthResponse(as, me, new URLSearchParams(landed.hash.slice(1)), 's')
      const response = await oauth.genericTokenEndpointRequest(
        as,
        me,
        oauth.None(),
        'urn:ietf:params:oauth:grant-type:token-exchange',
        {
          subject_token: answer.get('subject_token') ?? '',
          subject_token_type: tokenType('jwt'),
          requested_token_type: tokenType('access_token'),
          actor_token: idToken,
          actor_token_type: tokenType('id_token'),
          code_verifier: verifier,
        },
        options,
      )
      const tokens = await oauth.processGenericTokenEndpointResponse(as, me, response)
      const request = new Request('https://api.example/', {
        headers: { Authorization: `Bearer ${tokens.access_token}` },
      })
      const claims = await oauth.validateJwtAccessToken(as, request, me.client_id, options)
      expect(claims).toMatchObject({ sub: scenario.subject.id, client_id: me.client_id })
      expect(claims.act).toEqual({ sub: scenario.impersonator.id } as never)
    })
  })
}
