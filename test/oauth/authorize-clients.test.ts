/** Client libraries, unmodified, through the code flow and the hybrid one, with PKCE, JARM and PAR. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { type Booted, boot } from '../boot.ts'
import { locationOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { createPerson, logIn, type Person, redirectUri } from '../scenario.ts'
import { type Client, createClient } from './authorizing.ts'

const issuer = new URL('https://localhost:9443/oauth2/token')

for (const database of databases) {
  describe(`on ${database.name}`, () => {
    let server: Booted
    let person: Person
    let client: Client

    beforeAll(async () => {
      server = await boot(database)
      person = await createPerson(server, 'AdaLovelace')
      client = await createClient(server)
    })
    afterAll(() => server.stop())

    /** What the libraries fetch reaches the app as the listener would hand it over. */
    const fetching = (url: string, init: RequestInit): Promise<Response> => server.request(url, init)

    const landed = async (url: URL): Promise<URL> => {
      const browser = newBrowser(server)
      return locationOf(await logIn(browser, await browser.get(`${url.pathname}${url.search}`), person))
    }

    const discover = (secret: string) =>
      openid.discovery(issuer, client.clientId, undefined, openid.ClientSecretBasic(secret), {
        [openid.customFetch]: fetching as never,
      })

    const asked = async (verifier: string) => ({
      redirect_uri: redirectUri,
      scope: 'openid email offline_access',
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      nonce: 'n1',
      state: 's1',
    })
    const checks = (pkceCodeVerifier: string) => ({
      pkceCodeVerifier,
      expectedNonce: 'n1',
      expectedState: 's1',
    })

    test('openid-client plays the code flow, userinfo and a refresh', async () => {
      const configuration = await discover(client.clientSecret)
      const verifier = openid.randomPKCECodeVerifier()
      const url = openid.buildAuthorizationUrl(configuration, await asked(verifier))
      const tokens = await openid.authorizationCodeGrant(configuration, await landed(url), checks(verifier))
      expect(tokens.claims()).toMatchObject({ sub: person.id, aud: client.clientId, nonce: 'n1' })
      const userinfo = await openid.fetchUserInfo(configuration, tokens.access_token, person.id)
      expect(userinfo.email).toBe('adalovelace@example.com')
      const refreshed = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '')
      expect(refreshed.access_token).not.toBe(tokens.access_token)
    })

    test('openid-client plays the hybrid flow, JARM and pushed requests', async () => {
      for (const [response_type, prepare] of [
        ['code id_token', openid.useCodeIdTokenResponseType],
        ['code', openid.useJwtResponseMode],
      ] as const) {
        const configuration = await discover(client.clientSecret)
        prepare(configuration)
        const verifier = openid.randomPKCECodeVerifier()
        const parameters = { ...(await asked(verifier)), response_type }
        const url = openid.buildAuthorizationUrl(configuration, parameters)
        const tokens = await openid.authorizationCodeGrant(configuration, await landed(url), checks(verifier))
        expect(tokens.claims()?.sub).toBe(person.id)
      }
      const configuration = await discover(client.clientSecret)
      const verifier = openid.randomPKCECodeVerifier()
      const url = await openid.buildAuthorizationUrlWithPAR(configuration, await asked(verifier))
      const tokens = await openid.authorizationCodeGrant(configuration, await landed(url), checks(verifier))
      expect(tokens.claims()?.sub).toBe(person.id)
    })

    test('openid-client finds the half hashes of an ID token by the hash of its EdDSA signature', async () => {
      const edwards = await boot(database, { toml: '[oauth]\nsigning_algorithm = "EdDSA"\n' })
      try {
        const ada = await createPerson(edwards, 'AdaLovelace')
        const { clientId, clientSecret } = await createClient(edwards)
        const configuration = await openid.discovery(
          issuer,
          clientId,
          { id_token_signed_response_alg: 'EdDSA' },
          openid.ClientSecretBasic(clientSecret),
          { [openid.customFetch]: ((url: string, init: RequestInit) => edwards.request(url, init)) as never },
        )
        openid.useCodeIdTokenResponseType(configuration)
        const verifier = openid.randomPKCECodeVerifier()
        const parameters = { ...(await asked(verifier)), response_type: 'code id_token' }
        const url = openid.buildAuthorizationUrl(configuration, parameters)
        const browser = newBrowser(edwards)
        const answer = await logIn(browser, await browser.get(`${url.pathname}${url.search}`), ada)
        const tokens = await openid.authorizationCodeGrant(
          configuration,
          locationOf(answer),
          checks(verifier),
        )
        expect(tokens.claims()?.sub).toBe(ada.id)
      } finally {
        await edwards.stop()
      }
    })

    test('oauth4webapi plays the code flow of a public client', async () => {
      const options = { [oauth.customFetch]: fetching as never }
      const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options))
      const { clientId } = await createClient(server, {
        publicClient: true,
        grantTypes: ['authorization_code', 'refresh_token'],
      })
      const me: oauth.Client = { client_id: clientId }
      const verifier = oauth.generateRandomCodeVerifier()
      const url = new URL(as.authorization_endpoint ?? '')
      url.search = new URLSearchParams({
        client_id: clientId,
        response_type: 'code',
        ...(await asked(verifier)),
      }).toString()
      const answer = oauth.validateAuthResponse(as, me, await landed(url), 's1')
      const response = await oauth.authorizationCodeGrantRequest(
        as,
        me,
        oauth.None(),
        answer,
        redirectUri,
        verifier,
        options,
      )
      const tokens = await oauth.processAuthorizationCodeResponse(as, me, response, {
        expectedNonce: 'n1',
        requireIdToken: true,
      })
      await oauth.validateApplicationLevelSignature(as, response, options)
      expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(person.id)
      const userinfo = await oauth.userInfoRequest(as, me, tokens.access_token, options)
      const claims = await oauth.processUserInfoResponse(as, me, person.id, userinfo)
      expect(claims.email).toBe('adalovelace@example.com')
    })
  })
}
